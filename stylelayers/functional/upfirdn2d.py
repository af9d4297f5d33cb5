"""FIR resampling of images: zero-insertion, padding, filtering and decimation as one operator.

Used by StyleGAN2 (arXiv:1912.04958, section 4) for alias-free resampling; :mod:`._fir_filter` has its derivatives.

Differences from published implementations:

- no compiled extension: depthwise convolutions of torch, in the memory layout of the images, on every device;
- one code path for all `up`, `down`, paddings (negative ones crop) and kernels (odd, even, asymmetric);
- forward-mode derivatives, `torch.func` transforms and `torch.compile` work.
"""

from collections.abc import Sequence
from operator import index
from typing import Any, cast

from torch import Tensor

from ._fir_filter import FIRFilter, Pair, Sides, make_filter
from .fir_kernel import Kernel, per_kernel


def upfirdn2d(
    x: Tensor,
    kernel: Tensor | Sequence[Any],
    *,
    up: int | tuple[int, int] = 1,
    down: int | tuple[int, int] = 1,
    padding: int | tuple[int, int, int, int] = 0,
    flip_kernel: bool = False,
    gain: float = 1.0,
) -> Tensor:
    r"""Insert zeros, pad, convolve every channel with `kernel`, keep every `down`-th sample.

    .. math:: y[n] = gain \sum_k kernel[k] \, \hat x[n \cdot down + K - 1 - k - left]

    The resampling of StyleGAN2 (arXiv:1912.04958); :math:`\hat x` is `x` with ``up - 1`` zeros behind every sample and
    ``K`` the kernel's length.

    Args:
        x: floating-point images.
        kernel: FIR taps, 1-D (applied along both axes) or 2-D; a constant.
        up: zero-insertion factor, an int or ``(x, y)``, at least 1.
        down: decimation factor, an int or ``(x, y)``, at least 1.
        padding: zeros in pixels of the zero-inserted image, an int or ``(left, right, top, bottom)``;
            negative values crop.
        flip_kernel: correlate instead of convolving.
        gain: factor on the result.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H', W')`` with ``H' = (H * up + top + bottom - K) // down + 1``.

    Raises:
        ValueError: not a floating-point ``(N, C, H, W)``, a kernel that requires grad, factors below 1,
            a gain that is a tensor, or a kernel larger than the padded image.

    Example:
        >>> import torch
        >>> from stylelayers.functional import upfirdn2d
        >>> upfirdn2d(torch.ones(1, 3, 8, 8), [1, 3, 3, 1], up=2, padding=(2, 1, 2, 1)).shape
        torch.Size([1, 3, 16, 16])
    """
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(f"upfirdn2d: x must be a floating-point (N, C, H, W), got {x.dtype} {tuple(x.shape)}")
    if isinstance(gain, Tensor):  # which would get no gradient
        raise ValueError(
            f"upfirdn2d: gain must be a number, got a tensor {tuple(gain.shape)}; multiply the result by it"
        )
    return _prepared(kernel, x, _pair("up", up), _pair("down", down), _sides(padding), not flip_kernel, gain)(x)


@per_kernel(normalize=False)
def _prepared(kernel: Kernel, up: Pair, down: Pair, padding: Sides, flip: bool, gain: float) -> FIRFilter:
    return make_filter(kernel, up, down, padding, flip=flip, gain=gain)


def _pair(name: str, value: int | Pair) -> Pair:
    pair = _ints(value, 2)
    if pair is None or min(pair) < 1:
        raise ValueError(f"upfirdn2d: {name} must be an int or (x, y), each at least 1, got {value!r}")
    return cast(Pair, pair)


def _sides(value: int | Sides) -> Sides:
    sides = _ints(value, 4)
    if sides is None:
        raise ValueError(f"upfirdn2d: padding must be an int or (left, right, top, bottom), got {value!r}")
    return cast(Sides, sides)


def _ints(value: object, count: int) -> tuple[int, ...] | None:
    """`count` ints, equal ones from a single number; None from anything else. Sizes in a trace are tensors."""
    numbers = value if isinstance(value, (tuple, list)) else (value,) * count
    try:
        return tuple(map(index, numbers)) if len(numbers) == count else None
    except TypeError:
        return None
