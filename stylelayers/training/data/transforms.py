"""From Pillow images to the float tensors in [-1, 1] that the networks read.

:func:`convert_image`, :func:`resize_image` and :func:`image_to_tensor` are the three steps;
:class:`ImageTransform` is all of them with an optional flip, and :class:`TransformedImages` a data set seen
through it. Resizing is Pillow's Lanczos filter, antialiased whatever the reduction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset

from .validation import check_channels, check_choice, check_resolution

__all__ = [
    "RESIZE_MODES",
    "ImageTransform",
    "TransformedImages",
    "convert_image",
    "image_to_tensor",
    "resize_image",
]

RESIZE_MODES = ("crop", "fit", "stretch")
_ALPHA_MODES = ("RGBA", "LA", "PA")


def convert_image(image: Image.Image, image_channels: int) -> Image.Image:
    """Turn an image of any Pillow mode upright and into grey or RGB.

    Transparent pixels are composited over white. Grey images of more than 8 bits keep their precision.

    Args:
        image: of any mode; 16-bit grey (``I``, ``I;16``) spans 0 to 65535, float grey (``F``) 0 to 255.
        image_channels: 1 (grey) or 3 (RGB).

    Returns:
        An image of mode ``L``, ``RGB`` or, if the input has more than 8 bits, ``F``; values span 0 to 255.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        return Image.fromarray(np.asarray(image, dtype=np.float32) / 257.0)
    if image.mode == "F":
        return image
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("L" if image_channels == 1 else "RGB")


def resize_image(
    image: Image.Image,
    resolution: tuple[int, int],
    resize: str = "crop",
    *,
    resample: Image.Resampling = Image.Resampling.LANCZOS,
) -> Image.Image:
    """Resize to ``resolution``, which is ``(height, width)``.

    Args:
        resize: ``"crop"`` scales the image to cover the target and keeps its centre; ``"fit"`` keeps all of
            it, centred between black bars; ``"stretch"`` keeps all of it and gives up its aspect ratio.
        resample: Pillow's filter; all are antialiased.
    """
    height, width = resolution
    if resize == "crop":
        return ImageOps.fit(image, (width, height), resample)
    if resize == "stretch":
        return image.resize((width, height), resample)
    scale = min(height / image.height, width / image.width)
    inner = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), resample)
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return canvas


def image_to_tensor(image: Image.Image, image_channels: int) -> Tensor:
    """Scale an image that :func:`convert_image` made to ``(image_channels, H, W)`` float32 in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image, dtype=np.float32)).clamp_(0.0, 255.0).div_(127.5).sub_(1.0)
    if pixels.ndim == 2:
        return pixels.expand(image_channels, -1, -1)
    return pixels.permute(2, 0, 1).contiguous()


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
