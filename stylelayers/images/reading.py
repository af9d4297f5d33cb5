"""Pictures of files as tensors: the one reader, so that training and every command see the same picture.

A file's first picture is decoded, turned upright as its EXIF says, laid over white where it is transparent, and made
grey or RGB (:func:`decoded`); then resized (:func:`resize_image`), and scaled (:func:`image_to_tensor`). Grey of more
than 8 bits keeps its precision; colours of 16 bits are read as 8.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

__all__ = [
    "ENDINGS",
    "convert_image",
    "decoded",
    "image_to_tensor",
    "is_picture",
    "open_picture",
    "read_picture",
    "resize_image",
]

ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
"""Endings of files that hold pictures, in lower case."""
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa")
_BY_WAY_OF = {"La": "LA", "LAB": "RGB"}  # modes that Pillow does not convert to all others
_LOW_GREYS = {"L;2": 85, "L;4": 17}  # steps of 8 bits that one of 2 or 4 bits is
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
_WHITE_IS_ZERO, _SIGNED = 0, 2  # values of the last two


def read_picture(path: str | os.PathLike[str], resolution: tuple[int, int], channels: int) -> Tensor:
    """A picture file cropped around its middle and resized to ``(1, channels, *resolution)`` in [-1, 1].

    The same numbers as ``data=image_folder`` trains on with its default ``resize=crop``.

    Raises:
        ValueError: a file that is no picture or a damaged one, or a generator of channels that pictures do not have.
    """
    if channels not in (1, 3):
        raise ValueError(f"a picture has 1 or 3 channels, the generator has {channels}")
    try:
        image = decoded(path, channels)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} is not a picture that can be read: {error}") from None
    return image_to_tensor(resize_image(image, resolution), channels)[None]


def decoded(path: str | os.PathLike[str], channels: int) -> Image.Image:
    """What :func:`convert_image` makes of a file's first picture.

    Raises:
        ValueError: says why the file is none, without its name.
        OSError: of the disk.
    """
    try:
        return convert_image(open_picture(path), channels)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(_reason(path, error)) from error


def open_picture(path: str | os.PathLike[str]) -> Image.Image:
    """A file's first picture as it is stored; raises what Pillow's decoders raise."""
    with _opened(path) as image:
        _match_transparency(image)
        image.load()
        return image


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins like a picture that can be read, whatever its name."""
    try:
        with _opened(path):
            return True
    except Exception:  # as in `decoded`
        return False


def convert_image(image: Image.Image, image_channels: int) -> Image.Image:
    """Turn an image of any Pillow mode upright and into grey or RGB.

    Transparent pixels are composited over white. Grey images of more than 8 bits keep their precision.

    Args:
        image: of any mode; grey of more than 8 bits (``I``, ``I;16``) spans 0 to 65535 unless a TIFF file has fewer
            bits, float grey (``F``) 0 to 255.
        image_channels: 1 (grey) or 3 (RGB).

    Returns:
        An image of mode ``L``, ``RGB`` or, if the input has more than 8 bits, ``F``; values span 0 to 255.

    Raises:
        ValueError: a mode that has no RGB, bytes with a sign, or deep grey with values beyond its span.
    """
    if image.mode in ("L", "LA", "RGB", "RGBA") and _signed(getattr(image, "tag_v2", {})):
        raise ValueError("bytes with a sign are not read; store them without")
    if image.mode == "F" or image.mode.startswith("I"):
        return ImageOps.exif_transpose(_deep_grey(image))
    image = ImageOps.exif_transpose(image)
    if image.mode in _BY_WAY_OF:
        image = image.convert(_BY_WAY_OF[image.mode])
    if image.mode in _TRANSPARENT_MODES or "transparency" in image.info:
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


def _opened(path: str | os.PathLike[str]) -> Image.Image:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is no regular file")  # to open a pipe would wait for ever
    Image.init()  # Pillow knows all its formats only then
    return Image.open(path, formats=_FORMATS)


def _match_transparency(image: Image.Image) -> None:
    """Scale the transparent grey of a PNG file of 2 or 4 bits as Pillow scales its pixels, which are not loaded yet."""
    tiles = getattr(image, "tile", None)
    scale = _LOW_GREYS.get(tiles[0][3]) if image.format == "PNG" and tiles else None
    if scale is not None and isinstance(key := image.info.get("transparency"), int):
        image.info["transparency"] = key * scale


def _deep_grey(image: Image.Image) -> Image.Image:
    """Grey of more than 8 bits as floats that span 0 to 255; a grey that stands for transparency becomes white."""
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
    """The largest value of integers: 65535, or that of a TIFF file's fewer or signed bits."""
    bits = tags.get(_BITS, (16,))[0]
    return 65535 if bits > 16 else (1 << bits - _signed(tags)) - 1


def _signed(tags: Mapping[int, Any]) -> bool:
    return bool(tags.get(_SAMPLE_FORMAT, (1,))[0] == _SIGNED)


def _check_span(values: np.ndarray, white: int, *, floats: bool) -> None:
    """Raise a ValueError for values that would be black or white without a word."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(values).all():
        raise ValueError("its grey values must be finite")
    if floats and 0 < high <= 1:
        raise ValueError(f"float grey must span 0 to 255, got [{low:g}, {high:g}]; multiply it by 255")
    if not floats and not 0 <= low <= high <= white:
        raise ValueError(f"grey values must be in [0, {white}], got [{low:g}, {high:g}]")


def _reason(path: str | os.PathLike[str], error: Exception) -> str:
    """One line that does not repeat the path."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is empty" if not Path(path).stat().st_size else f"it is none of {', '.join(_FORMATS)}"
    text = " ".join(str(error).split())
    return text if any(character.isalpha() for character in text) else f"{type(error).__name__} {text}".strip()
