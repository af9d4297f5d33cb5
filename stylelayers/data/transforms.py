"""From Pillow images to the float tensors in [-1, 1] that the networks read.

:class:`ImageTransform` applies the steps of :mod:`stylelayers.images.reading` and an optional flip;
:class:`TransformedImages` applies it to a data set.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from .._checks import check_choice, check_ints, check_resolution
from ..images.reading import convert_image, image_to_tensor, open_picture, resize_image

RESIZE_MODES = ("crop", "fit", "stretch")


class ImageTransform:
    """Convert an image to grey or RGB, resize it, scale it to [-1, 1] and optionally mirror it at random.

    Images are paths, Pillow's images, or arrays that ``Image.fromarray`` reads: uint8 or uint16 grey ``(H, W)``,
    float32 grey that spans 0 to 255, uint8 RGB ``(H, W, 3)`` or RGBA ``(H, W, 4)``.

    Args:
        resolution: side in pixels, or ``(height, width)``.
        image_channels: 1 (grey) or 3 (RGB).
        resize: ``"crop"``, ``"fit"`` or ``"stretch"``, see :func:`resize_image`.
        resample: Pillow's filter, antialiased.
        horizontal_flip: mirror with probability 0.5, drawn from torch's global generator at every call.

    Raises:
        ValueError: an argument is out of range.
    """

    def __init__(
        self,
        resolution: int | Sequence[int],
        image_channels: int = 3,
        *,
        resize: str = "crop",
        resample: Image.Resampling = Image.Resampling.LANCZOS,
        horizontal_flip: bool = False,
    ) -> None:
        self.resolution = check_image_arguments("ImageTransform", resolution, image_channels, resize)
        self.image_channels = image_channels
        self.resize = resize
        self.resample = resample
        self.horizontal_flip = horizontal_flip

    def __call__(self, image: str | Path | Image.Image | np.ndarray) -> Tensor:
        """Return ``(image_channels, height, width)`` float32 in [-1, 1]."""
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image)
        image = convert_image(image if isinstance(image, Image.Image) else open_picture(image), self.image_channels)
        image = resize_image(image, self.resolution, self.resize, resample=self.resample)
        pixels = image_to_tensor(image, self.image_channels)
        if self.horizontal_flip and torch.rand(()) < 0.5:
            return pixels.flip(-1)
        return pixels


class TransformedImages(Dataset[tuple[Tensor, int]]):
    """A data set of ``(image, class)`` pairs as one of ``(tensor, label)`` pairs.

    Args:
        source: map-style data set, or a list.
        transform: applied to an image whenever it is read.
        labels: return the class as the label; if False, every label is 0.

    Attributes:
        resize_filter: description of the resizing, for reports of quality.
    """

    def __init__(self, source: Any, transform: ImageTransform, *, labels: bool) -> None:
        self.source = source
        self.transform = transform
        self.labels = labels
        self.resize_filter = f"{transform.resample.name.capitalize()}, antialiased, {transform.resize}"

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.source[index]
        return self.transform(image), int(label) if self.labels else 0


def check_image_arguments(
    caller: str, resolution: int | Sequence[int], image_channels: int, resize: str = "crop"
) -> tuple[int, int]:
    """Return ``(height, width)`` if all arguments are those of an :class:`ImageTransform`."""
    check_ints(caller, image_channels=image_channels)
    check_choice(caller, "image_channels", image_channels, (1, 3))
    check_choice(caller, "resize", resize, RESIZE_MODES)
    return check_resolution(caller, resolution)
