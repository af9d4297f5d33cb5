"""The handwritten digits that scikit-learn carries: training data without a download."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ..images.reading import image_to_tensor, resize_image
from .module import ImageDataModule
from .validation import check_channels, check_loader, check_resolution

__all__ = ["digits"]


def digits(
    *,
    resolution: int | Sequence[int] = 32,
    image_channels: int = 1,
    labels: bool = True,
    batch_size: int = 32,
    num_workers: int = 0,
) -> ImageDataModule:
    """1,797 scans of handwritten digits, 8x8 pixels of 17 grey levels, resized once and kept in memory.

    Ink is +1 and the background -1. The scans keep their square shape: a rectangular target is background on
    either side. They are enlarged bicubically, since a Lanczos filter leaves a faint second outline around
    the strokes.

    Args:
        resolution: side in pixels, or ``(height, width)``.
        image_channels: 1 (grey) or 3 (the same value in red, green and blue).
        labels: give the digit, 0 to 9, as the label; if False, training is unconditional.
        batch_size: images a batch and process.
        num_workers: processes that load images; 0 loads them in the training process.

    Raises:
        ValueError: if an argument is out of range.
        ModuleNotFoundError: if scikit-learn is not installed.
    """
    from sklearn.datasets import load_digits

    size = check_resolution(resolution)
    check_channels(image_channels)
    check_loader(batch_size, num_workers)
    scans = load_digits()
    images = torch.stack([_enlarge(scan, size) for scan in scans.images])  # (1797, 1, H, W)
    targets = [int(target) if labels else 0 for target in scans.target]
    dataset = _ImagesInMemory(images.expand(-1, image_channels, -1, -1), targets)
    names = [str(digit) for digit in range(10)] if labels else []
    return ImageDataModule(
        dataset, batch_size=batch_size, num_workers=num_workers, num_labels=len(names), class_names=names
    )


class _ImagesInMemory(Dataset[tuple[Tensor, int]]):
    """Pairs of a row of ``images (N, C, H, W)`` and an item of ``labels``."""

    resize_filter = "bicubic"  # what a measurement of quality says of its data,
    own_features = "digits"  # and compares them in

    def __init__(self, images: Tensor, labels: Sequence[int]) -> None:
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.images[index], self.labels[index]


def _enlarge(scan: np.ndarray, size: tuple[int, int]) -> Tensor:
    """Resize one scan ``(8, 8)`` of values 0 to 16 to ``(1, *size)`` in [-1, 1]."""
    grey = Image.fromarray(scan.astype(np.float32) * (255.0 / 16.0))
    return image_to_tensor(resize_image(grey, size, "fit", resample=Image.Resampling.BICUBIC), 1)
