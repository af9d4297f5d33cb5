"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["whole_file"]


@contextmanager
def whole_file(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """A name to write under; afterwards the file is flushed to the disk and renamed to `path`, whatever was there.

    An exception leaves `path` as it was, and nothing else behind. Missing folders are made.

    Args:
        path: of the whole file.
        flush: wait for the disk, so that the file is whole even if the machine fails; without, only the process may
            fail, which is enough, and much faster, for what can be made again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    try:
        yield unfinished
        if flush:
            _flush(unfinished)
        unfinished.replace(path)
        if flush:
            _flush(path.parent)
    finally:
        unfinished.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Have the system write a file, or a folder's list of names, to the disk; Windows cannot do so for folders."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
