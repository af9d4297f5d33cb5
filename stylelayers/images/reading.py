"""Image files as tensors: the only reader, so that training and every command read the same pixels.

The first frame of a file is decoded, rotated as its EXIF orientation says, composited over white where transparent,
and converted to grey or RGB (:func:`decode_picture`); then resized (:func:`resize_image`) and scaled to [-1, 1]
(:func:`image_to_tensor`). Grey of more than 8 bits keeps its precision; colours of 16 bits are read as 8.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
"""Endings of the files that are read, in lower case."""
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_TRANSPARENT_MODES = ("RGBA", "LA", "PA", "RGBa")
_INTERMEDIATE_MODES = {"La": "LA", "LAB": "RGB"}  # of modes that Pillow does not convert to all others
_GREY_SCALES = {"L;2": 85, "L;4": 17}  # from 2 or 4 bits to 8
_BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # TIFF tags
_WHITE_IS_ZERO, _SIGNED = 0, 2  # values of the last two


def read_picture(path: str | os.PathLike[str], resolution: tuple[int, int], channels: int) -> Tensor:
    """Read an image file, centre-cropped and resized to ``(1, channels, *resolution)`` in [-1, 1].

    The same pixels as :func:`stylelayers.data.image_folder` trains on with its default ``resize="crop"``.

    Raises:
        ValueError: the file is no image or a damaged one, or `channels` is neither 1 nor 3.
    """
    if channels not in (1, 3):
        raise ValueError(f"a picture has 1 or 3 channels, the generator has {channels}")
    try:
        image = decode_picture(path, channels)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} is not a picture that can be read: {error}") from None
    return image_to_tensor(resize_image(image, resolution), channels)[None]


def decode_picture(path: str | os.PathLike[str], channels: int) -> Image.Image:
    """Decode the first frame of a file and convert it with :func:`convert_image`.

    Raises:
        ValueError: the file is no image or a damaged one; the message does not repeat its name.
        OSError: the file cannot be opened.
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
    """Decode the first frame of a file in its stored mode; raises whatever Pillow's decoders raise."""
    with _open(path) as image:
        _match_transparency(image)
        image.load()
        return image


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file has the header of an image that is read, whatever its name."""
    try:
        with _open(path):
            return True
    except Exception:  # as in `decode_picture`
        return False


def convert_image(image: Image.Image, image_channels: int) -> Image.Image:
    """Convert an image of any Pillow mode to grey or RGB, composited over white and rotated as its EXIF says.

    Args:
        image: of any mode; grey of more than 8 bits (``I``, ``I;16``) spans 0 to 65535 unless a TIFF file has fewer
            bits, float grey (``F``) 0 to 255.
        image_channels: 1 (grey) or 3 (RGB).

    Returns:
        An image of mode ``L``, ``RGB`` or, if the input has more than 8 bits, ``F``; values span 0 to 255.

    Raises:
        ValueError: the mode has no conversion to RGB, bytes are signed, or deep grey exceeds its span.
    """
    if image.mode in ("L", "LA", "RGB", "RGBA") and _signed(getattr(image, "tag_v2", {})):
        raise ValueError("bytes with a sign are not read; store them without")
    if image.mode == "F" or image.mode.startswith("I"):
        return ImageOps.exif_transpose(_deep_grey(image))
    image = ImageOps.exif_transpose(image)
    if image.mode in _INTERMEDIATE_MODES:
        image = image.convert(_INTERMEDIATE_MODES[image.mode])
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
        resize: ``"crop"`` scales the image to cover the target and crops it around its centre; ``"fit"`` keeps all
            of it, centred between black bars; ``"stretch"`` keeps all of it and changes its aspect ratio.
        resample: Pillow's filter; all are antialiased.
    """
    height, width = resolution
    if resize == "crop":
        return ImageOps.fit(image, (width, height), resample)
    if resize == "stretch":
        return image.resize((width, height), resample)
    scale = min(height / image.height, width / image.width)  # ImageOps.pad fails where a side rounds to 0
    inner = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))), resample)
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
    return canvas


def image_to_tensor(image: Image.Image, image_channels: int) -> Tensor:
    """Scale an image of :func:`convert_image` to ``(image_channels, H, W)`` float32 in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image, dtype=np.float32)).clamp_(0.0, 255.0).div_(127.5).sub_(1.0)
    if pixels.ndim == 2:
        return pixels.expand(image_channels, -1, -1)
    return pixels.permute(2, 0, 1).contiguous()


def _open(path: str | os.PathLike[str]) -> Image.Image:
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is no regular file")  # opening a pipe would block
    Image.init()  # registers all formats
    return Image.open(path, formats=_FORMATS)


def _match_transparency(image: Image.Image) -> None:
    """Scale the transparent grey of a 2-bit or 4-bit PNG file to 8 bits, as Pillow scales the pixels at loading."""
    tiles = getattr(image, "tile", None)
    scale = _GREY_SCALES.get(tiles[0][3]) if image.format == "PNG" and tiles else None
    if scale is not None and isinstance(key := image.info.get("transparency"), int):
        image.info["transparency"] = key * scale


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


def _reason(path: str | os.PathLike[str], error: Exception) -> str:
    """The error in one line without the path."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is empty" if not Path(path).stat().st_size else f"it is none of {', '.join(_FORMATS)}"
    text = " ".join(str(error).split())
    return text if any(character.isalpha() for character in text) else f"{type(error).__name__} {text}".strip()
