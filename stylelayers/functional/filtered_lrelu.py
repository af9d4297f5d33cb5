"""An activation at a higher sampling rate, so that it makes no aliases: enlarge, activate, shrink.

StyleGAN3 (arXiv:2106.12423, section 3) has it in every layer, BigVGAN (arXiv:2206.04658) for sounds.

Differences from published implementations:

- no compiled extension: one path for separable and 2-D filters, all factors, paddings (negative ones crop), activations
  and devices, and for signals ``(N, C, T)``; :mod:`._filtered_act` has its derivatives;
- the backward pass keeps `x` and no enlarged image, nor a mask of one.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt
from operator import index
from typing import Any, cast

import torch
from torch import Tensor

from .._checks import check_number
from ._autocast import in_dtype
from ._filtered_act import FilteredAct, Filters
from ._fir_filter import Pair, Sides, make_filter
from .bias_act import Settings, bias_act, make_settings
from .fir_kernel import Kernel, is_separable, per_kernel

Taps = Tensor | Sequence[Any] | None
_ONE_TAP = (1.0,)


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
    """The nonlinearity of StyleGAN3, :func:`filtered_act` of ``"lrelu"`` (arXiv:2106.12423, section 3 and figure 4b).

    Args:
        x: floating-point images or signals.
        bias: one number a channel; cast to `x`'s dtype.
        up_filter, down_filter, up, down, padding: as in :func:`filtered_act`.
        gain: factor on the activation, above 0.
        slope: of the leaky ReLU below 0, at least 0; :func:`filtered_act` calls it `alpha`.
        clamp: largest magnitude of the activation before the image shrinks, above 0; None for no limit.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H', W')``, as :func:`filtered_act`.

    Raises:
        ValueError: as :func:`filtered_act`, or `slope` below 0.

    Example:
        >>> import torch
        >>> from stylelayers.functional import filtered_lrelu, lowpass_filter
        >>> taps = lowpass_filter(12, cutoff=8.0, width=16.0, rate=64.0)
        >>> x = torch.randn(1, 3, 16, 16)
        >>> filtered_lrelu(x, up_filter=taps, down_filter=taps, up=2, down=2, padding=(11, 10, 11, 10)).shape
        torch.Size([1, 3, 16, 16])
    """
    check_number("filtered_lrelu", least=0, slope=slope)
    settings = make_settings("filtered_lrelu", "lrelu", slope, gain, clamp)
    return _filtered("filtered_lrelu", x, bias, settings, (up_filter, down_filter), (up, down), padding)


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
    r"""Compute :math:`D(\mathrm{clamp}(gain \cdot act(U(x + bias))))`, where U enlarges and D shrinks.

    The nonlinearity of arXiv:2106.12423, section 3, for any activation. For the backward pass it saves `x` and `bias`,
    where the composition of :func:`upfirdn2d` and :func:`bias_act` saves the enlarged image: at factors of 2, a fifth
    of the memory. Numbers are the fastest taps.

    Args:
        x: floating-point images or signals.
        bias: one number a channel; cast to `x`'s dtype.
        activation: a name that :func:`bias_act` knows.
        up_filter: FIR taps, a constant: 1-D (for both axes) or 2-D; None for no filter. They get a gain of `up` an
            axis, so that a filter of sum 1 keeps the mean.
        down_filter: FIR taps in the same form, without a gain.
        up: zero-insertion factor before `up_filter`, an int or ``(x, y)``, at least 1.
        down: decimation factor behind `down_filter`, an int or ``(x, y)``, at least 1.
        padding: zeros around the zero-inserted image, an int or ``(left, right, top, bottom)``, of a signal ``(left,
            right)``; negative values crop. Both filters use it up.
        alpha, gain, clamp: as in :func:`bias_act`, `gain` and `clamp` before the image shrinks.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H', W')`` with ``H' = (H * up + top + bottom - ku + 1 - kd) // down + 1`` for
        filters of ku and kd taps; ``(N, C, T)`` → ``(N, C, T')`` in the same way.

    Raises:
        ValueError: as :func:`bias_act` and :func:`upfirdn2d`; 2-D taps for a signal.

    Example:
        >>> import torch
        >>> from stylelayers.functional import filtered_act
        >>> taps = [1 / 8, 3 / 8, 3 / 8, 1 / 8]
        >>> x = torch.randn(1, 4, 100)
        >>> filtered_act(x, activation="snake", up_filter=taps, down_filter=taps, up=2, down=2, padding=(3, 2)).shape
        torch.Size([1, 4, 100])
    """
    settings = make_settings("filtered_act", activation, alpha, gain, clamp)
    return _filtered("filtered_act", x, bias, settings, (up_filter, down_filter), (up, down), padding)


def _filtered(
    caller: str,
    x: Tensor,
    bias: Tensor | None,
    settings: Settings,
    filters: tuple[Taps, Taps],
    factors: tuple[Any, Any],
    padding: Any,
) -> Tensor:
    if x.ndim not in (3, 4) or not x.is_floating_point():
        shape = tuple(x.shape)
        raise ValueError(f"{caller}: x must be a floating-point (N, C, H, W) or (N, C, T), got {x.dtype} {shape}")
    if bias is not None and bias.shape != x.shape[1:2]:
        raise ValueError(f"{caller}: bias must be ({x.shape[1]},), got {tuple(bias.shape)}")
    dims = x.ndim - 2
    up, down = _factors(caller, "up", factors[0], dims), _factors(caller, "down", factors[1], dims)
    sides = _sides(caller, padding, dims)
    like = x if x.dtype.itemsize >= 4 else x.new_empty(0, dtype=torch.float32)  # taps keep their precision
    enlarge = _enlarging(_ONE_TAP if filters[0] is None else filters[0], like, caller, dims, up, sides)
    shrink = _shrinking(_ONE_TAP if filters[1] is None else filters[1], like, caller, dims, down, settings.gain)
    if not enlarge and not shrink:
        alpha = settings.alpha[0] if settings.alpha else None
        return bias_act(x, bias, activation=settings.name, alpha=alpha, gain=settings.gain, clamp=settings.clamp)
    _check_size(caller, x.shape, enlarge + shrink, sides)
    if bias is not None:
        bias = in_dtype(bias, x.dtype).view(-1, 1, 1).clone()  # FSDP frees parameters between two backward passes
    clamp = None if settings.clamp is None else settings.clamp / settings.gain
    operator = FilteredAct(enlarge, replace(settings, gain=1.0, clamp=clamp), shrink)
    return operator(x, bias) if dims == 2 else operator(x.unsqueeze(2), bias).squeeze(2)


@per_kernel(normalize=False)
def _enlarging(kernel: Kernel, caller: str, dims: int, up: Pair, padding: Sides) -> Filters:
    if _is_one(kernel) and up == (1, 1) and not any(padding):
        return ()
    return _along_axes(kernel, caller, dims, up, (1, 1), padding, float(up[0] * up[1]))[::-1]


@per_kernel(normalize=False)
def _shrinking(kernel: Kernel, caller: str, dims: int, down: Pair, gain: float) -> Filters:
    if _is_one(kernel) and down == (1, 1) and gain == 1:
        return ()
    return _along_axes(kernel, caller, dims, (1, 1), down, (0, 0, 0, 0), gain)


def _is_one(kernel: Kernel) -> bool:
    return not isinstance(kernel, Tensor) and kernel == _ONE_TAP


def _along_axes(kernel: Kernel, caller: str, dims: int, up: Pair, down: Pair, padding: Sides, gain: float) -> Filters:
    """A 2-D filter, or separable ones along x and y: in this order to shrink, in the other one to enlarge."""
    if not is_separable(kernel):
        if dims == 1:
            raise ValueError(f"{caller}: filters of signals (N, C, T) must be 1-D, got 2-D taps")
        return (make_filter(kernel, up, down, padding, gain=gain),)
    row: Any = kernel[None] if isinstance(kernel, Tensor) else (kernel,)
    along_x = make_filter(row, (up[0], 1), (down[0], 1), (*padding[:2], 0, 0), gain=gain)
    if dims == 1:
        return (along_x,)
    column: Any = kernel[:, None] if isinstance(kernel, Tensor) else tuple((tap,) for tap in kernel)
    return along_x, make_filter(column, (1, up[1]), (1, down[1]), (0, 0, *padding[2:]))


def _factors(caller: str, name: str, value: Any, dims: int) -> Pair:
    pair = _ints(value, 2 if dims == 2 else 1)
    if pair is None or min(pair) < 1:
        takes = "an int or (x, y), each" if dims == 2 else "an int of"
        raise ValueError(f"{caller}: {name} must be {takes} at least 1, got {value!r}")
    return cast(Pair, pair if dims == 2 else (*pair, 1))


def _sides(caller: str, value: Any, dims: int) -> Sides:
    sides = _ints(value, 2 * dims)
    if sides is None:
        takes = "(left, right, top, bottom)" if dims == 2 else "(left, right) for a signal (N, C, T)"
        raise ValueError(f"{caller}: padding must be an int or {takes}, got {value!r}")
    return cast(Sides, (*sides, 0, 0)[:4])


def _ints(value: object, count: int) -> tuple[int, ...] | None:
    """`count` ints, equal ones from a single number; None from anything else. Sizes in a trace are tensors."""
    numbers = value if isinstance(value, (tuple, list)) else (value,) * count
    try:
        return tuple(map(index, numbers)) if len(numbers) == count else None
    except TypeError:
        return None


def _check_size(caller: str, shape: Sequence[int], filters: Filters, padding: Sides) -> None:
    size: Sequence[int] = (*shape[:2], *(1,) * (4 - len(shape)), *shape[2:])
    for fir in filters:
        size = fir.size_after(size)
        if size[2] < 1 or size[3] < 1:
            raise ValueError(
                f"{caller}: the padded image must be at least as large as the filters, got {tuple(shape)} and padding "
                f"{padding[: 2 * len(shape) - 4]}"
            )
