"""Prepare a data set: resize its images once, and write them as an archive, a folder or parquet shards.

Work is done in a folder ``TARGET.part``, which an interrupted start leaves behind and the next one takes up: it holds
the settings, a journal with a line per image of the source, and the unfinished data set. The target appears whole.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .._checks import check_choice, check_ints
from .._whole_files import whole_file
from ..images.conversion import eight_bits
from ..images.encoding import SUFFIXES, check_encoding, encode_image
from ..images.resizing import make_frame
from .journal import Journal, Line
from .opening import OpenedData
from .options import AUTO
from .targets import FolderTarget, Target, ZipTarget, remove_tree
from .transforms import check_channels, render

ON_ERROR = ("raise", "list", "skip")
PARQUET = "parquet"
_PACK, _MOST = 4 << 20, 16  # bytes and images that a process hands over at a time
_OWN = (".parquet", "dataset.json", ".lock")


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What becomes of the images.

    Args:
        resolution: ``(height, width)`` in pixels; None keeps the size, which must be one.
        resize, resize_filter: as in :class:`ImageOptions`.
        channels: 1 (grey), 2 (grey and alpha), 3 (RGB), 4 (RGB and alpha), or ``"auto"``: as many as the images have.
        format: ``"png"`` (not compressed), ``"jpeg"`` or ``"webp"``; ``"parquet"`` for shards of PNG files.
        quality: 1 to 100, of JPEG and WebP, which is lossless at 100.
    """

    resolution: tuple[int, int] | None = None
    resize: str = "crop"
    resize_filter: str = "lanczos"
    channels: int | str = 3
    format: str = "png"
    quality: int = 95


@dataclass(frozen=True)
class PreparedData:
    """Result of :func:`prepare`.

    Attributes:
        images: how many were written.
        resolution: ``(height, width)``.
        channels: of each.
        errors: the images that were left out, each with the reason.
    """

    images: int
    resolution: tuple[int, int]
    channels: int
    errors: tuple[str, ...]


class UnreadableImagesError(ValueError):
    """Images of the source cannot be read.

    Attributes:
        errors: each with the reason.
    """

    def __init__(self, errors: Sequence[str], advice: str) -> None:
        more = f" and {len(errors) - 1:,} more" if len(errors) > 1 else ""
        super().__init__(f"prepare: the images must be readable, got {errors[0]}{more}; {advice}")
        self.errors = tuple(errors)


def prepare(
    data: OpenedData,
    target: Path,
    settings: Preparation,
    *,
    workers: int = 0,
    on_error: str = "raise",
    overwrite: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> PreparedData:
    """Write the images and labels of a data set to a target; the same data and settings give the same bytes.

    Args:
        data: from :func:`open_data`.
        target: ``.zip`` for an archive, else a folder, or a folder of shards for the format ``"parquet"``.
        settings: of the images.
        workers: processes that read and encode; 0 does so in this one.
        on_error: ``"raise"`` at the first unreadable image, ``"list"`` all of them after the last, or ``"skip"`` them.
        overwrite: replace the target, and unfinished work of other data or settings.
        advance: called with the number of images of the source that are done, those of an earlier start included.

    Raises:
        ValueError: an argument is out of range, the target exists, unfinished work has other data or settings, or the
            images are not of one size and none is asked for.
        UnreadableImagesError: unless they are skipped.
        OSError: the target cannot be written.
    """
    check_ints("prepare", 0, workers=workers)
    check_choice("prepare", "on_error", on_error, ON_ERROR)
    images = _EncodedImages(data, settings)
    _check_target(data, target, settings, overwrite)
    with _work_folder(target) as folder:
        described = {**asdict(settings), "channels": images.channels, "data": fingerprint(data)}
        _check_same(folder, described, overwrite)
        writing = _open_target(folder, target, images, settings)
        with Journal(folder / "journal.jsonl", writing) as journal:
            advance(len(journal.lines))
            early = [*data.source.skipped, *journal.errors]
            if early and on_error == "raise":
                raise UnreadableImagesError(early, _ADVICE)
            for lines in _encoded(images, len(journal.lines), workers):
                failed = [line.error for _, line in lines if line.error]
                _check_sizes(data, journal.lines[0] if journal.lines else None, lines, settings)
                journal.write(lines)
                advance(len(lines))
                if failed and on_error == "raise":
                    raise UnreadableImagesError(failed, _ADVICE)
            errors = [*data.source.skipped, *journal.errors]
            if errors and on_error == "list":
                raise UnreadableImagesError(errors, _ADVICE)
            if not writing.count:
                raise UnreadableImagesError(errors, "none of the images can be read")
            good = [line for line in journal.lines if not line.error]
            finished = writing.finish([line.label for line in good], data.source.class_names)
        _replace(finished, target)
    return PreparedData(len(good), (good[0].height, good[0].width), images.channels, tuple(errors))


_ADVICE = "--on-error list names all of them, --on-error skip leaves them out and goes on from here"


class _SizesError(ValueError):
    """The images are of several sizes, so that what was done is of no use."""


class _EncodedImages(Dataset[tuple[bytes, Line]]):
    """The files of a prepared data set, each with its line of the journal."""

    def __init__(self, data: OpenedData, settings: Preparation) -> None:
        given = settings.channels
        self.channels = data.source.find_channels() if given == AUTO else check_channels("prepare", given)  # type: ignore[arg-type]
        self.encoding = "png" if settings.format == PARQUET else settings.format
        check_encoding("prepare", self.encoding, settings.quality, self.channels)
        frame = make_frame("prepare", settings.resolution or 1, settings.resize, settings.resize_filter)
        self.frame = frame if settings.resolution else None
        self.data, self.quality = data, settings.quality

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, place: int) -> tuple[bytes, Line]:
        source, indices = self.data.source, self.data.indices
        index = place if indices is None else int(indices[place])
        try:
            picture, label = source.read(index)
            image = eight_bits(render(picture, self.channels, self.frame), self.channels)
        except (ValueError, OSError) as error:
            return b"", Line(None, 0, 0, 0, f"{source.name(index)} ({' '.join(str(error).split())})")
        content = encode_image(image, self.encoding, self.quality)
        return content, Line(_plain(label) if source.num_labels else None, image.width, image.height, len(content), "")


def _plain(label: Any) -> int | list[float]:
    """A label for JSON; a number of float32 by its shortest digits."""
    return label if isinstance(label, int) else [float(str(value)) for value in np.asarray(label, dtype=np.float32)]


def _encoded(images: _EncodedImages, start: int, workers: int) -> Iterator[list[tuple[bytes, Line]]]:
    """The images from a place on, in order, some at a time."""
    if start == len(images):
        return
    height, width = images.frame.resolution if images.frame else (1024, 1024)
    some = min(max(_PACK // (height * width * images.channels), 1), _MOST)
    places = range(start, len(images))
    for packed, lines in DataLoader(images, some, sampler=places, num_workers=workers, collate_fn=_pack):
        content, ends = packed.numpy().tobytes(), accumulate(line.length for line in lines)
        yield [(content[end - line.length : end], line) for end, line in zip(ends, lines, strict=True)]


def _pack(items: list[tuple[bytes, Line]]) -> tuple[Tensor, list[Line]]:
    """Files as one tensor, which goes through shared memory: a pipe would block the worker of a killed process."""
    content = b"".join(each for each, _ in items)
    return torch.from_numpy(np.frombuffer(bytearray(content), dtype=np.uint8)), [line for _, line in items]


def _check_sizes(data: OpenedData, first: Line | None, lines: list[tuple[bytes, Line]], settings: Preparation) -> None:
    good = [line for _, line in lines if not line.error]
    if settings.resolution or not good:
        return
    first = first if first is not None and not first.error else good[0]
    odd = next((line for line in good if (line.width, line.height) != (first.width, first.height)), None)
    if odd is not None:
        raise _SizesError(
            f"prepare: resolution must be given for images of several sizes, {first.width}x{first.height} and "
            f"{odd.width}x{odd.height} (width and height)"
        )


def fingerprint(data: OpenedData) -> str:
    """A checksum of the names, sizes, dates and labels of the images of a data set, as far as they are known."""
    digest, source = hashlib.sha256(), data.source
    digest.update(repr((data.group, dict(data.arguments), len(source), source.num_labels, source.class_names)).encode())
    stats = getattr(source.pictures, "stats", None)
    names = getattr(source.pictures, "names", None)
    for tensor in (stats, getattr(names, "text", None), getattr(names, "ends", None), source.labels, data.indices):
        digest.update(b"-" if tensor is None else tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _check_target(data: OpenedData, target: Path, settings: Preparation, overwrite: bool) -> None:
    archive = target.suffix.lower() == ".zip"
    if archive and settings.format == PARQUET:
        raise ValueError(f"prepare: the target must be a folder for the format parquet, got {str(target)!r}")
    root = data.source.root
    if root is not None and target.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"prepare: the target must be outside of the data, got {str(target)!r} in {str(root)!r}")
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise ValueError(f"prepare: the target must be new, got {str(target)!r}, which exists; --overwrite replaces it")
    if (archive and target.is_dir()) or (not archive and not _is_prepared(target)):
        raise ValueError(
            f"prepare: --overwrite replaces prepared data alone, got {str(target)!r}, which holds something else"
        )


def _is_prepared(folder: Path) -> bool:
    """Whether a folder is empty or holds what this function writes, and nothing else."""
    return folder.is_dir() and all(
        (path.is_dir() and len(path.name) == 5 and path.name.isdigit()) or path.name.endswith(_OWN)
        for path in folder.iterdir()
    )


@contextmanager
def _work_folder(target: Path) -> Iterator[Path]:
    """The folder of the unfinished work, for one process; it is removed when the work is done."""
    folder = target.with_name(f"{target.name}.part")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RuntimeError(f"{str(target)!r} is being prepared by another process") from None
    done = True
    try:
        yield folder
    except _SizesError:
        raise
    except BaseException:
        done = False
        raise
    finally:
        lock.release()
        if done:
            remove_tree(folder)


def _check_same(folder: Path, described: dict[str, Any], overwrite: bool) -> None:
    """Compare unfinished work with what is asked for, or begin it."""
    path = folder / "settings.json"
    described = json.loads(json.dumps(described))
    if path.exists():
        early = json.loads(path.read_text(encoding="utf-8"))
        odd = [name for name, value in described.items() if early.get(name) != value]
        if not odd:
            return
        if not overwrite:
            told = ", ".join(
                "the data have changed" if name == "data" else f"{name} {early.get(name)} → {described[name]}"
                for name in odd
            )
            raise ValueError(
                f"prepare: {str(folder)!r} holds unfinished work of other settings ({told}); --overwrite drops it"
            )
    for leftover in folder.iterdir():
        if leftover.name != ".lock":
            remove_tree(leftover)
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(described), encoding="utf-8")


def _open_target(folder: Path, target: Path, images: _EncodedImages, settings: Preparation) -> Target:
    suffix = SUFFIXES[images.encoding]
    if target.suffix.lower() == ".zip":
        return ZipTarget(folder, suffix)
    if settings.format == PARQUET:
        from .parquet_target import ParquetTarget

        return ParquetTarget(folder, images.data.source)
    return FolderTarget(folder, suffix)


def _replace(finished: Path, target: Path) -> None:
    """Move the finished data set to its place; an earlier one is removed afterwards."""
    old = target.with_name(f"{target.name}.old")
    if target.is_dir():
        remove_tree(old)
        target.rename(old)
    finished.replace(target)
    remove_tree(old)
