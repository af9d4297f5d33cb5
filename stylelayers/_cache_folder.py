"""The folder of what is kept from run to run: features of real images, indices of image folders."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """``$STYLELAYERS_CACHE``, or ``stylelayers`` in the user's cache folder."""
    if "STYLELAYERS_CACHE" in os.environ:
        return Path(os.environ["STYLELAYERS_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stylelayers"
