"""The files of a zip archive, read by several processes and threads at once, in bounded memory."""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .names import Names

_LARGEST = 1 << 30  # bytes of a file
_LOCAL_HEADER = struct.Struct("<26xHH")
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
                entries = {entry.filename: entry for entry in archive.infolist() if not entry.is_dir()}
        except (zipfile.BadZipFile, NotImplementedError) as error:
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
        offset, packed, size, _, method, flags = (int(number) for number in self._rows[index])
        if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
            raise ValueError("it is encrypted, or packed by a method other than deflate; pack the archive anew")
        if max(packed, size) > _LARGEST:
            raise ValueError(f"it has {max(packed, size):,} bytes, more than the {_LARGEST:,} of an image that is read")
        file = self._open()
        header = os.pread(file, _LOCAL_HEADER.size, offset)
        if len(header) < _LOCAL_HEADER.size:
            raise ValueError("the archive is cut off")
        content = os.pread(file, packed, offset + _LOCAL_HEADER.size + sum(_LOCAL_HEADER.unpack(header)))
        if method == _DEFLATED:
            content = _inflate(content, size)
        if len(content) != size:
            raise ValueError(f"it has not the {size:,} bytes that the archive says")
        return io.BytesIO(content)

    def _open(self) -> int:
        """A file descriptor of this process."""
        if self._descriptor is None or self._descriptor[0] != os.getpid():
            self._descriptor = os.getpid(), os.open(self.path, os.O_RDONLY)
        return self._descriptor[1]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_descriptor": None}

    def __del__(self) -> None:
        if self.__dict__.get("_descriptor") is not None and self._descriptor is not None:
            process, descriptor = self._descriptor
            if process == os.getpid():
                os.close(descriptor)


def _inflate(content: bytes, size: int) -> bytes:
    """Unpack to at most one byte more than `size`."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(content, size + 1)
    except zlib.error as error:
        raise ValueError(f"it cannot be unpacked: {error}") from None
