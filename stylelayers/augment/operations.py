"""Simple augmentations as deterministic functions of the images and of parameters for each sample.

All can be differentiated any number of times with respect to the images, ``(N, C, H, W)`` and usually in [-1, 1].
Operations on colours take grey (1 channel) and RGB (3 channels) images and do not change an alpha channel (the last of
2 or 4); the others take any channels.
"""

import torch
from torch import Tensor

from ._pixels import change_colors, check_padding, check_per_sample, take_pixels


def adjust_brightness(images: Tensor, offset: Tensor) -> Tensor:
    """Add a number to the colours of each image.

    One of the colour operations of arXiv:2006.10738, section 3.

    Args:
        images: ``(N, C, H, W)`` of 1 to 4 channels; an alpha channel, the last of 2 or 4, does not change.
        offset: ``(N,)``, in units of the images.

    Returns:
        Images ``(N, C, H, W)``.

    Raises:
        ValueError: shapes that do not fit, or images of more than 4 channels.

    Example:
        >>> import torch
        >>> from stylelayers.augment import adjust_brightness
        >>> adjust_brightness(torch.zeros(1, 3, 4, 4), torch.tensor([0.5])).mean()
        tensor(0.5000)
    """
    check_per_sample("adjust_brightness", "offset", offset, images)
    return change_colors("adjust_brightness", images, lambda colors: colors + _per_image(offset, images))


def adjust_saturation(images: Tensor, factor: Tensor) -> Tensor:
    """Scale each colour's distance from its grey, the mean of its channels.

    Grey images stay as they are. One of the colour operations of arXiv:2006.10738, section 3.

    Args:
        images: ``(N, C, H, W)`` of 1 to 4 channels; an alpha channel, the last of 2 or 4, does not change.
        factor: ``(N,)``; 1 leaves an image as it is, 0 makes it grey.

    Returns:
        Images ``(N, C, H, W)``.

    Raises:
        ValueError: shapes that do not fit, or images of more than 4 channels.

    Example:
        >>> import torch
        >>> from stylelayers.augment import adjust_saturation
        >>> adjust_saturation(torch.tensor([-1.0, 0.0, 1.0]).view(1, 3, 1, 1), torch.tensor([0.5])).flatten()
        tensor([-0.5000,  0.0000,  0.5000])
    """

    def change(colors: Tensor) -> Tensor:
        if colors.shape[1] == 1:
            return colors
        return _scaled_about(colors.mean(1, keepdim=True), colors, factor)

    check_per_sample("adjust_saturation", "factor", factor, images)
    return change_colors("adjust_saturation", images, change)


def adjust_contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Scale the distance of each image's colours from their mean over all pixels and colour channels.

    One of the colour operations of arXiv:2006.10738, section 3.

    Args:
        images: ``(N, C, H, W)`` of 1 to 4 channels; an alpha channel, the last of 2 or 4, does not change.
        factor: ``(N,)``; 1 leaves an image as it is, 0 makes it flat.

    Returns:
        Images ``(N, C, H, W)``.

    Raises:
        ValueError: shapes that do not fit, or images of more than 4 channels.

    Example:
        >>> import torch
        >>> from stylelayers.augment import adjust_contrast
        >>> adjust_contrast(torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2), torch.tensor([0.5])).flatten()
        tensor([-0.5000,  0.5000])
    """

    def change(colors: Tensor) -> Tensor:
        return _scaled_about(colors.mean((1, 2, 3), keepdim=True), colors, factor)

    check_per_sample("adjust_contrast", "factor", factor, images)
    return change_colors("adjust_contrast", images, change)


def color_transform(images: Tensor, matrix: Tensor) -> Tensor:
    """Map each colour ``(r, g, b, 1)`` by a matrix; grey becomes the mean of the three channels.

    One of the colour operations of arXiv:2006.06676, appendix B.

    Args:
        images: ``(N, C, H, W)`` of 1 to 4 channels; an alpha channel, the last of 2 or 4, does not change.
        matrix: ``(N, 4, 4)``, whose last row is ignored.

    Returns:
        Images ``(N, C, H, W)``.

    Raises:
        ValueError: shapes that do not fit, or images of more than 4 channels.

    Example:
        >>> import torch
        >>> from stylelayers.augment import color_transform
        >>> color_transform(torch.ones(1, 3, 4, 4), -torch.eye(4)[None]).mean()
        tensor(-1.)
    """

    def change(colors: Tensor) -> Tensor:
        rows = matrix[:, :3].to(images.dtype)
        if colors.shape[1] == 1:  # the mean of the three channels
            rows = rows.mean(1, keepdim=True)
            rows = torch.cat([rows[..., :3].sum(2, keepdim=True), rows[..., 3:]], 2)
        *columns, offset = rows.unsqueeze(-1).unsqueeze(-1).unbind(2)  # each (N, 1 or 3, 1, 1)
        for channel, column in enumerate(columns):
            offset = offset + column * colors[:, channel : channel + 1]
        return offset

    check_per_sample("color_transform", "matrix", matrix, images, 4, 4)
    return change_colors("color_transform", images, change)


def translate_pixels(images: Tensor, shift: Tensor, *, padding_mode: str = "reflect", fill: float = 0.0) -> Tensor:
    """Shift each image by whole pixels (arXiv:2006.10738, section 3; arXiv:2006.06676, appendix B).

    Args:
        images: ``(N, C, H, W)``.
        shift: ``(N, 2)`` integers, pixels down and right.
        padding_mode: ``"reflect"``, ``"replicate"``, ``"zeros"`` or ``"constant"``, which pads with `fill`.
        fill: value of ``"constant"`` padding.

    Returns:
        Images ``(N, C, H, W)``.

    Raises:
        ValueError: shapes that do not fit, a fractional shift, or an unknown mode.

    Example:
        >>> import torch
        >>> from stylelayers.augment import translate_pixels
        >>> translate_pixels(torch.arange(4.0).view(1, 1, 1, 4), torch.tensor([[0, 1]]), padding_mode="replicate")
        tensor([[[[0., 0., 1., 2.]]]])
    """
    check_per_sample("translate_pixels", "shift", shift, images, 2)
    padding_mode, fill = check_padding("translate_pixels", padding_mode, fill)
    if shift.is_floating_point():
        raise ValueError(
            f"translate_pixels: shift must hold integers, got {shift.dtype}; use affine_warp for fractions"
        )
    rows, columns = _grid(images)
    return take_pixels(images, rows - shift[:, :1, None], columns - shift[:, 1:, None], padding_mode, fill)


def flip_and_turn(images: Tensor, flip: Tensor, turns: Tensor) -> Tensor:
    """Mirror horizontally where `flip` is true, then rotate by quarter turns (arXiv:2006.06676, appendix B).

    Args:
        images: ``(N, C, H, W)``.
        flip: ``(N,)`` booleans.
        turns: ``(N,)`` integers, counterclockwise quarter turns, as of ``torch.rot90``. Images that are not square make
            half turns only: an odd number counts as the even one below.

    Returns:
        Images ``(N, C, H, W)``.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> import torch
        >>> from stylelayers.augment import flip_and_turn
        >>> images = torch.arange(4.0).view(1, 1, 2, 2)
        >>> flip_and_turn(images, torch.tensor([True]), torch.tensor([1]))
        tensor([[[[0., 2.],
                  [1., 3.]]]])
    """
    check_per_sample("flip_and_turn", "flip", flip, images)
    check_per_sample("flip_and_turn", "turns", turns, images)
    height, width = images.shape[2:]
    rows, columns = (axis.expand(images.shape[0], height, width) for axis in _grid(images))
    half, quarter = (turns.remainder(4) >= 2).view(-1, 1, 1), (turns.remainder(2) == 1).view(-1, 1, 1)
    rows, columns = torch.where(half, height - 1 - rows, rows), torch.where(half, width - 1 - columns, columns)
    if height == width:  # out[r, c] = in[c, W - 1 - r]
        rows, columns = torch.where(quarter, columns, rows), torch.where(quarter, width - 1 - rows, columns)
    columns = torch.where(flip.view(-1, 1, 1), width - 1 - columns, columns)
    return take_pixels(images, rows, columns, "replicate", 0.0)


def cutout(images: Tensor, corner: Tensor, size: tuple[int, int], *, fill: float = 0.0) -> Tensor:
    """Replace a rectangle of each image by `fill` (arXiv:2006.10738, section 3).

    Args:
        images: ``(N, C, H, W)``.
        corner: ``(N, 2)``, row and column of the rectangle's first pixel, which may lie outside.
        size: height and width of the rectangle in pixels.
        fill: the value inside it.

    Returns:
        Images ``(N, C, H, W)``.

    Raises:
        ValueError: shapes that do not fit.

    Example:
        >>> import torch
        >>> from stylelayers.augment import cutout
        >>> cutout(torch.ones(1, 1, 2, 4), torch.tensor([[0, 2]]), (1, 2))
        tensor([[[[1., 1., 0., 0.],
                  [1., 1., 1., 1.]]]])
    """
    check_per_sample("cutout", "corner", corner, images, 2)
    rows, columns = _grid(images)
    rows, columns = rows - corner[:, :1, None], columns - corner[:, 1:, None]
    cut = (rows >= 0) & (rows < size[0]) & (columns >= 0) & (columns < size[1])
    return torch.where(cut.unsqueeze(1), fill, images)


def _scaled_about(centre: Tensor, colors: Tensor, factor: Tensor) -> Tensor:
    return centre + (colors - centre) * _per_image(factor, colors)


def _per_image(value: Tensor, images: Tensor) -> Tensor:
    return value.to(images.dtype).view(-1, 1, 1, 1)


def _grid(images: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column numbers, ``(1, H, 1)`` and ``(1, 1, W)``."""
    height, width = images.shape[2:]
    device = images.device
    return torch.arange(height, device=device).view(1, -1, 1), torch.arange(width, device=device).view(1, 1, -1)
