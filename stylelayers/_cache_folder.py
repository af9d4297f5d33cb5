"""The folder of what is kept from run to run: features of real images, indices of image folders."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder of what is kept from run to run: features of real images, and indices of image folders.

    Returns:
        ``$STYLELAYERS_CACHE``, or ``stylelayers`` in ``$XDG_CACHE_HOME`` or ``~/.cache``. It need not exist.

    Example:
        >>> from unittest.mock import patch
        >>> from stylelayers.metrics import cache_folder
        >>> with patch.dict("os.environ", STYLELAYERS_CACHE="cache"):
        ...     str(cache_folder())
        'cache'
    """
    if "STYLELAYERS_CACHE" in os.environ:
        return Path(os.environ["STYLELAYERS_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stylelayers"
