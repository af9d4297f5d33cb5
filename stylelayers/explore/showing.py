"""Images as one picture, for notebooks."""

from collections.abc import Iterable

import torch
from PIL import Image
from torch import Tensor

from .._checks import check_ints
from ..images.writing import as_image, grid_columns, tile, to_pixels

_SIDE = 640  # of a picture whose images are enlarged


def show(images: Tensor | Iterable[Tensor], *, columns: int | None = None, zoom: int | None = None) -> Image.Image:
    """A grid of images as a picture of Pillow, which a notebook shows where it is the last line of a cell.

    Args:
        images: ``(N, C, H, W)`` or ``(C, H, W)``, or several of both, as :func:`sample` yields them; floats in [-1, 1]
            or bytes. Two or four channels are shown with transparency, more than four by the first three.
        columns: of the grid; None for a nearly square picture.
        zoom: integer factor of enlargement; None for what fits into 640 pixels, so that small images can be seen.

    Returns:
        The grid.

    Raises:
        ValueError: no images, other shapes or dtypes, or images of several sizes.

    Example:
        >>> import torch
        >>> from stylelayers.explore import show
        >>> show(torch.zeros(10, 1, 32, 32))
        <PIL.Image.Image image mode=L size=640x256 at ...>
    """
    pixels = _pixels(_joined(images))
    if columns is None:
        columns = grid_columns(*pixels.shape[:3])
    check_ints("show", columns=columns)
    grid = tile(pixels, columns)
    zoom = max(1, _SIDE // max(grid.shape[:2])) if zoom is None else zoom
    check_ints("show", zoom=zoom)
    return as_image(grid, zoom)


def _joined(images: Tensor | Iterable[Tensor]) -> Tensor:
    """All images as one tensor ``(N, C, H, W)``."""
    parts = [images] if isinstance(images, Tensor) else list(images)
    shapes = [tuple(part.shape) if isinstance(part, Tensor) else type(part).__name__ for part in parts]
    fits = all(isinstance(part, Tensor) and part.ndim in (3, 4) for part in parts)
    if not fits or len({shape[-3:] for shape in shapes}) != 1:
        expected = "(N, C, H, W) or (C, H, W), or several of equal size"
        raise ValueError(f"show: images must be {expected}, got {', '.join(map(str, shapes[:4])) or 'none'}")
    joined = torch.cat([part if part.ndim == 4 else part[None] for part in parts])
    if joined.numel() == 0:
        raise ValueError(f"show: images must be at least one, got {tuple(joined.shape)}")
    return joined


def _pixels(images: Tensor) -> Tensor:
    if images.dtype == torch.uint8:
        return to_pixels(images.float() / 127.5 - 1)
    if not images.is_floating_point():
        raise ValueError(f"show: images must be floats in [-1, 1] or bytes (uint8), got {images.dtype}")
    return to_pixels(images)
