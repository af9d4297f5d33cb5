"""Sizes and modes of image files, read once and kept, so that a run on a million files starts in seconds.

The index of a folder is one file in the cache folder. It knows a file by path, size and time of its last change, so
that only new and changed ones are opened. The first process that asks takes a lock and reads; the others wait for it.
"""

import hashlib
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from filelock import FileLock
from rich.progress import track
from safetensors import SafetensorError, safe_open
from torch import Tensor

from .._cache_folder import cache_folder
from .._whole_files import save_tensors
from ..images.reading import File, Header, decode_picture, read_header
from .names import Names

_VERSION = "1"
_CHUNK = 64  # files handed to a thread at a time: one takes 25 microseconds, to hand it over as long
_MANY = 64  # chunks
_Step = TypeVar("_Step")
_UNKNOWN, _HEADER, _DECODED = 0, 1, 2  # how much of a file was read


@dataclass
class Index:
    """What is known of the image files of a folder, one row per file.

    Attributes:
        names: paths relative to the folder.
        stats: int64 ``(N, 2)``, which change when a file changes: its size and the time in ns, or its checksum.
        headers: int32 ``(N, 4)``, width, height, channels and the number of the mode in `modes`.
        checked: uint8 ``(N,)``, 1 if the header was read, 2 if the whole file was decoded, 0 if neither could be.
        modes: ``"PNG RGB"`` and others.
        errors: of unreadable files, by row; not stored.
    """

    names: Names
    stats: Tensor
    headers: Tensor
    checked: Tensor
    modes: list[str]
    errors: dict[int, str]

    @classmethod
    def empty(cls, names: Names, stats: Tensor) -> "Index":
        count = len(names)
        return cls(names, stats, torch.zeros(count, 4).int(), torch.zeros(count, dtype=torch.uint8), [], {})

    @property
    def readable(self) -> Tensor:
        """Rows of the files that can be read, int64."""
        return self.checked.nonzero()[:, 0]

    def set_header(self, row: int, header: Header, level: int) -> None:
        mode = f"{header.format} {header.mode}"
        if mode not in self.modes:
            self.modes.append(mode)
        self.headers.numpy()[row] = header.width, header.height, header.channels, self.modes.index(mode)
        self.checked[row] = level

    def copy_rows(self, early: "Index") -> None:
        """Take what an earlier index knows of the files that have not changed."""
        if self.names.equals(early.names):
            rows = own = torch.arange(len(self.names))
        else:
            known = {name: row for row, name in enumerate(early.names)}
            pairs = [(row, known[name]) for row, name in enumerate(self.names) if name in known]
            own, rows = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).unbind(1)
        same = (self.stats[own] == early.stats[rows]).all(1) & (self.stats[own, 0] >= 0)
        own, rows = own[same], rows[same]
        self.headers[own], self.checked[own], self.modes = early.headers[rows], early.checked[rows], list(early.modes)


def index_files(
    key: Path, names: Names, stats: Tensor, open_file: Callable[[int], File], *, decode: bool = False
) -> Index:
    """Read the headers of image files, or decode all of them, as far as that was not done before.

    Args:
        key: folder or archive that holds the files; the name of the index.
        names: of the files in it.
        stats: int64 ``(N, 2)``, which change when a file changes; negative where nothing is known.
        open_file: gives the path of a file, or the open file, for its row.
        decode: decode every file whole.
    """
    level = _DECODED if decode else _HEADER
    path = cache_folder() / "images" / f"{hashlib.sha256(os.fsencode(key.resolve())).hexdigest()[:32]}.safetensors"
    with _locked(path):
        index, early = Index.empty(names, stats), _load(path)
        if early is not None:
            index.copy_rows(early)
        todo = (index.checked < level).nonzero()[:, 0].tolist()
        for row, found in zip(todo, _examined(open_file, todo, decode=decode), strict=True):
            if isinstance(found, Header):
                index.set_header(row, found, level)
            else:
                index.checked[row], index.errors[row] = _UNKNOWN, found
        if todo:
            _save(index, path)
    return index


def _examined(open_file: Callable[[int], File], rows: list[int], *, decode: bool) -> Iterator[Header | str]:
    """The header of each file, or the reason why it cannot be read, in order."""

    def examine(row: int) -> Header | str:
        try:
            header = read_header(open_file(row))
            if decode:
                decode_picture(open_file(row), header.channels)
            return header
        except (ValueError, OSError) as error:
            return " ".join(str(error).split())

    chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
    doing = "decoding images" if decode else "reading the headers of images"
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda chunk: [*map(examine, chunk)], chunks)
        for examined in _shown(found, len(chunks), f"{doing} (once)"):
            yield from examined


def _shown(steps: Iterator[_Step], count: int, doing: str) -> Iterable[_Step]:
    """The steps, with a bar and the time left on a terminal if they are many."""
    return track(steps, doing, total=count, transient=True) if count > _MANY and sys.stderr.isatty() else steps


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of an index; without one where nothing can be written."""
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError:
        pass
    try:
        yield
    finally:
        lock.release()


def _load(path: Path) -> Index | None:
    """The index in a file; None if there is none of this version."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            metadata, read = file.metadata() or {}, file.get_tensor
            if metadata.get("version") != _VERSION:
                return None
            names = Names.from_tensors(read("names"), read("ends"))
            tensors = [read(name) for name in ("stats", "headers", "checked")]
            return Index(names, tensors[0], tensors[1], tensors[2], json.loads(metadata["modes"]), {})
    except (SafetensorError, OSError, KeyError) as error:
        warnings.warn(f"image files are indexed anew: {path} is damaged ({error})", stacklevel=4)
        return None


def _save(index: Index, path: Path) -> None:
    tensors = {
        "names": index.names.text,
        "ends": index.names.ends,
        "stats": index.stats,
        "headers": index.headers,
        "checked": index.checked,
    }
    try:
        save_tensors(tensors, path, metadata={"version": _VERSION, "modes": json.dumps(index.modes)})
    except OSError as error:
        warnings.warn(f"the index of images was not kept, and is made anew by the next run: {error}", stacklevel=4)
