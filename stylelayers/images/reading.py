"""Image files as tensors: the only reader, so that training and every command read the same pixels.

The first frame of a file is decoded, rotated as its EXIF orientation says, composited over white where transparent
(unless alpha is asked for) and converted to grey or RGB (:mod:`.conversion`); then resized (:mod:`.resizing`) and
scaled to [-1, 1]. A large JPEG file is decoded at 1/2, 1/4 or 1/8 of its size, by libjpeg, as long as that is at least
1.5 times the size that it is resized to: 2.4 to 3.3 times as fast, and 0.6 to 0.7 of 255 levels (root mean square) from
the whole decoding with a Lanczos filter. At 1 times the size, the filter would have no effect where it is 1/2, 1/4 or
1/8.
"""

import os
import stat
from math import ceil
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import ExifTags, Image, UnidentifiedImageError
from torch import Tensor

from .conversion import CHANNELS, convert_image, image_to_tensor, own_channels
from .resizing import Frame

ENDINGS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif")
"""Endings of the files that are read, in lower case."""
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_GREY_SCALES = {"L;2": 85, "L;4": 17}  # from 2 or 4 bits to 8
_GAP = 1.5  # a JPEG file is decoded at least at so many times the size that it is resized to
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height

File = str | os.PathLike[str] | BinaryIO
"""Path of a file, or a file that is open for reading."""


class Header(NamedTuple):
    """What the first bytes of an image file say.

    Attributes:
        width, height: in pixels, as stored.
        mode: Pillow's.
        format: Pillow's name.
        channels: how many hold all of the image: 1 or 3 for colours, and one for transparency.
    """

    width: int
    height: int
    mode: str
    format: str
    channels: int


def read_picture(path: str | os.PathLike[str], resolution: tuple[int, int], channels: int) -> Tensor:
    """Read an image file, centre-cropped and resized.

    The same pixels as :func:`stylelayers.data.image_folder` trains on with its default ``resize="crop"``.

    Args:
        path: of the file.
        resolution: ``(height, width)`` in pixels.
        channels: 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).

    Returns:
        ``(1, channels, height, width)`` float32 in [-1, 1].

    Raises:
        ValueError: the file is no image or a damaged one, or `channels` is not 1, 2, 3 or 4.
        OSError: the file cannot be opened.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.images import read_picture, save_picture
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_picture(torch.zeros(4, 6, 3, dtype=torch.uint8), f"{folder}/black.png")
        ...     read_picture(path, (8, 8), 3).shape
        torch.Size([1, 3, 8, 8])
    """
    if channels not in CHANNELS:
        raise ValueError(f"a picture has 1 to 4 channels, the generator has {channels}")
    try:
        return read_pixels(path, channels, Frame(resolution))[None]
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)!r} is not a picture that can be read: {error}") from None


def read_pixels(file: File, channels: int, frame: Frame) -> Tensor:
    """Read an image file as a tensor, resized by a frame.

    Args:
        file: path, or file that is open for reading.
        channels: 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGB and alpha).
        frame: resolution, crop and filter.

    Returns:
        ``(channels, height, width)`` float32 in [-1, 1].

    Raises:
        ValueError: as :func:`decode_picture`.
        OSError: as :func:`decode_picture`.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.images import Frame, read_pixels, save_picture
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_picture(torch.zeros(4, 6, 3, dtype=torch.uint8), f"{folder}/black.png")
        ...     read_pixels(path, 1, Frame((8, 8))).shape
        torch.Size([1, 8, 8])
    """
    return image_to_tensor(frame.apply(decode_picture(file, channels, frame)), channels)


def decode_picture(file: File, channels: int, frame: Frame | None = None) -> Image.Image:
    """Decode the first frame of a file and convert it with :func:`convert_image`.

    Args:
        file: path, or file that is open for reading.
        channels: 1 to 4.
        frame: lets a JPEG file be decoded at a fraction of its size, as far as `frame` does not need more.

    Returns:
        An image of :func:`convert_image`, not yet resized.

    Raises:
        ValueError: the file is no image or a damaged one; the message does not repeat its name.
        OSError: the file cannot be opened.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.images import decode_picture, save_picture
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_picture(torch.zeros(4, 6, 3, dtype=torch.uint8), f"{folder}/black.png")
        ...     decode_picture(path, 1).mode
        'L'
    """
    try:
        return convert_image(open_picture(file, frame), channels)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(_reason(file, error)) from error


def open_picture(file: File, frame: Frame | None = None) -> Image.Image:
    """Decode the first frame of a file in its stored mode; raises whatever Pillow's decoders raise.

    Args:
        file: path, or file that is open for reading.
        frame: lets a JPEG file be decoded at a fraction of its size; None for the whole size.

    Returns:
        A loaded image of any Pillow mode.

    Raises:
        ValueError: the path is no regular file.
        OSError: the file cannot be opened, is no image or is damaged.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.images import open_picture, save_picture
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_picture(torch.zeros(4, 6, 3, dtype=torch.uint8), f"{folder}/black.png")
        ...     open_picture(path).size
        (6, 4)
    """
    with _open(file) as image:
        if frame is not None and image.format == "JPEG":
            _shrink(image, frame)
        _match_transparency(image)
        image.load()
        return image


def read_header(file: File) -> Header:
    """Read the size and mode of an image file without decoding it.

    Args:
        file: path, or file that is open for reading.

    Returns:
        Width and height in pixels as stored, Pillow's mode and format, and the number of channels that hold all of the
        image: 1 or 3 for colours, and one for transparency.

    Raises:
        ValueError: as :func:`decode_picture`.
        OSError: as :func:`decode_picture`.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.images import read_header, save_picture
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_picture(torch.zeros(4, 6, 3, dtype=torch.uint8), f"{folder}/black.png")
        ...     read_header(path).width
        6
    """
    try:
        with _open(file) as image:
            return Header(*image.size, image.mode, image.format or "", own_channels(image))
    except MemoryError:
        raise
    except Exception as error:  # as in `decode_picture`
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(_reason(file, error)) from error


def is_picture(path: str | os.PathLike[str]) -> bool:
    """Whether a file has the header of an image that is read, whatever its name.

    Args:
        path: of the file.

    Returns:
        False also for a path that cannot be opened.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.images import is_picture, save_picture
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_picture(torch.zeros(4, 6, 3, dtype=torch.uint8), f"{folder}/black.png")
        ...     is_picture(path)
        True
    """
    try:
        read_header(path)
    except (ValueError, OSError):
        return False
    return True


def _open(file: File) -> Image.Image:
    if isinstance(file, (str, os.PathLike)) and not stat.S_ISREG(os.stat(file).st_mode):
        raise ValueError("it is no regular file")  # opening a pipe would block
    Image.init()  # registers all formats
    return Image.open(file, formats=_FORMATS)


def _shrink(image: Image.Image, frame: Frame) -> None:
    """Have a JPEG file decoded at the smallest fraction of its size that `frame` can be applied to."""
    turned = image.getexif().get(ExifTags.Base.Orientation) in _TURNED
    width, height = frame.scaled(*(image.size[::-1] if turned else image.size))
    needed = (height, width) if turned else (width, height)
    image.draft(None, (ceil(_GAP * needed[0]), ceil(_GAP * needed[1])))  # type: ignore[arg-type]


def _match_transparency(image: Image.Image) -> None:
    """Scale the transparent grey of a 2-bit or 4-bit PNG file to 8 bits, as Pillow scales the pixels at loading."""
    tiles = getattr(image, "tile", None)
    scale = _GREY_SCALES.get(tiles[0][3]) if image.format == "PNG" and tiles else None
    if scale is not None and isinstance(key := image.info.get("transparency"), int):
        image.info["transparency"] = key * scale


def _reason(file: File, error: Exception) -> str:
    """The error in one line without the path."""
    if isinstance(error, UnidentifiedImageError):
        return "it is empty" if _is_empty(file) else f"it is none of {', '.join(_FORMATS)}"
    text = " ".join(str(error).split())
    return text if any(character.isalpha() for character in text) else f"{type(error).__name__} {text}".strip()


def _is_empty(file: File) -> bool:
    return not (Path(file).stat().st_size if isinstance(file, (str, os.PathLike)) else file.seek(0, os.SEEK_END))
