"""Pictures with known pixels, as files and in memory."""

from collections.abc import Sized
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from stylelayers.data import ImageDataModule

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def stripes(width: int = 60, height: int = 20) -> Image.Image:
    """Red, green and blue thirds from left to right."""
    image = Image.new("RGB", (width, height), GREEN)
    image.paste(RED, (0, 0, width // 3, height))
    image.paste(BLUE, (width - width // 3, 0, width, height))
    return image


def colour(pixels: torch.Tensor, row: int, column: int) -> tuple[int, ...]:
    """One pixel with its channels rounded to 0 or 255."""
    return tuple(255 * round(value) for value in ((pixels[:, row, column] + 1) / 2).tolist())


def noise_jpeg(path: Path, *, keep: float = 1.0) -> None:
    """Write a JPEG file and cut it off after the given fraction."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])


def numbered(count: int) -> Dataset[Any]:
    """Images whose pixels and label are their index."""
    values = torch.arange(count)
    return TensorDataset((values / 1000)[:, None, None, None].expand(-1, 1, 2, 2), values)


def pairs(module: ImageDataModule) -> list[tuple[torch.Tensor, int]]:
    """All images and labels in their stored order."""
    return [module.dataset[index] for index in range(len(cast(Sized, module.dataset)))]
