"""FIR filters and resampling under the official signatures.

Taps that are 1-D and more than eight are applied along one axis after the other: on CPUs as on GPUs the time of a
depthwise convolution grows with its number of taps, and beyond about 20 x 20 torch's for CPUs is slow by far.
"""

from operator import index
from typing import Any, cast

import torch
from torch import Tensor

from ... import functional

_Sides = tuple[int, int, int, int]
_MOST_TAPS_AT_ONCE = 8


def setup_filter(
    f: Any,
    device: torch.device | str | None = torch.device("cpu"),  # noqa: B008
    normalize: bool = True,
    flip_filter: bool = False,
    gain: float = 1,
    separable: bool | None = None,
) -> Tensor:
    """Make a filter for the other functions: float32 taps, ``(kh, kw)`` or ``(k,)`` for both axes.

    Args:
        f: a number, a list, an array or a tensor of taps, 1-D or 2-D; None for one tap of 1.
        device: where to put them.
        normalize: divide by the sum.
        flip_filter: reverse the taps.
        gain: factor on the images; a separable filter has its square root.
        separable: whether to keep 1-D taps 1-D; None does so from eight taps on.

    Raises:
        ValueError: taps of another rank or none, or 2-D taps that are to be separable.
    """
    taps = torch.as_tensor(1 if f is None else f, dtype=torch.float32)
    if taps.ndim > 2 or not taps.numel() or (separable and taps.ndim == 2):
        raise ValueError(f"setup_filter: f must be taps, 1-D (or 2-D unless separable), got {tuple(taps.shape)}")
    taps = taps.reshape(1) if taps.ndim == 0 else taps
    if taps.ndim == 1 and not (taps.numel() >= 8 if separable is None else separable):
        taps = torch.outer(taps, taps)
    taps = taps / taps.sum() if normalize else taps
    taps = taps.flip(tuple(range(taps.ndim))) if flip_filter else taps
    return (taps * gain ** (taps.ndim / 2)).to(device=device)


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    up: Any = 1,
    down: Any = 1,
    padding: Any = 0,
    flip_filter: bool = False,
    gain: float = 1,
    impl: str = "cuda",
) -> Tensor:
    """Insert zeros, pad, convolve every channel with `f`, keep every `down`-th sample.

    Args:
        x: images.
        f: taps, 2-D or 1-D for both axes; None for one tap of 1. A constant.
        up, down: factors, an int or ``[x, y]``.
        padding: zeros of the zero-inserted image, an int, ``[x, y]`` or ``[x0, x1, y0, y1]``; negative values crop.
        flip_filter: correlate instead of convolving.
        gain: factor on the images.
        impl: ignored.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H', W')`` with ``H' = (H * up + y0 + y1 - kh) // down + 1``.

    Raises:
        ValueError: shapes, factors or padding that do not fit.

    Example:
        >>> import torch
        >>> from stylelayers.compat.official.upfirdn2d import setup_filter, upfirdn2d
        >>> upfirdn2d(torch.ones(1, 3, 8, 8), setup_filter([1, 3, 3, 1]), up=2, padding=[2, 1, 2, 1]).shape
        torch.Size([1, 3, 16, 16])
    """
    (up_x, up_y), (down_x, down_y), sides = _parse_scaling(up), _parse_scaling(down), _parse_padding(padding)
    taps = x.new_ones(1, 1) if f is None else f.detach()
    if taps.ndim == 2 or len(taps) <= _MOST_TAPS_AT_ONCE:
        factors: dict[str, Any] = {"up": (up_x, up_y), "down": (down_x, down_y), "padding": sides}
        return functional.upfirdn2d(x, taps, flip_kernel=flip_filter, gain=gain, **factors)
    x = functional.upfirdn2d(
        x, taps[None], up=(up_x, 1), down=(down_x, 1), padding=(*sides[:2], 0, 0), flip_kernel=flip_filter, gain=gain
    )
    return functional.upfirdn2d(
        x, taps[:, None], up=(1, up_y), down=(1, down_y), padding=(0, 0, *sides[2:]), flip_kernel=flip_filter
    )


def filter2d(
    x: Tensor, f: Tensor | None, padding: Any = 0, flip_filter: bool = False, gain: float = 1, impl: str = "cuda"
) -> Tensor:
    """Filter without a change of size; `padding` is beyond that. See :func:`upfirdn2d`."""
    return upfirdn2d(x, f, padding=_centred(f, padding, (1, 1), (1, 1)), flip_filter=flip_filter, gain=gain)


def upsample2d(
    x: Tensor,
    f: Tensor | None,
    up: Any = 2,
    padding: Any = 0,
    flip_filter: bool = False,
    gain: float = 1,
    impl: str = "cuda",
) -> Tensor:
    """Enlarge by `up` and keep the mean; `padding`, in pixels of the result, is beyond that. See :func:`upfirdn2d`."""
    up_x, up_y = _parse_scaling(up)
    sides = _centred(f, padding, (up_x, up_y), (1, 1))
    return upfirdn2d(x, f, up=up, padding=sides, flip_filter=flip_filter, gain=gain * up_x * up_y)


def downsample2d(
    x: Tensor,
    f: Tensor | None,
    down: Any = 2,
    padding: Any = 0,
    flip_filter: bool = False,
    gain: float = 1,
    impl: str = "cuda",
) -> Tensor:
    """Shrink by `down`; `padding`, in pixels of `x`, is beyond what that needs. See :func:`upfirdn2d`."""
    sides = _centred(f, padding, (1, 1), _parse_scaling(down))
    return upfirdn2d(x, f, down=down, padding=sides, flip_filter=flip_filter, gain=gain)


def _centred(f: Tensor | None, padding: Any, up: tuple[int, int], down: tuple[int, int]) -> _Sides:
    """The padding with what keeps the middle of an image where it is when it is resampled."""
    sides = list(_parse_padding(padding))
    for axis, taps in enumerate(_get_filter_size(f)):
        if up[axis] > 1:
            near, far = taps + up[axis] - 1, taps - up[axis]
        else:
            near, far = taps - down[axis] + 1, taps - down[axis]
        sides[2 * axis] += near // 2
        sides[2 * axis + 1] += far // 2
    return cast(_Sides, tuple(sides))


def _parse_scaling(scaling: Any) -> tuple[int, int]:
    """``(x, y)`` from an int or a pair."""
    pair = _ints(scaling)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(f"upfirdn2d: up and down must be an int or [x, y], each at least 1, got {scaling!r}")
    return pair


def _parse_padding(padding: Any) -> _Sides:
    """``(x0, x1, y0, y1)`` from an int, ``[x, y]`` or those four."""
    sides = _ints(padding)
    sides = (sides[0], sides[0], sides[1], sides[1]) if len(sides) == 2 else sides
    if len(sides) != 4:
        raise ValueError(f"upfirdn2d: padding must be an int, [x, y] or [x0, x1, y0, y1], got {padding!r}")
    return sides


def _ints(value: Any) -> tuple[int, ...]:
    """The ints of a sequence, or one twice; none from anything else. Sizes in a trace are tensors."""
    try:
        return tuple(map(index, value if isinstance(value, (tuple, list)) else (value, value)))
    except TypeError:
        return ()


def _get_filter_size(f: Tensor | None) -> tuple[int, int]:
    """``(width, height)`` of the filter."""
    return (1, 1) if f is None else (f.shape[-1], f.shape[0])


_upfirdn2d_ref = upfirdn2d


def _init() -> bool:
    """Whether the operator is ready, which it always is."""
    return True
