"""The images of a data set as the files that are written when it is prepared."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..images.conversion import eight_bits
from ..images.encoding import check_encoding, encode_image
from ..images.resizing import make_frame
from .journal import Line
from .opening import OpenedData
from .options import AUTO
from .transforms import check_channels, render

PARQUET = "parquet"
_PACK, _MOST = 4 << 20, 16  # bytes and images that a process hands over at a time


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


class EncodedImages(Dataset[tuple[bytes, Line]]):
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


def read_encoded(images: EncodedImages, start: int, workers: int) -> Iterator[list[tuple[bytes, Line]]]:
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


def fingerprint(data: OpenedData) -> str:
    """A checksum of the names, sizes, dates and labels of the images of a data set, as far as they are known."""
    digest, source = hashlib.sha256(), data.source
    digest.update(repr((data.group, dict(data.arguments), len(source), source.num_labels, source.class_names)).encode())
    stats = getattr(source.pictures, "stats", None)
    names = getattr(source.pictures, "names", None)
    for tensor in (stats, getattr(names, "text", None), getattr(names, "ends", None), source.labels, data.indices):
        digest.update(b"-" if tensor is None else tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
