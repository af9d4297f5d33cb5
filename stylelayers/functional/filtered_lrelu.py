"""Activations at a higher sampling rate, which create no aliases: enlarge, activate, shrink (arXiv:2106.12423, 3.1).

Differences from published implementations:

- no compiled extension; separable and 2-D filters, any factors, paddings and activations, on every device;
- one-dimensional signals `(N, C, T)`, for alias-free activations of audio networks (arXiv:2206.04658).
"""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from typing import Any, cast

from torch import Tensor

from ._autocast import in_dtype
from ._filtered_act import FilteredAct
from ._fir_filter import FIRFilter, Pair, Sides, make_filter
from .bias_act import make_settings
from .fir_kernel import Kernel, is_separable, per_kernel
from .upfirdn2d import _ints

Taps = Tensor | Sequence[Any] | None


def filtered_lrelu(
    x: Tensor,
    bias: Tensor | None = None,
    *,
    up_filter: Taps = None,
    down_filter: Taps = None,
    up: int | Pair = 1,
    down: int | Pair = 1,
    padding: int | tuple[int, ...] = 0,
    gain: float = sqrt(2),
    slope: float = 0.2,
    clamp: float | None = None,
) -> Tensor:
    """Leaky ReLU between an up-sampling and a down-sampling filter: :func:`filtered_act` under StyleGAN3's names.

    Example:
        >>> import torch
        >>> from stylelayers.functional import filtered_lrelu, lowpass_filter
        >>> taps = lowpass_filter(12, cutoff=8.0, width=16.0, rate=64.0)
        >>> x = torch.randn(1, 3, 16, 16)
        >>> filtered_lrelu(x, up_filter=taps, down_filter=taps, up=2, down=2, padding=(11, 10, 11, 10)).shape
        torch.Size([1, 3, 16, 16])
    """
    return _filtered(
        "filtered_lrelu", x, bias, "lrelu", (up_filter, down_filter), (up, down), padding, (slope, gain, clamp)
    )


def filtered_act(
    x: Tensor,
    bias: Tensor | None = None,
    *,
    activation: str = "lrelu",
    up_filter: Taps = None,
    down_filter: Taps = None,
    up: int | Pair = 1,
    down: int | Pair = 1,
    padding: int | tuple[int, ...] = 0,
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
) -> Tensor:
    """Add a bias, enlarge, compute ``clamp(gain * act(x))``, shrink.

    Args:
        x: floating-point images or signals.
        bias: one number a channel.
        activation: a name that :func:`bias_act` knows.
        up_filter: FIR taps, 1-D (along both axes) or 2-D; a constant. Enlarging keeps the mean: the taps get the
            gain `up` an axis. None for no filter.
        down_filter: the same, without a gain.
        up, down: factors, an int or ``(x, y)``.
        padding: zeros, in samples of the zero-inserted signal before the up-sampling filter, an int or ``(left,
            right, top, bottom)``; ``(left, right)`` for signals; negative values crop.
        alpha, gain, clamp: as :func:`bias_act`.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H', W')`` with ``H' = (H * up + top + bottom - ku + 1 - kd) // down + 1`` for
        filters of ku and kd taps; ``(N, C, T)`` → ``(N, C, T')`` in the same way.

    Raises:
        ValueError: as :func:`bias_act` and :func:`upfirdn2d`.
    """
    constants = (alpha, gain, clamp)
    return _filtered("filtered_act", x, bias, activation, (up_filter, down_filter), (up, down), padding, constants)


def _filtered(
    caller: str,
    x: Tensor,
    bias: Tensor | None,
    activation: str,
    filters: tuple[Taps, Taps],
    factors: tuple[Any, Any],
    padding: Any,
    constants: tuple[float | None, float | None, float | None],
) -> Tensor:
    if x.ndim not in (3, 4) or not x.is_floating_point():
        raise ValueError(
            f"{caller}: x must be a floating-point (N, C, H, W) or (N, C, T), got {x.dtype} {tuple(x.shape)}"
        )
    is_signal = x.ndim == 3
    if is_signal:
        x = x.unsqueeze(2)
        padding = (*padding, 0, 0) if isinstance(padding, (tuple, list)) else (padding, padding, 0, 0)
    up, down = (_pair(caller, name, factor, is_signal) for name, factor in zip(("up", "down"), factors, strict=True))
    sides = _ints(padding, 4)
    if sides is None:
        raise ValueError(f"{caller}: padding must be an int or (left, right, top, bottom), got {padding!r}")
    up_taps, down_taps = ((1.0,) if taps is None else taps for taps in filters)
    alpha, gain, clamp = constants
    settings = make_settings(caller, activation, alpha, gain, clamp)
    if bias is not None:
        if bias.shape != x.shape[1:2]:
            raise ValueError(f"{caller}: bias must be ({x.shape[1]},), got {tuple(bias.shape)}")
        bias = in_dtype(bias, x.dtype).view(1, -1, 1, 1).clone()
    gain = settings.gain
    settings = replace(settings, gain=1.0, clamp=None if settings.clamp is None else settings.clamp / gain)
    enlarge = _prepared(up_taps, x, up, (1, 1), sides, is_signal, float(up[0] * up[1]))
    shrink = _prepared(down_taps, x, (1, 1), down, (0, 0, 0, 0), is_signal, gain)
    x = FilteredAct(enlarge, settings, shrink)(x, bias)
    return x.squeeze(2) if is_signal else x


@per_kernel(normalize=False)
def _prepared(
    kernel: Kernel, up: Pair, down: Pair, padding: Sides, is_signal: bool, gain: float
) -> tuple[FIRFilter, ...]:
    if not is_separable(kernel):
        if is_signal:
            raise ValueError("filtered_act: filters of signals (N, C, T) must be 1-D")
        return (make_filter(kernel, up, down, padding, gain=gain),)
    row = kernel[None] if isinstance(kernel, Tensor) else cast(Any, (kernel,))
    column = kernel[:, None] if isinstance(kernel, Tensor) else tuple((tap,) for tap in kernel)
    along_x = make_filter(row, (up[0], 1), (down[0], 1), (*padding[:2], 0, 0), gain=gain)
    if is_signal:
        return (along_x,)
    along_y = make_filter(column, (1, up[1]), (1, down[1]), (0, 0, *padding[2:]))
    return (along_y, along_x) if up != (1, 1) else (along_x, along_y)


def _pair(caller: str, name: str, value: Any, is_signal: bool) -> Pair:
    pair = _ints(value, 2)
    if pair is None or min(pair) < 1:
        raise ValueError(f"{caller}: {name} must be an int or (x, y), each at least 1, got {value!r}")
    return (pair[0], 1) if is_signal else cast(Pair, pair)
