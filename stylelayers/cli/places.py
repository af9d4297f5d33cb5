"""Parsers of paths, which check them before any work is done; ``~`` is the home folder, even if quoted."""

import os
from pathlib import Path

import typer

from .support import FailedError


def existing_path(text: str) -> Path:
    """An existing file or folder."""
    path = _parse_path(text)
    if not os.path.exists(path):  # unlike Path.exists, False for impossible names
        raise typer.BadParameter(f"{text!r} does not exist")
    return path


def existing_file(text: str) -> Path:
    """An existing file."""
    path = existing_path(text)
    if path.is_dir():
        raise typer.BadParameter(f"{text!r} is a folder, and a file is expected")
    return path


def path_to_write(text: str) -> Path:
    """A file or folder that can be written, as far as can be told in advance."""
    path = _parse_path(text)
    above = next(parent for parent in path.absolute().parents if os.path.exists(parent))
    if not above.is_dir():
        raise FailedError(f"{text!r} cannot be written: {str(above)!r} is a file")
    if not os.access(path if os.path.exists(path) else above, os.W_OK):
        raise FailedError(f"{text!r} cannot be written: permission denied")
    if os.path.exists(path) and not (path.is_file() or path.is_dir()):
        raise typer.BadParameter(f"{text!r} is a device or a pipe, which a file would replace")
    return path


def file_to_write(text: str) -> Path:
    """A file that can be created or replaced."""
    path = path_to_write(text)
    if path.is_dir():
        raise typer.BadParameter(f"{text!r} is a folder, and the name of a file is expected")
    return path


def folder_to_write(text: str) -> Path:
    """A folder that exists or can be created."""
    path = path_to_write(text)
    if path.is_file():
        raise typer.BadParameter(f"{text!r} is a file, and the name of a folder is expected")
    return path


def _parse_path(text: str) -> Path:
    if not text.strip():
        raise typer.BadParameter(f"expected a path, got {text!r}")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~nobody
        raise typer.BadParameter(f"{text!r}: {error}") from None
