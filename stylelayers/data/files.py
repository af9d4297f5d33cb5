"""The image files of a folder or an archive that can be read."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..images.reading import File
from .index import index_files
from .names import Names

VERIFY = ("header", "decode")


class ImageFiles(Protocol):
    """Files by number: what :class:`FolderFiles` and :class:`.archive_files.ZipFiles` have."""

    names: Names

    @property
    def stats(self) -> Tensor: ...

    def select(self, indices: Iterable[int]) -> Any: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> File: ...


class FolderFiles(Sequence[str]):
    """Paths of files in a folder, by number.

    Args:
        folder: that holds them.
        names: paths relative to it.
    """

    def __init__(self, folder: Path, names: Names) -> None:
        self.names, self._prefix = names, os.path.join(folder, "")

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        return self._prefix + self.names[index]

    @property
    def stats(self) -> Tensor:
        """Size in bytes and time of the last change in ns, int64 ``(N, 2)``; -1 where they cannot be asked for."""
        stats = np.full((len(self), 2), -1, dtype=np.int64)
        for row, path in enumerate(self):
            try:
                stat = os.stat(path)
            except OSError:  # told when the file is read
                continue
            stats[row] = stat.st_size, stat.st_mtime_ns
        return torch.from_numpy(stats)

    def select(self, indices: Iterable[int]) -> "FolderFiles":
        """Some of the files."""
        return FolderFiles(Path(self._prefix), Names(self.names[int(index)] for index in indices))


@dataclass(frozen=True)
class ReadableFiles:
    """Result of :func:`find_readable`.

    Attributes:
        files: those that can be read.
        channels: the largest number of channels of one of them.
        skipped: how many others there are, and the first with its error; empty if there are none.
        errors: path and reason of each of the others.
    """

    files: ImageFiles
    channels: int
    skipped: str
    errors: tuple[str, ...] = ()


def find_readable(
    caller: str, expected: str, root: Path, files: ImageFiles, *, verify: str, on_error: str
) -> ReadableFiles:
    """Read the headers of files, or decode them, as far as the index of `root` does not know them.

    Args:
        caller, expected: for errors: who asks, and what `root` must be.
        root: the folder or archive.
        files: that it holds.
        verify: ``"header"`` or ``"decode"``.
        on_error: ``"raise"`` or ``"skip"``.

    Raises:
        ValueError: one file cannot be read (``on_error="raise"``), or none can.
    """
    index = index_files(root, files.names, files.stats, files.__getitem__, decode=verify == "decode")
    if not index.errors:
        return ReadableFiles(files, int(index.headers[:, 2].max()), "")
    errors = tuple(f"{root / index.names[row]} ({reason})" for row, reason in index.errors.items())
    first = errors[0]
    if on_error == "raise":
        raise ValueError(
            f"{caller}: root must hold readable images, got {first}; remove the file, "
            'or set on_error="skip" to train without such files'
        )
    if len(index.errors) == len(index.names):
        raise ValueError(
            f"{caller}: root must name {expected}, got {str(root)!r}, where none of {len(index.names)} files is "
            f"readable; the first is {first}"
        )
    skipped = f"skipped {len(index.errors)} unreadable files of {len(index.names)}; the first is {first}"
    return ReadableFiles(files.select(index.readable.tolist()), int(index.headers[:, 2].max()), skipped, errors)
