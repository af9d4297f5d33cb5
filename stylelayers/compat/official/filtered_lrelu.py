"""Leaky ReLU at a higher sampling rate under the official signature: an alias-free nonlinearity (arXiv:2106.12423)."""

from math import sqrt
from typing import Any

import torch
from torch import Tensor

from ... import functional
from .bias_act import bias_act
from .upfirdn2d import _get_filter_size as _get_filter_size
from .upfirdn2d import _init as _init
from .upfirdn2d import _parse_padding, upfirdn2d


def filtered_lrelu(
    x: Tensor,
    fu: Tensor | None = None,
    fd: Tensor | None = None,
    b: Tensor | None = None,
    up: int = 1,
    down: int = 1,
    padding: Any = 0,
    gain: float = sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
    flip_filter: bool = False,
    impl: str = "cuda",
) -> Tensor:
    """Add a bias, enlarge, compute ``clamp(gain * leaky_relu(x))``, shrink.

    Args:
        x: feature maps.
        fu, fd: taps of the filters that enlarge and shrink; None for one tap of 1.
        b: one number a channel, or None.
        up, down: factors; enlarging keeps the mean.
        padding: zeros of the zero-inserted images, an int, ``[x, y]`` or ``[x0, x1, y0, y1]``; negative values crop.
        gain: factor on the activation.
        slope: of the leaky ReLU below 0.
        clamp: the activation's largest magnitude; None or a negative number for no limit.
        flip_filter: correlate instead of convolving, with both filters.
        impl: ignored.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H', W')`` with ``H' = (H * up + y0 + y1 - ku + 1 - kd) // down + 1``.

    Example:
        >>> import torch
        >>> from stylelayers.compat.official.filtered_lrelu import filtered_lrelu
        >>> fu = fd = torch.ones(12) / 12
        >>> filtered_lrelu(torch.randn(1, 3, 8, 8), fu, fd, up=2, down=2, padding=11).shape
        torch.Size([1, 3, 8, 8])
    """
    if gain > 0 and slope >= 0 and clamp != 0:
        x = x if b is None else x.to(torch.promote_types(x.dtype, b.dtype))
        return functional.filtered_lrelu(
            x,
            b,
            up_filter=_taps(fu, flip_filter),
            down_filter=_taps(fd, flip_filter),
            up=up,
            down=down,
            padding=_parse_padding(padding),
            gain=gain,
            slope=slope,
            clamp=None if clamp is None or clamp < 0 else clamp,
        )
    x = bias_act(x, b)
    x = upfirdn2d(x, fu, up=up, padding=_parse_padding(padding), gain=up**2, flip_filter=flip_filter)
    x = bias_act(x, act="lrelu", alpha=slope, gain=gain, clamp=clamp)
    return upfirdn2d(x, fd, down=down, flip_filter=flip_filter)


def _taps(f: Tensor | None, flip: bool) -> Tensor | None:
    """The taps of a filter that convolves."""
    if f is None:
        return None
    return f.detach().flip(tuple(range(f.ndim))) if flip else f.detach()


_filtered_lrelu_ref = filtered_lrelu
