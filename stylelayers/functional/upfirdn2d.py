"""FIR resampling of images: zero-insertion, padding, filtering and decimation as one operator.

The adjoint of an FIR resampler is an FIR resampler (kernel flipped, `up` and `down` swapped, padding
complemented), so one autograd Function whose backward calls itself has derivatives of every order and
saves nothing but the kernel. Used by StyleGAN2 (arXiv:1912.04958, section 4) for alias-free resampling.

Differences from published implementations:

- no compiled extension: depthwise convolutions of torch, run channels-last, on every device;
- one code path for all `up`, `down`, paddings (negative ones crop) and kernels (odd, even, asymmetric);
- forward-mode derivatives, `torch.func` transforms and `torch.compile` work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from ._autocast import without_autocast
from ._function import cache_signature, needs_plain_operators, records_gradients
from .fir_kernel import as_kernel, correlation_taps


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

    where :math:`\hat x` is `x` with ``up - 1`` zeros behind every sample and ``K`` the kernel's length.

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
    taps = correlation_taps(as_kernel(kernel, normalize=False, like=x), flip=not flip_kernel, gain=gain, like=x)
    geometry = _Geometry(_pair("up", up), _pair("down", down), _sides(padding))
    _check_output(x, taps, geometry)
    return _apply(x, taps, geometry)


@dataclass(frozen=True)  # a tuple would be a pytree, which the transforms of torch.func take apart
class _Geometry:
    up: tuple[int, int]  # (x, y)
    down: tuple[int, int]  # (x, y)
    padding: tuple[int, int, int, int]  # (left, right, top, bottom)

    def adjoint(self, in_size: torch.Size, out_size: torch.Size, taps: torch.Size) -> "_Geometry":
        """The geometry whose operator maps gradients of the output to gradients of the input."""
        padding = []
        for axis in (0, 1):
            near, up, down = self.padding[2 * axis], self.up[axis], self.down[axis]
            n_in, n_out, n_taps = in_size[-1 - axis], out_size[-1 - axis], taps[-1 - axis]
            padding += [n_taps - 1 - near, (n_in - 1) * up + 1 + near - n_out * down]
        return _Geometry(self.down, self.up, cast(tuple[int, int, int, int], tuple(padding)))


def _apply(x: Tensor, taps: Tensor, geometry: _Geometry) -> Tensor:
    if needs_plain_operators() or not records_gradients(x):
        return _filter(x, taps, geometry)
    return cast(Tensor, _UpFirDn2d.apply(x, taps, geometry))


class _UpFirDn2d(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    @cache_signature
    def forward(x: Tensor, taps: Tensor, geometry: _Geometry) -> Tensor:
        return _filter(x, taps, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, _Geometry], output: Tensor) -> None:
        x, taps, geometry = inputs
        ctx.save_for_backward(taps)
        ctx.adjoint = geometry.adjoint(x.shape, output.shape, taps.shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (taps,) = ctx.saved_tensors
        return _apply(grads[0], taps.flip(0, 1), ctx.adjoint), None, None


def _filter(x: Tensor, taps: Tensor, geometry: _Geometry) -> Tensor:
    """Correlate with `taps`, in the caller's memory layout but computed channels-last."""
    taps = taps.to(x.dtype)
    channels_first = x.is_contiguous()
    x = _channels_last(x)
    with without_autocast(x):
        if geometry.up == (1, 1):
            y = _decimate(x, taps, geometry)
        else:
            y = _interpolate(x, taps, geometry)
            if geometry.down != (1, 1):  # a convolution, because vmap of gradients lacks full slices
                y = _decimate(y, taps.new_ones(1, 1), _Geometry((1, 1), geometry.down, (0, 0, 0, 0)))
    return y.contiguous() if channels_first else y


def _decimate(x: Tensor, taps: Tensor, geometry: _Geometry) -> Tensor:
    left, right, top, bottom = geometry.padding
    inside = (top, left) if left == right >= 0 and top == bottom >= 0 else (0, 0)
    if inside == (0, 0):
        x = _pad(x, geometry.padding)
    weight = taps.expand(x.shape[1], 1, *taps.shape).contiguous()
    return F.conv2d(x, weight, stride=geometry.down[::-1], padding=inside, groups=x.shape[1])


def _interpolate(x: Tensor, taps: Tensor, geometry: _Geometry) -> Tensor:
    """Zero-insertion and filter as one transposed convolution, cropped to the asked padding."""
    (up_x, up_y), (left, right, top, bottom) = geometry.up, geometry.padding
    height, width = taps.shape
    crop_x = (width - 1 - left, width - up_x - right)
    crop_y = (height - 1 - top, height - up_y - bottom)
    trim_x, trim_y = max(0, min(crop_x)), max(0, min(crop_y))
    weight = taps.flip(0, 1).expand(x.shape[1], 1, height, width).contiguous()
    y = F.conv_transpose2d(x, weight, stride=(up_y, up_x), padding=(trim_y, trim_x), groups=x.shape[1])
    return _pad(y, (trim_x - crop_x[0], trim_x - crop_x[1], trim_y - crop_y[0], trim_y - crop_y[1]))


def _pad(x: Tensor, padding: tuple[int, ...]) -> Tensor:
    grown, cropped = [max(side, 0) for side in padding], [min(side, 0) for side in padding]
    x = F.pad(x, grown) if any(grown) else x
    return F.pad(x, cropped) if any(cropped) else x  # in this order, for a crop may reach into the padding


def _channels_last(x: Tensor) -> Tensor:
    # As a permutation, because vmap refuses `contiguous(memory_format=...)`; no copy where there is no need.
    last = x.permute(0, 2, 3, 1)
    return x if last.is_contiguous() else last.contiguous().permute(0, 3, 1, 2)


def _pair(name: str, value: int | tuple[int, int]) -> tuple[int, int]:
    pair = _ints(value, 2)
    if pair is None or min(pair) < 1:
        raise ValueError(f"upfirdn2d: {name} must be an int or (x, y), each at least 1, got {value!r}")
    return cast(tuple[int, int], pair)


def _sides(value: int | tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    sides = _ints(value, 4)
    if sides is None:
        raise ValueError(f"upfirdn2d: padding must be an int or (left, right, top, bottom), got {value!r}")
    return cast(tuple[int, int, int, int], sides)


def _ints(value: object, count: int) -> tuple[int, ...] | None:
    """`count` ints, equal ones from a single number; None from anything else. Sizes in a trace are tensors."""
    numbers = value if isinstance(value, (tuple, list)) else (value,) * count
    try:
        return tuple(map(index, numbers)) if len(numbers) == count else None
    except TypeError:
        return None


def _check_output(x: Tensor, taps: Tensor, geometry: _Geometry) -> None:
    left, right, top, bottom = geometry.padding
    padded = (x.shape[2] * geometry.up[1] + top + bottom, x.shape[3] * geometry.up[0] + left + right)
    if padded[0] < taps.shape[0] or padded[1] < taps.shape[1]:
        raise ValueError(
            f"upfirdn2d: the padded image must be at least as large as the kernel {tuple(taps.shape)}, "
            f"got {padded} from an input of {tuple(x.shape)}"
        )
