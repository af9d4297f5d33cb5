"""Where prepared images go: a zip archive or a folder, in the layout of the official data set tool.

Both grow image by image under another name, and an interrupted one is taken up at the last whole image.
"""

import json
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from .._whole_files import whole_file
from .archive_labels import LABELS

_HEADER = struct.Struct("<4s2xHH4xIIIHH")  # of a file in a zip archive
_SIGNATURE = b"PK\x03\x04"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip archive can name
_CHUNK = 1 << 20


def image_name(number: int, suffix: str) -> str:
    """The name of an image: ``00012/img00012345.png``."""
    digits = f"{number:08d}"
    return f"{digits[:5]}/img{digits}{suffix}"


class Target(Protocol):
    """An unfinished data set.

    Attributes:
        count: whole images that it holds.
    """

    count: int

    def cut(self, count: int) -> int:
        """Drop the images after the first `count`, or somewhat more; returns how many are left."""
        ...

    def add(self, content: bytes, label: Any) -> None: ...

    def flush(self) -> None:
        """Hand what was added to the operating system."""
        ...

    def finish(self, labels: Sequence[Any], class_names: Sequence[str]) -> Path:
        """Complete the data set on disk; returns its path."""
        ...

    def close(self) -> None: ...


class FolderTarget:
    """A folder of image files.

    Args:
        folder: is created, or taken up.
        suffix: of the files.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self._folder, self._suffix = folder / "images", suffix
        self.count = 0
        while _size(self._path(self.count)) > 0:
            self.count += 1

    def cut(self, count: int) -> int:
        for number in range(count, self.count):
            self._path(number).unlink()
        self.count = count
        return count

    def add(self, content: bytes, label: Any) -> None:
        with whole_file(self._path(self.count), flush=False) as unfinished:
            unfinished.write_bytes(content)
        self.count += 1

    def flush(self) -> None:
        pass

    def finish(self, labels: Sequence[Any], class_names: Sequence[str]) -> Path:
        for leftover in self._folder.rglob("*.part"):
            leftover.unlink()
        with whole_file(self._folder / LABELS) as unfinished:
            unfinished.write_bytes(label_file(labels, class_names, self._suffix))
        return self._folder

    def close(self) -> None:
        pass

    def _path(self, number: int) -> Path:
        return self._folder / image_name(number, self._suffix)


class ZipTarget:
    """A zip archive whose files are stored as they are.

    Args:
        folder: where the unfinished archive is created, or taken up.
        suffix: of the files.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self._path, self._suffix = folder / "images.zip", suffix
        self._file = self._path.open("r+b" if self._path.exists() else "w+b")
        self._entries = [*_whole_entries(self._file, suffix)]
        self.count = len(self._entries)
        self._archive: zipfile.ZipFile | None = None

    def cut(self, count: int) -> int:
        del self._entries[count:]
        self.count = count
        return count

    def add(self, content: bytes, label: Any) -> None:
        self._open().writestr(_entry(image_name(self.count, self._suffix)), content)
        self.count += 1

    def flush(self) -> None:
        self._file.flush()

    def finish(self, labels: Sequence[Any], class_names: Sequence[str]) -> Path:
        archive = self._open()
        archive.writestr(_entry(LABELS), label_file(labels, class_names, self._suffix))
        archive.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._path

    def close(self) -> None:
        self._file.close()
        if self._archive is not None:
            self._archive.fp = None  # without a directory, so that it is taken up

    def _open(self) -> zipfile.ZipFile:
        """The archive, which goes on after the whole images."""
        if self._archive is None:
            last = self._entries[-1] if self._entries else None
            end = 0 if last is None else last.header_offset + _HEADER.size + len(last.filename) + last.file_size
            self._file.truncate(end)
            self._file.seek(end)
            self._archive = zipfile.ZipFile(self._file, "w")
            self._archive.filelist.extend(self._entries)
        return self._archive


def label_file(labels: Sequence[Any], class_names: Sequence[str], suffix: str) -> bytes:
    """The text of ``dataset.json``.

    Args:
        labels: a class number or list of numbers for each image; None for images without labels.
        class_names: in the order of their numbers.
        suffix: of the files.
    """
    pairs = [[image_name(number, suffix), label] for number, label in enumerate(labels)]
    content: dict[str, Any] = {"labels": pairs if labels and labels[0] is not None else None}
    if class_names and content["labels"] is not None:
        content["class_names"] = list(class_names)
    return json.dumps(content, ensure_ascii=False).encode()


def remove_tree(path: Path) -> None:
    """Remove a file or folder, if there is one."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system, entry.external_attr = 3, 0o644 << 16  # the same on every operating system
    return entry


def _whole_entries(file: BinaryIO, suffix: str) -> Iterator[zipfile.ZipInfo]:
    """The images at the start of an unfinished archive, as far as they are whole and in order."""
    size, offset = os.fstat(file.fileno()).st_size, 0
    for number in range(10**8):
        name = image_name(number, suffix)
        file.seek(offset)
        header = file.read(_HEADER.size + len(name))
        if len(header) < _HEADER.size + len(name):
            return
        signature, _, method, crc, packed, length, name_length, extra = _HEADER.unpack(header[: _HEADER.size])
        whole = signature == _SIGNATURE and method == zipfile.ZIP_STORED and name_length == len(name) and not extra
        if not (whole and header[_HEADER.size :] == name.encode() and packed == length > 0):
            return
        if offset + len(header) + length > size or _checksum(file, length) != crc:
            return
        entry = _entry(name)
        entry.header_offset, entry.CRC, entry.compress_size, entry.file_size = offset, crc, length, length
        yield entry
        offset += len(header) + length


def _checksum(file: BinaryIO, length: int) -> int:
    crc = 0
    while length > 0 and (content := file.read(min(length, _CHUNK))):
        crc, length = zlib.crc32(content, crc), length - len(content)
    return crc


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
