"""The files of a zip archive, read by several processes and threads at once, in bounded memory."""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import Tensor

from .names import Names

_LARGEST = 1 << 30  # bytes of a file
_LOCAL_HEADER = struct.Struct("<26xHH")
_START = 1 << 15  # bytes in which the header of an image is looked for
_SIGNATURE = b"PK\x03\x04"
_LOCK = Lock()
_STORED, _DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_ENCRYPTED = 1  # a flag


class ZipFiles(Sequence[io.BytesIO]):
    """Files of a zip archive by number.

    Unlike ``zipfile``, whose files share one position, it reads at offsets, and keeps a few numbers per file.

    Args:
        path: of the archive.
        names: of the files in it.

    Raises:
        ValueError: at reading, for a file that is encrypted or otherwise packed than by deflate, is larger than 1 GiB
            or than the archive says, or is cut off.
    """

    def __init__(self, path: Path, names: Sequence[str], rows: np.ndarray) -> None:
        self.path, self.names, self._rows = path, Names(names), rows
        self._descriptor: tuple[int, int] | None = None

    @classmethod
    def open(cls, path: Path, names: Sequence[str] | None = None) -> "ZipFiles":
        """The files of these names, or all files, sorted by name.

        Raises:
            ValueError: the archive cannot be read, or the name of a file leaves it.
        """
        try:
            with zipfile.ZipFile(path) as archive:
                files = [entry for entry in archive.infolist() if not entry.is_dir()]
            entries = {entry.filename.replace("\\", "/"): entry for entry in files}  # as some programs on Windows write
        except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, struct.error) as error:
            raise ValueError(f"{str(path)!r} is no zip archive that can be read: {error}") from None
        for name in entries:
            if name.startswith("/") or ".." in name.split("/"):
                raise ValueError(f"{str(path)!r} holds {name!r}, which leaves the archive")
        chosen = sorted(entries) if names is None else list(names)
        found = [entries[name] for name in chosen]
        rows = [
            (each.header_offset, each.compress_size, each.file_size, each.CRC, each.compress_type, each.flag_bits)
            for each in found
        ]
        return cls(path, chosen, np.array(rows, dtype=np.int64).reshape(-1, 6))

    def select(self, indices: Iterable[int]) -> "ZipFiles":
        """Some of the files."""
        chosen = [int(index) for index in indices]
        return ZipFiles(self.path, [self.names[index] for index in chosen], self._rows[chosen])

    @property
    def stats(self) -> Tensor:
        """Size and checksum of each file, int64 ``(N, 2)``."""
        return torch.from_numpy(self._rows[:, 2:4].copy())

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> io.BytesIO:  # type: ignore[override]
        size = int(self._rows[index, 2])
        start = self._read(index, min(size, _START))
        return io.BytesIO(start) if size <= _START else _LargeFile(start, lambda: self._read(index, size))

    def _read(self, index: int, length: int) -> bytes:
        """The first `length` bytes of a file, which are all of it if it is so long."""
        offset, packed, size, _, method, flags = (int(number) for number in self._rows[index])
        if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
            raise ValueError("it is encrypted, or packed by a method other than deflate; pack the archive anew")
        if max(packed, size) > _LARGEST:
            raise ValueError(f"it has {max(packed, size):,} bytes, more than the {_LARGEST:,} of an image that is read")
        file = self._open()
        header = _read_at(file, _LOCAL_HEADER.size, offset)
        if len(header) < _LOCAL_HEADER.size or not header.startswith(_SIGNATURE):
            raise ValueError("the archive is cut off or damaged there")
        start = offset + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(header))
        content = _read_at(file, packed if length == size else min(packed, length), start)
        content = _inflate(content, length) if method == _DEFLATED else content
        if len(content) < length or (len(content) > length and length == size):
            raise ValueError(f"it has not the {size:,} bytes that the archive says")
        return content[:length]

    def _open(self) -> int:
        """A file descriptor of this process."""
        with _LOCK:
            if self._descriptor is None or self._descriptor[0] != os.getpid():
                self._descriptor = os.getpid(), os.open(self.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
            return self._descriptor[1]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_descriptor": None}

    def __del__(self) -> None:
        if self.__dict__.get("_descriptor") is not None and self._descriptor is not None:
            process, descriptor = self._descriptor
            if process == os.getpid():
                os.close(descriptor)


class _LargeFile(io.BytesIO):
    """A file in memory that is read whole when more than its start is asked for: headers need no more.

    Args:
        start: the first bytes.
        load: returns all of them.
    """

    def __init__(self, start: bytes, load: Callable[[], bytes]) -> None:
        super().__init__(start)
        self._load: Callable[[], bytes] | None = load

    def read(self, size: int | None = -1) -> bytes:
        if self._load is not None and (size is None or size < 0 or self.tell() + size > _START):
            self._complete()
        return super().read(size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            self._complete()
        return super().seek(offset, whence)

    def getvalue(self) -> bytes:
        self._complete()
        return super().getvalue()

    def _complete(self) -> None:
        if self._load is not None:
            content, position, self._load = self._load(), self.tell(), None
            super().seek(0)
            self.write(content)
            super().seek(position)


def _read_at(descriptor: int, count: int, offset: int) -> bytes:
    """Read from a place in a file, which other threads and processes read, too."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    with _LOCK:  # Windows
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, count)


def _inflate(content: bytes, size: int) -> bytes:
    """Unpack to at most one byte more than `size`."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size + 1)
    except zlib.error as error:
        raise ValueError(f"it cannot be unpacked: {error}") from None
