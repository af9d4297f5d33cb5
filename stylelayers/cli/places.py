"""Paths of the command line, looked at before any work is done; ``~`` is the user's folder, quoted or not."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from .support import FailedError

__all__ = ["existing", "existing_file", "file_to_write", "folder_to_fill", "to_write"]


def existing(text: str) -> Path:
    """A file or a folder that is there."""
    path = _path(text)
    if not os.path.exists(path):  # unlike the path's own method, False for names that no file can have
        raise typer.BadParameter(f"{text!r} does not exist")
    return path


def existing_file(text: str) -> Path:
    """A file that is there."""
    path = existing(text)
    if path.is_dir():
        raise typer.BadParameter(f"{text!r} is a folder, and a file is expected")
    return path


def to_write(text: str) -> Path:
    """A file or a folder that can be made, as far as can be seen now."""
    path = _path(text)
    above = next(parent for parent in path.absolute().parents if os.path.exists(parent))
    if not above.is_dir():
        raise FailedError(f"{text!r} cannot be written: {str(above)!r} is a file")
    if not os.access(path if os.path.exists(path) else above, os.W_OK):
        raise FailedError(f"{text!r} cannot be written: permission denied")
    if os.path.exists(path) and not (path.is_file() or path.is_dir()):
        raise typer.BadParameter(f"{text!r} is a device or a pipe, which a file would replace")
    return path


def file_to_write(text: str) -> Path:
    """A file that can be made or replaced."""
    path = to_write(text)
    if path.is_dir():
        raise typer.BadParameter(f"{text!r} is a folder, and the name of a file is expected")
    return path


def folder_to_fill(text: str) -> Path:
    """A folder that is there or can be made."""
    path = to_write(text)
    if path.is_file():
        raise typer.BadParameter(f"{text!r} is a file, and the name of a folder is expected")
    return path


def _path(text: str) -> Path:
    if not text.strip():
        raise typer.BadParameter(f"expected a path, got {text!r}")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~nobody
        raise typer.BadParameter(f"{text!r}: {error}") from None
