"""From Pillow images to the float tensors in [-1, 1] that the networks read.

:class:`ImageTransform` takes the steps of :mod:`stylelayers.images.reading`, with an optional flip, and
:class:`TransformedImages` is a data set seen through it. Resizing is Pillow's Lanczos filter, antialiased whatever the
reduction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from ..images.reading import convert_image, image_to_tensor, resize_image
from .validation import check_channels, check_choice, check_resolution

__all__ = [
    "RESIZE_MODES",
    "ImageTransform",
    "TransformedImages",
]

RESIZE_MODES = ("crop", "fit", "stretch")


class ImageTransform:
    """Convert, resize and scale an image, and flip it with probability 0.5 if asked to.

    Images are Pillow's, or arrays that ``Image.fromarray`` reads: uint8 or uint16 grey ``(H, W)``, uint8 RGB
    ``(H, W, 3)`` or RGBA ``(H, W, 4)``.

    Args:
        resolution: side in pixels, or ``(height, width)``.
        image_channels: 1 (grey) or 3 (RGB).
        resize: ``"crop"``, ``"fit"`` or ``"stretch"``, see :func:`resize_image`.
        horizontal_flip: draw from torch's global generator at every call whether to mirror the image.

    Raises:
        ValueError: if an argument is none of these.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        image_channels: int = 3,
        *,
        resize: str = "crop",
        horizontal_flip: bool = False,
    ) -> None:
        self.resolution = check_resolution(resolution)
        self.image_channels = check_channels(image_channels)
        self.resize = check_choice("resize", resize, RESIZE_MODES)
        self.horizontal_flip = horizontal_flip

    def __call__(self, image: Image.Image | np.ndarray) -> Tensor:
        """Return ``(image_channels, height, width)`` float32 in [-1, 1].""" ""
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        image = resize_image(convert_image(image, self.image_channels), self.resolution, self.resize)
        pixels = image_to_tensor(image, self.image_channels)
        if self.horizontal_flip and torch.rand(()) < 0.5:
            return pixels.flip(-1)
        return pixels


class TransformedImages(Dataset[tuple[Tensor, int]]):
    """A data set of ``(Pillow image, class)`` pairs as one of ``(tensor, label)`` pairs.

    Args:
        source: any map-style data set.
        transform: applied to each image at access.
        labels: give the source's class as the label; if False, every label is 0.
    """

    def __init__(self, source: Any, transform: ImageTransform, *, labels: bool) -> None:
        self.source = source
        self.transform = transform
        self.labels = labels
        self.resize_filter = (
            f"Lanczos, antialiased, {transform.resize}"  # what a measurement of quality says of its data
        )

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.source[index]
        return self.transform(image), int(label) if self.labels else 0
