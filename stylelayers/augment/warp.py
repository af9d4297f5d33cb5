"""Affine warps of images, by inverse mapping with a wavelet filter, linear in the image.

As in arXiv:2006.06676, appendix B: twice as many pixels by an orthogonal wavelet's low-pass filter, bilinear samples
of them, and back by the same filter reversed, so that a warp by nothing gives the image back. Differences:

- images continue to infinity when they are sampled, so that no margin has to be found from the transforms, which
  would make the host wait for the device;
- pixels are gathered by index and weighted: derivatives of every order with respect to the images exist in every
  version of torch, which those of ``grid_sample`` do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..functional import fir_kernel, upfirdn2d
from ._pixels import check_padding, check_per_sample, extended, fold

__all__ = ["SYM6", "affine_warp"]

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
    r"""Images that show at position :math:`v` what `images` have at :math:`Mv` (arXiv:2006.06676, appendix B).

    Positions are ``(x, y, 1)`` in pixels from the image's centre, x to the right and y down.

    Args:
        images: ``(N, C, H, W)``.
        matrix: ``(N, 3, 3)``, of which the last row is not looked at; gets no gradient.
        padding_mode: what lies outside the image: ``"reflect"`` and ``"replicate"`` continue it, ``"constant"`` is
            `fill`.
        fill: value outside the image under ``"constant"``.
        kernel: 1-D low-pass filter by which pixels are doubled, and halved again.

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
    check_padding("affine_warp", padding_mode)
    x = images.to(torch.promote_types(images.dtype, torch.float32))
    taps = fir_kernel(kernel, like=x)
    if taps.ndim != 1:
        raise ValueError(f"affine_warp: kernel must be 1-D, got {tuple(taps.shape)}")
    doubled = _resampled(extended(x, len(taps) // 2, padding_mode, fill), taps, up=2, gain=4.0)
    rows, columns = _positions(images, matrix.detach().to(x.dtype), taps, doubled.shape, padding_mode)
    if padding_mode == "constant":  # a frame, which the nearest pixel is wherever there is none
        doubled, rows, columns = F.pad(doubled, (1, 1, 1, 1), value=fill), rows + 1, columns + 1
    return _resampled(_bilinear(doubled, rows, columns), taps, down=2, flip_kernel=True).to(images.dtype)


def _positions(
    images: Tensor, matrix: Tensor, taps: Tensor, doubled: torch.Size, padding_mode: str
) -> tuple[Tensor, Tensor]:
    """Fractional rows and columns of the doubled image, for all that the last filter needs; each ``(N, h, w)``."""
    count = len(taps)
    centre = (taps * torch.arange(count, device=taps.device)).sum()  # of mass: where a pixel is after its filter
    start = count - 1 - 2 * (count // 2)  # the number of the doubled image's first pixel, 0 being that of pixel 0
    y, x = (
        (torch.arange(2 * (size - 1) + count, device=taps.device, dtype=taps.dtype) - centre) / 2 - (size - 1) / 2
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
    """Samples between pixels at coordinates ``(N, h, w)``, the nearest beyond the last ones."""
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


def _resampled(x: Tensor, taps: Tensor, **options: Any) -> Tensor:
    """`upfirdn2d` with the samples as channels, which a depthwise convolution does several times as fast."""
    if not len(x):
        return upfirdn2d(x, taps, **options)
    return upfirdn2d(x.reshape(1, -1, *x.shape[2:]), taps, **options).unflatten(1, x.shape[:2]).squeeze(0)
