"""Pillow images of any mode as grey or RGB, with or without alpha, and as tensors.

Grey of more than 8 bits keeps its precision; Pillow reads colours of 16 bits as 8.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

CHANNELS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Modes of converted images by their number of channels."""
_TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa")
_INTERMEDIATE_MODES = {"La": "LA", "LAB": "RGB"}  # of modes that Pillow does not convert to all others
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # TIFF tags
_WHITE_IS_ZERO, _SIGNED = 0, 2  # values of the last two


def convert_image(image: Image.Image, image_channels: int) -> Image.Image:
    """Convert an image of any Pillow mode, rotated as its EXIF says; without alpha it is composited over white.

    Args:
        image: of any mode; grey of more than 8 bits (``I``, ``I;16``) spans 0 to 65535 unless a TIFF file has fewer
            bits, float grey (``F``) 0 to 255.
        image_channels: 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).

    Returns:
        An image of mode ``L``, ``LA``, ``RGB`` or ``RGBA``, or of mode ``F``, always opaque, if the input has more
        than 8 bits; values span 0 to 255.

    Raises:
        ValueError: the mode has no conversion to RGB, bytes are signed, or deep grey exceeds its span.

    Example:
        >>> from PIL import Image
        >>> from stylelayers.images import convert_image
        >>> convert_image(Image.new("RGBA", (8, 8)), 3).getpixel((0, 0))  # transparent: white
        (255, 255, 255)
    """
    if image.mode in ("L", "LA", "RGB", "RGBA") and _signed(getattr(image, "tag_v2", {})):
        raise ValueError("bytes with a sign are not read; store them without")
    if image.mode == "F" or image.mode.startswith("I"):
        return ImageOps.exif_transpose(_deep_grey(image))
    image = ImageOps.exif_transpose(image)
    if image.mode in _INTERMEDIATE_MODES:
        image = image.convert(_INTERMEDIATE_MODES[image.mode])
    if is_transparent(image):
        image = image.convert("RGBA")
        if image_channels in (1, 3):
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    elif image_channels in (2, 4) and image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    return image if image.mode == CHANNELS[image_channels] else image.convert(CHANNELS[image_channels])


def is_transparent(image: Image.Image) -> bool:
    """Whether an image has an alpha channel, or a colour that means transparent."""
    return image.mode in _TRANSPARENT_MODES or "transparency" in image.info


def own_channels(image: Image.Image) -> int:
    """The number of channels, 1 to 4, that holds all of an image: colours, and transparency."""
    is_grey = image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
    return (1 if is_grey else 3) + is_transparent(image)


def image_to_tensor(image: Image.Image, image_channels: int) -> Tensor:
    """Scale an image of :func:`convert_image` to [-1, 1].

    Args:
        image: of mode ``L``, ``LA``, ``RGB`` or ``RGBA`` with `image_channels` channels, or ``F`` that spans 0 to 255.
        image_channels: 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).

    Returns:
        ``(image_channels, H, W)`` float32 in [-1, 1]; opaque alpha is 1.

    Example:
        >>> from PIL import Image
        >>> from stylelayers.images import image_to_tensor
        >>> image_to_tensor(Image.new("RGB", (6, 4), "white"), 3).shape
        torch.Size([3, 4, 6])
    """
    if image.mode == "F":  # the filters of Pillow overshoot
        grey = torch.from_numpy(np.array(image)).clamp_(0.0, 255.0).div_(127.5).sub_(1.0)
        colours = grey.expand(image_channels - (image_channels in (2, 4)), -1, -1)
        return torch.cat([colours, torch.ones_like(colours[:1])]) if image_channels in (2, 4) else colours
    pixels = torch.from_numpy(np.array(image)).view(image.height, image.width, -1).permute(2, 0, 1)
    return pixels.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1.0)


def eight_bits(image: Image.Image, image_channels: int) -> Image.Image:
    """An image of :func:`convert_image`, resized or not, with bytes as its values: deep grey is rounded."""
    if image.mode != "F":
        return image
    grey = Image.fromarray(np.rint(np.asarray(image).clip(0, 255)).astype(np.uint8))
    return grey if image_channels == 1 else grey.convert(CHANNELS[image_channels])


def _deep_grey(image: Image.Image) -> Image.Image:
    """Convert grey of more than 8 bits to floats in [0, 255]; a grey that means transparency becomes white."""
    values, tags = np.asarray(image, dtype=np.float32), getattr(image, "tag_v2", {})
    white = 255 if image.mode == "F" else _white(tags)
    _check_span(values, white, floats=image.mode == "F")
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        values = white - values
    if isinstance(key := image.info.get("transparency"), int):
        values = np.where(values == key, np.float32(white), values)
    grey = Image.fromarray(values * np.float32(255 / white))
    grey.info = {name: value for name, value in image.info.items() if name in ("exif", "xmp")}
    return grey


def _white(tags: Mapping[int, Any]) -> int:
    """The integer that means white: 65535, or the largest of a TIFF file with fewer or signed bits."""
    bits = tags.get(_BITS, (16,))[0]
    return 65535 if bits > 16 else (1 << bits - _signed(tags)) - 1


def _signed(tags: Mapping[int, Any]) -> bool:
    return bool(tags.get(_SAMPLE_FORMAT, (1,))[0] == _SIGNED)


def _check_span(values: np.ndarray, white: int, *, floats: bool) -> None:
    """Raise a ValueError for values that would silently be clamped to black or white."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(values).all():
        raise ValueError("its grey values must be finite")
    if floats and 0 < high <= 1:
        raise ValueError(f"float grey must span 0 to 255, got [{low:g}, {high:g}]; multiply it by 255")
    if not floats and not 0 <= low <= high <= white:
        raise ValueError(f"grey values must be in [0, {white}], got [{low:g}, {high:g}]")
