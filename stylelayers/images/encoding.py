"""Images as the bytes of a file for training data: PNG, JPEG or WebP; the same image gives the same bytes.

Pictures for people are written by :mod:`.writing`.
"""

import io
from typing import Any

from PIL import Image

from .._checks import check_choice, check_ints
from .writing import encode_png

ENCODINGS: dict[str, tuple[int, ...]] = {"png": (1, 2, 3, 4), "jpeg": (1, 3), "webp": (3, 4)}
"""Formats by name, with the numbers of channels that they store."""
SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp"}
_LOSSLESS = 100


def encode_image(image: Image.Image, encoding: str, quality: int) -> bytes:
    """Encode an image of mode ``L``, ``LA``, ``RGB`` or ``RGBA``.

    Args:
        image: with bytes as its values.
        encoding: ``"png"``, not compressed, which is read fastest; ``"jpeg"``, with colours at full resolution; or
            ``"webp"``.
        quality: 1 to 100, of the last two; 100 makes WebP lossless.
    """
    if encoding == "png":
        return encode_png(image)
    options: dict[str, Any] = {"quality": quality, "subsampling": 0}
    if encoding == "webp":
        options = {"quality": quality, "lossless": quality == _LOSSLESS, "exact": True}
    buffer = io.BytesIO()
    plain = Image.frombytes(image.mode, image.size, image.tobytes())  # without the profile and EXIF of the source
    plain.save(buffer, encoding.upper(), **options)
    return buffer.getvalue()


def check_encoding(caller: str, encoding: str, quality: int, channels: int) -> None:
    """Check the arguments of :func:`encode_image`.

    Raises:
        ValueError: names the argument that is out of range, or does not go with the channels.
    """
    check_choice(caller, "format", encoding, tuple(ENCODINGS))
    check_ints(caller, quality=quality)
    if quality > 100:
        raise ValueError(f"{caller}: quality must be at most 100, got {quality}")
    if channels not in ENCODINGS[encoding]:
        stored = " or ".join(map(str, ENCODINGS[encoding]))
        raise ValueError(f"{caller}: channels must be {stored} for the format {encoding}, got {channels}")
