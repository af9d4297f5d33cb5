"""Convolution joined with resampling, in both orders that GANs use.

``resample_method="fir"`` is StyleGAN2's (arXiv:1912.04958): zero-padded; transposed convolution then FIR to
enlarge, FIR then strided convolution to shrink. ``"nearest"`` is nearest-neighbour enlarging, pad, convolve,
blur; or blur, pad, convolve, average. Inside the image both are the same linear operator if the FIR
filter is the box convolved with the blur.

Differences from published implementations:

- both methods correlate with `weight` as ``conv2d`` does (StyleGAN2's up-sampling layers store it flipped);
- nearest-neighbour enlarging + convolution, and convolution + averaging, are computed as one strided
  (transposed) convolution with the weight summed over the box: 2.25 times fewer multiplications at 3x3;
- 1x1 convolutions run at the lower resolution;
- even weights and odd image sizes work.
"""

from collections.abc import Sequence
from operator import index
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .._checks import check_choice
from ._convolution import convolve
from ._fir_filter import FIRFilter, Sides, add_sides, centred, make_filter
from .fir_kernel import Kernel, per_kernel
from .resample import PADDING_MODES, blur2d, pad2d

RESAMPLE_METHODS = ("fir", "nearest")


def resample_conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    up: int = 1,
    down: int = 1,
    padding: int | Sides = 0,
    padding_mode: str = "zeros",
    kernel: Tensor | Sequence[Any] | None = None,
    resample_method: str = "fir",
    groups: int = 1,
) -> Tensor:
    """Convolve and resample by an integer factor.

    ``"fir"`` is StyleGAN2's (arXiv:1912.04958): a transposed convolution, then the FIR filter; or the FIR filter, then
    a strided convolution. ``"nearest"`` is nearest-neighbour, pad, convolve, blur; or blur, pad, convolve, average.
    Away from the border both are the same operator if the FIR filter is the box convolved with the blur.

    Args:
        x: images or feature maps.
        weight: odd or even in size, applied as ``conv2d`` applies it.
        bias: added to the result, ``(O,)``.
        up, down: factors by which to enlarge or shrink; at least one of them must be 1.
        padding: pixels around the image before the convolution, an int or ``(left, right, top, bottom)``.
        padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``; ``"fir"`` resampling needs zeros.
        kernel: FIR taps of the low-pass, normalized here; None for no filter. ``"nearest"`` has a box filter
            already and takes only the blur beside it.
        resample_method: ``"fir"`` or ``"nearest"``.
        groups: of the convolution.

    Shape:
        ``(N, I, H, W)``, ``(O, I / groups, kh, kw)`` → ``(N, O, H', W')`` with
        ``H' = (H + top + bottom - kh + 1)`` without resampling, times `up` (``H * up + …``), or over `down`.

    Raises:
        ValueError: wrong ranks, both `up` and `down`, unknown names, or padding that FIR resampling lacks.

    Example:
        >>> import torch
        >>> from stylelayers.functional import resample_conv2d
        >>> x, weight = torch.randn(2, 3, 8, 8), torch.randn(5, 3, 3, 3)
        >>> resample_conv2d(x, weight, up=2, padding=1, kernel=(1, 3, 3, 1)).shape
        torch.Size([2, 5, 16, 16])
    """
    sides = _sides(padding)
    if x.ndim != 4 or weight.ndim != 4:
        raise ValueError(f"resample_conv2d: x and weight must be 4-D, got {tuple(x.shape)} and {tuple(weight.shape)}")
    if x.shape[1] != weight.shape[1] * groups:
        raise ValueError(
            f"resample_conv2d: x must have {weight.shape[1]} channels for each of {groups} groups, got {tuple(x.shape)}"
        )
    check_resampling("resample_conv2d", up, down, padding_mode, resample_method)
    if up == 1 and down == 1:
        return _conv2d(x, weight, bias, sides, padding_mode, groups)
    blur = (1.0,) if kernel is None else kernel
    if resample_method == "fir":
        fir = _prepared(blur, x, *map(index, weight.shape[2:]), up, down, sides)
        return _with_fir(x, weight, bias, up, down, fir, groups)
    if up > 1:
        return _plus(blur2d(_nearest_up(x, weight, up, sides, padding_mode, groups), blur), bias)
    x = pad2d(blur2d(x, blur), sides, padding_mode)
    return convolve(x, _over_box(weight, down) / down**2, bias, stride=down, groups=groups)


def check_resampling(caller: str, up: int, down: int, padding_mode: str, resample_method: str) -> None:
    """Raise a ValueError that names the caller unless the options can be combined."""
    if padding_mode not in PADDING_MODES or resample_method not in RESAMPLE_METHODS:  # no calls: small layers are fast
        check_choice(caller, "padding_mode", padding_mode, PADDING_MODES)
        check_choice(caller, "resample_method", resample_method, RESAMPLE_METHODS)
    if not (type(up) is type(down) is int and min(up, down) == 1):
        raise ValueError(f"{caller}: up and down must be at least 1 and one of them 1, got {up} and {down}")
    if resample_method == "fir" and padding_mode != "zeros" and max(up, down) > 1:
        raise ValueError(
            f"{caller}: resample_method='fir' needs padding_mode='zeros', got {padding_mode!r}; "
            f"use resample_method='nearest'"
        )


def _plus(x: Tensor, bias: Tensor | None) -> Tensor:
    return x if bias is None else x + bias.to(x.dtype)[:, None, None]


def _conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, sides: Sides, padding_mode: str, groups: int) -> Tensor:
    left, right, top, bottom = sides
    if padding_mode == "zeros" and left == right >= 0 and top == bottom >= 0:
        return convolve(x, weight, bias, padding=(top, left), groups=groups)
    return convolve(pad2d(x, sides, padding_mode), weight, bias, groups=groups)


def _with_fir(
    x: Tensor, weight: Tensor, bias: Tensor | None, up: int, down: int, fir: FIRFilter, groups: int
) -> Tensor:
    """The filter before a convolution that shrinks, or after one that enlarges, both at the lower resolution."""
    pointwise = weight.shape[2:] == (1, 1)
    if up == 1:
        return convolve(fir(x), weight, bias, stride=1 if pointwise else down, groups=groups)
    if pointwise:
        return _plus(fir(convolve(x, weight, groups=groups)), bias)
    return _plus(fir(convolve(x, _transposed(weight, groups), stride=up, transposed=True, groups=groups)), bias)


@per_kernel(normalize=True)
def _prepared(kernel: Kernel, kh: int, kw: int, up: int, down: int, sides: Sides) -> FIRFilter:
    """The filter with the padding of the convolution; beside a 1x1 convolution it resamples too."""
    padding = add_sides(sides, centred(kernel, up, down))
    gain = float(up**2)
    if kh == kw == 1:
        return make_filter(kernel, (up, up), (down, down), padding, gain=gain)
    spread = (1 - kw, up - kw, 1 - kh, up - kh) if up > 1 else (0, 0, 0, 0)  # of the transposed convolution
    return make_filter(kernel, (1, 1), (1, 1), add_sides(padding, spread), gain=gain)


def _nearest_up(x: Tensor, weight: Tensor, up: int, sides: Sides, padding_mode: str, groups: int) -> Tensor:
    """Nearest-neighbour enlarging, pad, convolve: one transposed convolution if the border allows it."""
    kh, kw = weight.shape[2:]
    if min(sides) < 0 or (padding_mode == "reflect" and max(sides) >= up):
        x = x.repeat_interleave(up, dim=2).repeat_interleave(up, dim=3)
        return convolve(pad2d(x, sides, padding_mode), weight, groups=groups)
    # Reflecting fewer than `up` enlarged pixels repeats the outermost one.
    outer: Sides = tuple(-(-side // up) for side in sides)  # type: ignore[assignment]
    x = pad2d(x, outer, "zeros" if padding_mode == "zeros" else "replicate")
    box = _over_box(_transposed(weight, groups), up)
    y = convolve(x, box, stride=up, transposed=True, groups=groups)
    spread = (kw - 1, kw - 1, kh - 1, kh - 1)
    return F.pad(y, [side - up * out - k for side, out, k in zip(sides, outer, spread, strict=True)])


def _over_box(weight: Tensor, factor: int) -> Tensor:
    """The weight convolved with a box of ones: k x k → (k + factor - 1) x (k + factor - 1)."""
    weight = F.pad(weight, (factor - 1,) * 4)
    return F.avg_pool2d(weight, factor, stride=1) * factor**2  # ONNX knows no other divisor


def _transposed(weight: Tensor, groups: int) -> Tensor:
    """The weight with which ``conv_transpose2d`` correlates the zero-inserted image."""
    if groups > 1:
        weight = weight.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)
    else:
        weight = weight.transpose(0, 1)
    return weight.flip(2, 3)


def _sides(padding: int | Sides) -> Sides:
    sides = (padding,) * 4 if isinstance(padding, int) else tuple(padding)
    if len(sides) != 4:
        raise ValueError(f"resample_conv2d: padding must be an int or (left, right, top, bottom), got {padding!r}")
    return sides
