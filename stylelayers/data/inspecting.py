"""What a data set holds: sizes, modes, classes, duplicates and unreadable images."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..images.conversion import eight_bits, own_channels
from ..images.resizing import Frame
from .index import index_files
from .opening import OpenedData
from .source import CLASSES, Source, UnreadableImageError
from .transforms import render

_MOST_SIZES = 5


@dataclass(frozen=True, kw_only=True)
class DataFacts:
    """Result of :func:`inspect_data`.

    Attributes:
        images: that can be read.
        widths, heights: the smallest, the median and the largest, in pixels, as stored.
        short_side: in pixels, which nine of ten images reach.
        sizes: ``"width x height"`` and number of images, the most frequent ones.
        different_sizes: number of different sizes.
        modes: format with Pillow's mode and number of images, most frequent first.
        channels: the largest number that an image has.
        labels: ``"none"``, ``"classes"`` or ``"vectors"``.
        classes: images of each class by its name or number, in the order of the numbers.
        vector_length: numbers of a label, 0 without vectors.
        duplicates: names of images with equal content, a group each.
        unreadable: name and reason of images that cannot be read.
    """

    images: int
    widths: tuple[int, int, int]
    heights: tuple[int, int, int]
    short_side: int
    sizes: Mapping[str, int]
    different_sizes: int
    modes: Mapping[str, int]
    channels: int
    labels: str
    classes: Mapping[str, int]
    vector_length: int
    duplicates: Sequence[Sequence[str]]
    unreadable: Sequence[str]


def inspect_data(data: OpenedData, *, decode: bool = False) -> DataFacts:
    """Measure a data set from the headers of its files, and the content of those that may be equal.

    Args:
        data: from :func:`open_data`.
        decode: decode every file, which finds damaged ones.

    Raises:
        ValueError: none of the images can be read.
    """
    source = data.source
    indices = torch.arange(len(source)) if data.indices is None else data.indices
    is_files = hasattr(source.pictures, "stats") and source.root is not None
    table, modes, errors = _measure_files(source, indices, decode) if is_files else _measure_pictures(source, indices)
    if not len(table):
        raise ValueError(f"inspect: the data must hold readable images, got {errors[0]}")
    rows, sizes = table[:, 0], table[:, 1:3]
    frequent = Counter(map(tuple, sizes.tolist()))
    return DataFacts(
        images=len(table),
        widths=_span(sizes[:, 0]),
        heights=_span(sizes[:, 1]),
        short_side=int(np.quantile(sizes.min(1), 0.1, method="lower")),
        sizes={f"{width}x{height}": count for (width, height), count in frequent.most_common(_MOST_SIZES)},
        different_sizes=len(frequent),
        modes=dict(Counter(modes[number] for number in table[:, 4]).most_common()),
        channels=int(table[:, 3].max()),
        labels=source.label_kind,
        classes=_count_classes(source, rows) if source.label_kind == CLASSES else {},
        vector_length=source.num_labels if source.vectors else 0,
        duplicates=_find_equal(source, rows, table[:, 5] if table.shape[1] > 5 else None),
        unreadable=[*source.skipped, *errors],
    )


def contact_sheet(data: OpenedData, *, images: int = 64, side: int = 128) -> Tensor:
    """Small pictures of images at even distances in the data set.

    Shape:
        ``(N, side, side, 3)`` uint8, N at most `images`; unreadable images are left out.
    """
    frame, found = Frame((side, side), "fit"), list[Tensor]()
    for place in np.unique(np.linspace(0, len(data) - 1, images).round().astype(int)).tolist():
        index = place if data.indices is None else int(data.indices[place])
        try:
            small = eight_bits(render(data.source.read(index)[0], 3, frame), 3)
        except (ValueError, OSError):
            continue
        found.append(torch.from_numpy(np.array(small)))
    if not found:
        raise UnreadableImageError("the contact sheet has no image that can be read")
    return torch.stack(found)


def _measure_files(source: Source, indices: Tensor, decode: bool) -> tuple[np.ndarray, list[str], list[str]]:
    """Row, width, height, channels and mode of each file that can be read; the modes; and the errors."""
    files = source.pictures
    index = index_files(source.root, files.names, files.stats, files.__getitem__, decode=decode)  # type: ignore[arg-type]
    good = indices[index.checked[indices] > 0]
    table = torch.cat([good[:, None], index.headers[good].long()], dim=1).numpy()
    return table, index.modes, [f"{source.name(row)} ({reason})" for row, reason in index.errors.items()]


def _measure_pictures(source: Source, indices: Tensor) -> tuple[np.ndarray, list[str], list[str]]:
    """The same of pictures in memory, and a checksum of their pixels."""
    rows, modes, errors = list[list[int]](), list[str](), list[str]()
    for row in indices.tolist():
        try:
            picture = _as_picture(source.read(row)[0])
        except (ValueError, OSError) as error:
            errors.append(f"{source.name(row)} ({' '.join(str(error).split())})")
            continue
        if picture.mode not in modes:
            modes.append(picture.mode)
        checksum = int.from_bytes(_digest(picture.tobytes())[:7], "big")
        rows.append([row, *picture.size, own_channels(picture), modes.index(picture.mode), checksum])
    return np.array(rows, dtype=np.int64).reshape(-1, 6), modes, errors


def _as_picture(picture: Any) -> Image.Image:
    if isinstance(picture, Tensor):
        picture = picture.movedim(0, -1).squeeze(-1).numpy()
    if isinstance(picture, np.ndarray):
        return Image.fromarray(picture)
    if isinstance(picture, Image.Image):
        return picture
    with Image.open(picture) as image:
        image.load()
        return image


def _count_classes(source: Source, rows: np.ndarray) -> dict[str, int]:
    counts = np.bincount(source.all_labels().numpy()[rows], minlength=source.num_labels)
    names = source.class_names or [str(number) for number in range(len(counts))]
    return {name: int(count) for name, count in zip(names, counts, strict=True)}


def _find_equal(source: Source, rows: np.ndarray, checksums: np.ndarray | None) -> list[list[str]]:
    """Names of images of equal content; files are read only if they have an equal size."""
    groups: Iterable[list[int]]
    if checksums is not None:
        groups = _groups(rows.tolist(), checksums.tolist())
    else:
        sizes = source.pictures.stats[:, 0].numpy()[rows]
        near = [row for group in _groups(rows.tolist(), sizes.tolist()) for row in group]
        with ThreadPoolExecutor() as pool:
            groups = _groups(near, pool.map(lambda row: _digest(_content(source.pictures[row])), near))
    return sorted([source.name(row) for row in group] for group in groups)


def _groups(rows: Sequence[int], keys: Iterable[Any]) -> list[list[int]]:
    """The rows of equal keys, where there are at least two."""
    found = defaultdict(list)
    for row, key in zip(rows, keys, strict=True):
        found[key].append(row)
    return [group for group in found.values() if len(group) > 1]


def _content(file: Any) -> bytes:
    if isinstance(file, (str, PathLike)):
        with open(file, "rb") as opened:
            return opened.read()
    content: bytes = file.read()
    return content


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _span(values: np.ndarray) -> tuple[int, int, int]:
    return int(values.min()), int(np.median(values)), int(values.max())
