"""Data sets in the formats of Hugging Face, of pictures that show their numbers."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def numbered_png(number: int, size: int = 4) -> bytes:
    """A picture whose red is its number."""
    pixels = np.zeros((size, size, 3), np.uint8)
    pixels[..., 0] = number
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def write_parquet(folder: Path, lengths: Sequence[int], **columns: Sequence[Any]) -> Path:
    """Shards of numbered pictures in the column `image`, with other columns of one value a picture."""
    import datasets

    folder.mkdir(parents=True, exist_ok=True)
    start = 0
    for shard, length in enumerate(lengths):
        rows = slice(start, start + length)
        images = [{"bytes": numbered_png(number), "path": None} for number in range(start, start + length)]
        table = datasets.Dataset.from_dict({"image": images, **{name: each[rows] for name, each in columns.items()}})
        table.cast_column("image", datasets.Image()).to_parquet(str(folder / f"train-{shard:05}.parquet"))
        start += length
    return folder


def write_tars(folder: Path, lengths: Sequence[int], classes: int = 3) -> Path:
    """WebDataset shards of numbered pictures, each with its number modulo `classes` in a file `cls`."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    for shard, length in enumerate(lengths):
        with tarfile.open(folder / f"train-{shard:05}.tar", "w") as archive:
            for _ in range(length):
                for ending, content in (("png", numbered_png(number)), ("cls", str(number % classes).encode())):
                    member = tarfile.TarInfo(f"{number:06}.{ending}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
                number += 1
    return folder


def write_images(folder: Path, count: int, classes: int = 3) -> Path:
    """Files of numbered pictures, in a folder for each number modulo `classes`."""
    for number in range(count):
        path = folder / str(number % classes) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(numbered_png(number))
    return folder
