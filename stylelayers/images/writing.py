"""Write images and grids of images as PNG or lossless WebP files; the same images give the same bytes."""

import os
import struct
import warnings
import zlib
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from math import ceil, sqrt
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from .._whole_files import whole_file

PICTURES: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG", "compress_level": 3},
    ".webp": {"format": "WEBP", "lossless": True, "exact": True},  # keep colours under transparent pixels
}
"""Endings of the files that are written, with Pillow's options for each."""
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_MAX_PIXELS = 1 << 28  # of an enlarged image
_WRITERS = 2  # threads; compression and disk writes release the GIL


def to_pixels(images: Tensor) -> Tensor:
    """Convert images in [-1, 1] to bytes: grey, grey + alpha, RGB or RGBA; the first three of more channels, warned.

    Args:
        images: on any device; values outside [-1, 1] are clamped.

    Shape:
        ``(N, C, H, W)`` → ``(N, H, W, C)`` of dtype uint8, on the CPU; 3 channels for more than 4.

    Example:
        >>> import torch
        >>> from stylelayers.images import to_pixels
        >>> to_pixels(torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 1, 3)).flatten().tolist()
        [0, 128, 255]
    """
    channels = images.shape[1]
    if channels > max(_MODES):
        warnings.warn(f"pictures show the first 3 of {channels} channels", stacklevel=2)
    shown = images if channels in _MODES else images[:, :3]
    return shown.float().mul(127.5).add_(128).clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().contiguous()


def tile(pixels: Tensor, columns: int) -> Tensor:
    """Tile images row by row without gaps; unused cells are black, or transparent.

    Args:
        pixels: images of one size.
        columns: images in a row, at least 1; no more than there are images are used.

    Shape:
        ``(N, H, W, C)`` → ``(ceil(N / columns) * H, columns * W, C)``; at most N columns.

    Raises:
        ValueError: there are no images or no columns.

    Example:
        >>> import torch
        >>> from stylelayers.images import tile
        >>> tile(torch.zeros(5, 8, 8, 3), columns=3).shape
        torch.Size([16, 24, 3])
    """
    count, height, width, channels = pixels.shape
    if count < 1 or columns < 1:
        raise ValueError(f"a grid needs at least 1 picture and 1 column, got {count} and {columns}")
    columns = min(columns, count)
    rows = ceil(count / columns)
    places = pixels.new_zeros(rows * columns, height, width, channels)
    places[:count] = pixels
    grid = places.view(rows, columns, height, width, channels).transpose(1, 2)
    return grid.reshape(rows * height, columns * width, channels)


def grid_columns(count: int, height: int, width: int) -> int:
    """Columns for a nearly square grid of images of a size, without unused cells if that is possible.

    Args:
        count: of the images, at least 1.
        height, width: of each in pixels.

    Returns:
        Columns, at least 1.

    Example:
        >>> from stylelayers.images import grid_columns
        >>> [grid_columns(count, 32, 32) for count in (1, 4, 7, 8, 10, 64)], grid_columns(8, 64, 32)
        ([1, 2, 3, 4, 5, 8], 4)
    """
    least = min(count, ceil(sqrt(count * height / width)))
    return next((columns for columns in range(least, 2 * least) if count % columns == 0), least)


def save_grid(images: Tensor, path: str | os.PathLike[str], *, columns: int) -> Path:
    """Write images as one grid, without gaps, see :func:`save_picture`.

    Args:
        images: ``(N, C, H, W)`` in [-1, 1].
        path: of a ``.png`` or ``.webp`` file; missing folders are created.
        columns: images in a row, at least 1.

    Returns:
        The path.

    Raises:
        ValueError: no images or columns, or another ending.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.images import save_grid
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_grid(torch.zeros(4, 3, 8, 8), f"{folder}/grid.png", columns=2).name
        'grid.png'
    """
    return save_picture(tile(to_pixels(images), columns), path)


def save_picture(pixels: Tensor, path: str | os.PathLike[str], *, zoom: int = 1) -> Path:
    """Write bytes ``(H, W, 1 to 4)`` atomically as a PNG or lossless WebP file, by the path's ending.

    Args:
        pixels: of dtype uint8.
        path: missing folders are created.
        zoom: side in file pixels of one image pixel, an int of at least 1.

    Returns:
        The path.

    Raises:
        ValueError: the path has another ending, or `zoom` is below 1 or makes more than 2**28 pixels.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.images import save_picture
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_picture(torch.zeros(8, 8, 1, dtype=torch.uint8), f"{folder}/black.png", zoom=2).name
        'black.png'
    """
    path = Path(path)
    options = PICTURES[check_ending(path, PICTURES)]
    with whole_file(path, flush=False) as unfinished:
        as_image(pixels, zoom).save(unfinished, **options)
    return path


def save_each(batches: Iterable[Tensor], paths: Iterable[str | os.PathLike[str]], *, zoom: int = 1) -> None:
    """Write each image of batches to its path while the next batch is computed; see :func:`save_picture`.

    Args:
        batches: bytes ``(n, H, W, 1 to 4)``, read one by one.
        paths: one for each image, in their order.
        zoom: side in file pixels of one image pixel.

    Raises:
        ValueError: as :func:`save_picture`.

    Example:
        >>> import os
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.images import save_each
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_each([torch.zeros(2, 8, 8, 3, dtype=torch.uint8)], [f"{folder}/0.png", f"{folder}/1.png"])
        ...     sorted(os.listdir(folder))
        ['0.png', '1.png']
    """
    remaining, pending = iter(paths), list[Future[Path]]()
    with ThreadPoolExecutor(_WRITERS) as pool:
        for batch in batches:
            for written in pending:
                written.result()
            pending = [
                pool.submit(save_picture, each, path, zoom=zoom) for each, path in zip(batch, remaining, strict=False)
            ]
        for written in pending:
            written.result()


def as_image(pixels: Tensor, zoom: int = 1) -> Image.Image:
    """Convert bytes ``(H, W, 1 to 4)`` to a Pillow image, each pixel repeated `zoom` times per side."""
    if zoom < 1:
        raise ValueError(f"zoom must be at least 1, got {zoom}")
    height, width, channels = pixels.shape
    if zoom > 1 and width * height * zoom**2 > _MAX_PIXELS:
        raise ValueError(
            f"zoom {zoom} makes {width * zoom}x{height * zoom} pixels; at most {_MAX_PIXELS:,} are written"
        )
    image = Image.frombytes(_MODES[channels], (width, height), pixels.numpy().tobytes())
    return image if zoom == 1 else image.resize((width * zoom, height * zoom), Image.Resampling.NEAREST)


def encode_png(image: Image.Image) -> bytes:
    """An uncompressed PNG file of a grey or RGB image of 8 bits, with or without alpha, that is read five times faster.

    Pillow filters every row, at any compression level, and undoing that takes most of the time of reading; here no row
    is filtered. The same image gives the same bytes.
    """
    colour_type = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}[image.mode]
    stride, raw = image.width * len(image.getbands()), image.tobytes()
    rows = b"".join(b"\0" + raw[start : start + stride] for start in range(0, len(raw), stride))
    header = struct.pack(">2I5B", *image.size, 8, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def check_ending(path: Path, known: Iterable[str]) -> str:
    """Return the ending of the path in lower case if it is one of `known`."""
    if path.suffix.lower() not in known:
        raise ValueError(f"the file's ending must be {' or '.join(known)}, got {str(path)!r}")
    return path.suffix.lower()
