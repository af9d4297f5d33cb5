"""Leaky ReLU at a higher sampling rate under the official signature: an alias-free nonlinearity (arXiv:2106.12423).

It is composed of filters and pointwise operators, and so needs the memory of the enlarged images.
"""

from math import sqrt
from typing import Any

from torch import Tensor

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
    x = bias_act(x, b)
    x = upfirdn2d(x, fu, up=up, padding=_parse_padding(padding), gain=up**2, flip_filter=flip_filter)
    x = bias_act(x, act="lrelu", alpha=slope, gain=gain, clamp=clamp)
    return upfirdn2d(x, fd, down=down, flip_filter=flip_filter)


_filtered_lrelu_ref = filtered_lrelu
