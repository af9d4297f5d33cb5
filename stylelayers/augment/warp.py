"""Affine warps of images, by inverse mapping with a wavelet filter, linear in the image.

As in arXiv:2006.06676, appendix B: double the resolution with an orthogonal wavelet's low-pass filter, sample
bilinearly, and halve it with the reversed filter, so that the identity returns the image. Differences:

- images are padded without limit when they are sampled, so that no margin has to be computed from the transforms,
  for which the host would wait for the device;
- pixels are gathered by index and weighted, which has derivatives of every order with respect to the images in every
  version of torch, unlike ``grid_sample``.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ..functional import upfirdn2d
from ..functional.fir_kernel import Kernel, as_kernel, is_separable, size_of
from ._pixels import check_padding, check_per_sample, fold, pad_any

# The low-pass filter of the symlet with six vanishing moments; scaled to sum 1 when it is used.
SYM6 = (
    *(0.015404109327027373, 0.0034907120842174702, -0.11799011114819057, -0.048311742585633),
    *(0.4910559419267466, 0.787641141030194, 0.3379294217276218, -0.07263752278646252),
    *(-0.021060292512300564, 0.04472490177066578, 0.0017677118642428036, -0.007800708325034148),
)


def affine_warp(
    images: Tensor,
    matrix: Tensor,
    *,
    padding_mode: str = "reflect",
    fill: float = 0.0,
    kernel: Tensor | Sequence[float] = SYM6,
) -> Tensor:
    """Warp images: position :math:`v` of the result shows position :math:`Mv` of `images`.

    As in arXiv:2006.06676, appendix B: at twice the resolution, between the filters of an orthogonal wavelet. Positions
    are ``(x, y, 1)`` in pixels from the image's centre, x to the right and y down.

    Args:
        images: ``(N, C, H, W)``.
        matrix: ``(N, 3, 3)``, whose last row is ignored; gets no gradient.
        padding_mode: ``"reflect"``, ``"replicate"``, ``"zeros"`` or ``"constant"``, which pads with `fill`.
        fill: value of ``"constant"`` padding.
        kernel: 1-D low-pass filter for doubling and halving the resolution.

    Returns:
        Images ``(N, C, H, W)``.

    Raises:
        ValueError: shapes that do not fit, an unknown mode, or a kernel of another rank.

    Example:
        >>> import torch
        >>> from stylelayers.augment import affine_warp
        >>> half_a_pixel = torch.tensor([[[1.0, 0.0, -0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
        >>> affine_warp(torch.ones(1, 3, 8, 12), half_a_pixel).shape
        torch.Size([1, 3, 8, 12])
    """
    check_per_sample("affine_warp", "matrix", matrix, images, 3, 3)
    padding_mode, fill = check_padding("affine_warp", padding_mode, fill)
    x = images.to(torch.promote_types(images.dtype, torch.float32))
    taps = as_kernel(kernel, normalize=True, like=x)
    if not is_separable(taps):
        raise ValueError(f"affine_warp: kernel must be 1-D, got {size_of(taps)}")
    doubled = _resampled(pad_any(x, len(taps) // 2, padding_mode, fill), taps, up=2, gain=4.0)
    rows, columns = _positions(images, matrix.detach().to(x.dtype), taps, doubled.shape, padding_mode)
    if padding_mode == "constant":  # a frame of `fill`, the nearest pixel outside the image
        doubled, rows, columns = F.pad(doubled, (1, 1, 1, 1), value=fill), rows + 1, columns + 1
    return _resampled(_bilinear(doubled, rows, columns), taps, down=2, flip_kernel=True).to(images.dtype)


def _positions(
    images: Tensor, matrix: Tensor, taps: Kernel, doubled: torch.Size, padding_mode: str
) -> tuple[Tensor, Tensor]:
    """Fractional rows and columns of the doubled image that the last filter needs; each ``(N, h, w)``."""
    count = len(taps)
    centre = sum(place * tap for place, tap in enumerate(cast(Any, taps)))  # of mass: a pixel's after the filter
    start = count - 1 - 2 * (count // 2)  # index of the doubled image's first pixel, relative to pixel 0
    y, x = (
        (torch.arange(2 * (size - 1) + count, device=matrix.device, dtype=matrix.dtype) - centre) / 2 - (size - 1) / 2
        for size in images.shape[2:]
    )
    x, y = x.view(1, 1, -1), y.view(1, -1, 1)
    found = []
    for size, limit, weights in zip(images.shape[2:], doubled[2:], (matrix[:, 1], matrix[:, 0]), strict=True):
        x_weight, y_weight, offset = weights.view(-1, 3, 1, 1).unbind(1)
        place = x_weight * x + y_weight * y + offset + (size - 1) / 2
        index = 2 * place + centre - start
        if padding_mode != "constant":
            outside = (index < 0) | (index > limit - 1)
            index = torch.where(outside, 2 * fold(place, size, padding_mode) + centre - start, index)
        found.append(index)
    return found[0], found[1]


def _bilinear(x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Sample bilinearly at coordinates ``(N, h, w)``; outside, take the nearest pixel."""
    height, width = x.shape[2:]
    rows, columns = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    top, left = rows.floor().clamp(max=height - 2), columns.floor().clamp(max=width - 2)
    down, right = ((rows - top).unsqueeze(1), (columns - left).unsqueeze(1))
    index, pixels = (top.long() * width + left.long()).flatten(1).unsqueeze(1), x.flatten(2)

    def neighbour(offset: int) -> Tensor:
        picked = pixels.gather(2, (index + offset).expand(-1, x.shape[1], -1))
        return picked.unflatten(2, rows.shape[1:])

    upper, lower = (
        torch.lerp(neighbour(0), neighbour(1), right),
        torch.lerp(neighbour(width), neighbour(width + 1), right),
    )
    return torch.lerp(upper, lower, down)


def _resampled(x: Tensor, taps: Kernel, **options: Any) -> Tensor:
    """`upfirdn2d` with samples as channels, for which depthwise convolutions are several times as fast."""
    if not len(x):
        return upfirdn2d(x, taps, **options)
    return upfirdn2d(x.reshape(1, -1, *x.shape[2:]), taps, **options).unflatten(1, x.shape[:2]).squeeze(0)
