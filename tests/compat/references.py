"""What the operators of other projects compute, written out step by step, and the arguments that they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st
from torch import Tensor

from tests import reference

ACTIVATIONS: dict[str, tuple[Callable[..., Tensor], float]] = {
    "linear": (lambda x, _: x, 1),
    "relu": (lambda x, _: x.clamp(min=0), 2**0.5),
    "lrelu": (lambda x, slope: torch.where(x > 0, x, x * slope), 2**0.5),
    "tanh": (lambda x, _: torch.tanh(x), 1),
    "sigmoid": (lambda x, _: 1 / (1 + torch.exp(-x)), 1),
    "elu": (lambda x, _: torch.where(x > 0, x, torch.exp(x) - 1), 1),
    "selu": (lambda x, _: 1.0507009873554805 * torch.where(x > 0, x, 1.6732632423543772 * (torch.exp(x) - 1)), 1),
    "softplus": (lambda x, _: torch.log(1 + torch.exp(x)), 1),
    "swish": (lambda x, _: x / (1 + torch.exp(-x)), 2**0.5),
}

# Arguments ---------------------------------------------------------------------------------------------------------

pairs = st.integers(1, 3) | st.lists(st.integers(1, 3), min_size=2, max_size=2)
paddings = st.integers(-1, 4) | st.sampled_from([2, 4]).flatmap(
    lambda count: st.lists(st.integers(-1, 4), min_size=count, max_size=count)
)
gains = st.sampled_from([1, 4, 0, -0.5, 2**0.5])
clamps = st.sampled_from([None, -1, 0, 0.7, 256.0])
slopes = st.sampled_from([None, 0.1, 0, 1, -0.5])


@st.composite
def filters(draw: st.DrawFn) -> Tensor | None:
    """None, 1-D taps, few or so many that they are applied one axis after the other, or 2-D ones."""
    shape = draw(st.sampled_from([None, (1,), (3,), (4,), (8,), (9,), (12,), (3, 2), (1, 4), (4, 4)]))
    return None if shape is None else tensor(draw, *shape)


@st.composite
def weights(draw: st.DrawFn, channels: int) -> Tensor:
    return tensor(draw, draw(st.integers(1, 2)) * 2, channels, draw(st.integers(1, 3)), draw(st.integers(1, 3)))


def tensor(draw: st.DrawFn, *shape: int) -> Tensor:
    torch.manual_seed(draw(st.integers(0, 999)))
    return torch.randn(shape, dtype=torch.float64)


def four_sides(padding: Any) -> tuple[int, int, int, int]:
    if isinstance(padding, int):
        return (padding,) * 4
    x0, x1, y0, y1 = padding if len(padding) == 4 else [padding[0], padding[0], padding[1], padding[1]]
    return x0, x1, y0, y1


def fits(x: Tensor, f: Tensor | None, up: Any, padding: Any, *, rest: tuple[int, int] = (1, 1)) -> bool:
    """Whether there is something left of the image to crop, and `rest` pixels (height, width) of the result."""
    x0, x1, y0, y1 = four_sides(padding)
    up_x, up_y = (up, up) if isinstance(up, int) else up
    taps = taps_of(f)
    height, width = x.shape[2] * up_y, x.shape[3] * up_x
    left = min(height + min(y0, 0) + min(y1, 0), width + min(x0, 0) + min(x1, 0))
    return bool(
        left > 0 and height + y0 + y1 - taps.shape[0] + 1 >= rest[0] and width + x0 + x1 - taps.shape[1] + 1 >= rest[1]
    )


# Operators ---------------------------------------------------------------------------------------------------------


def taps_of(f: Tensor | None) -> Any:
    return np.ones((1, 1)) if f is None else reference.taps_2d(f, normalize=False)


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    up: Any = 1,
    down: Any = 1,
    padding: Any = 0,
    flip_filter: bool = False,
    gain: float = 1,
) -> Tensor:
    up, down = (value if isinstance(value, int) else tuple(value) for value in (up, down))
    options: dict[str, Any] = {"flip_kernel": flip_filter, "gain": gain, "padding": four_sides(padding)}
    return reference.upfirdn2d(x, taps_of(f), up=up, down=down, **options)


def setup_filter(f: Any, normalize: bool, flip_filter: bool, gain: float, separable: bool | None) -> Any:
    taps = np.atleast_1d(np.asarray(1.0 if f is None else f, dtype=np.float64))
    separable = taps.ndim == 1 and len(taps) >= 8 if separable is None else separable
    plane = np.outer(taps, taps) if taps.ndim == 1 else taps
    plane = gain * (plane / plane.sum() if normalize else plane)
    plane = plane[::-1, ::-1] if flip_filter else plane
    return np.outer(plane.sum(0), plane.sum(1)).T / plane.sum() if separable else plane


def bias_act(
    x: Tensor,
    b: Tensor | None = None,
    dim: int = 1,
    act: str = "linear",
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
) -> Tensor:
    function, default = ACTIVATIONS[act]
    y = x if b is None else (x.movedim(dim, -1) + b).movedim(-1, dim)
    y = function(y, 0.2 if alpha is None else alpha) * (default if gain is None else gain)
    if clamp is None or clamp < 0:
        return y
    return torch.minimum(torch.maximum(y, -y.new_tensor(clamp)), y.new_tensor(clamp))


def filtered_lrelu(
    x: Tensor,
    fu: Tensor | None,
    fd: Tensor | None,
    b: Tensor | None,
    up: int,
    down: int,
    padding: Any,
    gain: float,
    slope: float,
    clamp: float | None,
    flip_filter: bool,
) -> Tensor:
    x = upfirdn2d(bias_act(x, b), fu, up=up, padding=padding, flip_filter=flip_filter, gain=up**2)
    return upfirdn2d(bias_act(x, None, 1, "lrelu", slope, gain, clamp), fd, down=down, flip_filter=flip_filter)


def resampling_padding(f: Tensor | None, up: int, down: int, padding: Any) -> tuple[int, int, int, int]:
    """What each resampling, or a filter alone, needs on both sides together; the larger half is near."""
    sides = list(four_sides(padding))
    for axis, taps in enumerate(taps_of(f).shape[::-1]):
        enlarging, shrinking = (taps - 1, (taps + up - 1) // 2), (taps - down, (taps - down + 1) // 2)
        for total, near in [enlarging] * (up > 1) + [shrinking] * (down > 1 or up == 1):
            sides[2 * axis] += near
            sides[2 * axis + 1] += total - near
    return sides[0], sides[1], sides[2], sides[3]


def conv2d_resample(
    x: Tensor,
    w: Tensor,
    f: Tensor | None,
    up: int,
    down: int,
    padding: Any,
    groups: int,
    flip_weight: bool,
    flip_filter: bool,
) -> Tensor:
    sides = resampling_padding(f if up > 1 or down > 1 else None, up, down, padding)
    x = upfirdn2d(x, f if up > 1 else None, up, 1, sides, flip_filter, up**2)
    x = F.conv2d(x, w if flip_weight else w.flip(2, 3), groups=groups)
    return x if down == 1 else upfirdn2d(x, f, 1, down, 0, flip_filter)
