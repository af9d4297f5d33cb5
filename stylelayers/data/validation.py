"""Checks of the arguments that the data factories share.

Every error is one ``ValueError`` line that starts with the configuration key (``data.<argument>``), says what
is allowed and ends with what came: it is what a user of ``train.py`` reads.
"""

from __future__ import annotations

import os
import reprlib
from collections.abc import Sequence
from pathlib import Path

__all__ = ["check_channels", "check_choice", "check_loader", "check_resolution", "check_root"]


def check_resolution(resolution: int | Sequence[int]) -> tuple[int, int]:
    """Return ``resolution``, an int or a pair ``(height, width)`` in pixels, as a pair."""
    pair = [resolution] * 2 if isinstance(resolution, int) else resolution
    if not (isinstance(pair, Sequence) and len(pair) == 2 and all(_is_int(side) and side >= 1 for side in pair)):
        raise ValueError(
            "data.resolution must be an int or a pair (height, width) of ints, each at least 1 pixel, "
            f"got {reprlib.repr(resolution)}"
        )
    return pair[0], pair[1]


def check_channels(image_channels: int) -> int:
    """Return ``image_channels`` if it is 1 (grey) or 3 (RGB)."""
    if not _is_int(image_channels) or image_channels not in (1, 3):
        raise ValueError(f"data.image_channels must be 1 (grey) or 3 (RGB), got {image_channels!r}")
    return image_channels


def check_choice(argument: str, value: str, choices: Sequence[str]) -> str:
    """Return ``value`` if it is one of ``choices``; ``argument`` is the name that the error gives it."""
    if value not in choices:
        raise ValueError(f"data.{argument} must be one of {', '.join(choices)}, got {value!r}")
    return value


def check_loader(batch_size: int, num_workers: int) -> None:
    """Check the arguments of the data loader; call it before the data are read."""
    if not _is_int(batch_size) or batch_size < 1:
        raise ValueError(f"data.batch_size must be at least 1 image, got {batch_size!r}")
    if not _is_int(num_workers) or num_workers < 0:
        raise ValueError(f"data.num_workers must be 0 (load in this process) or more processes, got {num_workers!r}")


def check_root(root: str | Path | None, expected: str) -> Path:
    """Return ``root`` as a path with ``~`` expanded; ``expected`` says in the error what it must name."""
    if not isinstance(root, (str, os.PathLike)) or not str(root):
        raise ValueError(f"data.root must name {expected}, got {root!r}")
    return Path(os.path.expanduser(root))  # unlike the path's own method, it takes a ~ of nobody


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
