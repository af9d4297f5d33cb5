"""Shards of images: Parquet, Arrow and tar files, and how many images each holds, without reading these."""

import hashlib
import json
import os
import re
import sys
import tarfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.progress import track

from .._cache_folder import cache_folder
from .._whole_files import whole_file

_THREADS = 16
_MEMBER = re.compile(r"((?:.*/|)[^.]+)[.]([^/]*)")  # of a WebDataset: the name of an example, and of a field


@dataclass(frozen=True)
class Shards:
    """A data set in shards.

    Attributes:
        dataset: a ``datasets.IterableDataset``.
        files: its shards.
        lengths: number of images of each.
    """

    dataset: Any
    files: Sequence[str]
    lengths: Sequence[int]

    def names(self) -> "ShardNames":
        return ShardNames(self.files, self.lengths)


class ShardNames(Sequence[str]):
    """The name of each image: its shard, and its number in it."""

    def __init__(self, files: Sequence[str], lengths: Sequence[int]) -> None:
        self.files, self.lengths = files, lengths

    def __len__(self) -> int:
        return sum(self.lengths)

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        for file, length in zip(self.files, self.lengths, strict=True):
            if index < length:
                return f"image {index} of {file}"
            index -= length
        raise IndexError("no such image")


def count_images(kind: str, files: Sequence[str]) -> list[int]:
    """The number of images of each shard; counted once, by one process, and kept in the cache folder.

    Args:
        kind: ``"parquet"``, ``"arrow"`` or ``"webdataset"``.
        files: paths, or addresses that ``fsspec`` opens.

    Raises:
        Exception: whatever reading a damaged file raises.
    """
    identity = [[file, *_stat(file)] for file in files]
    name = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:32]
    path = cache_folder() / "shards" / f"{name}.json"
    lock = FileLock(f"{path}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError:  # a cache folder that cannot be written
        return _count(kind, files)
    try:
        return _load(path, len(files)) or _count_and_save(kind, files, path)
    finally:
        lock.release()


def _load(path: Path, count: int) -> list[int] | None:
    try:
        lengths = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    valid = isinstance(lengths, list) and len(lengths) == count and all(type(length) is int for length in lengths)
    return lengths if valid else None


def _count_and_save(kind: str, files: Sequence[str], path: Path) -> list[int]:
    lengths = _count(kind, files)
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(lengths))
    return lengths


def _count(kind: str, files: Sequence[str]) -> list[int]:
    counters = {"parquet": _count_parquet, "arrow": _count_arrow, "webdataset": _count_tar}
    with ThreadPoolExecutor(_THREADS) as pool:
        counted: Iterable[int] = pool.map(counters[kind], files)
        if sys.stderr.isatty():
            counted = track(counted, "counting the images of shards (once)", len(files), transient=True)
        return list(counted)


def _stat(file: str) -> tuple[int, int]:
    """Size and time of a local file; an address of the hub has the commit in it."""
    try:
        stat = os.stat(file)
    except OSError:
        return (-1, -1)
    return stat.st_size, stat.st_mtime_ns


def _open(file: str) -> Any:
    import fsspec

    return fsspec.open(file, "rb")


def _count_parquet(file: str) -> int:
    import pyarrow.parquet

    with _open(file) as opened:
        return int(pyarrow.parquet.read_metadata(opened).num_rows)


def _count_arrow(file: str) -> int:
    import pyarrow

    with _open(file) as opened:
        try:
            return sum(batch.num_rows for batch in pyarrow.ipc.open_stream(opened))
        except pyarrow.ArrowInvalid:
            opened.seek(0)
            reader = pyarrow.ipc.open_file(opened)
            return sum(reader.get_batch(number).num_rows for number in range(reader.num_record_batches))


def _count_tar(file: str) -> int:
    """As ``datasets`` groups the files of an archive: those in a row of one name, up to its first dot, are an image."""
    count, last = 0, None
    with _open(file) as opened, tarfile.open(fileobj=opened) as archive:
        for member in archive:
            archive.members = []  # type: ignore[attr-defined]  # names of millions of files are not kept
            match = _MEMBER.fullmatch(member.name)
            if member.isreg() and match and not os.path.basename(member.name).startswith((".", "__")):
                count += match[1] != last
                last = match[1]
    return count
