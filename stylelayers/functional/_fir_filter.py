"""FIR resamplers with everything that does not depend on the image prepared, and their derivatives.

The adjoint of an FIR resampler is an FIR resampler (taps flipped, `up` and `down` swapped, padding complemented), so
one autograd Function whose backward calls the adjoint has derivatives of every order and saves nothing.

An image is filtered in its own memory layout. Depthwise convolutions are faster channels-last, but changing the layout
and back took longer than that saves, at every size and on both processors that were measured (docs/performance.md).
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, lru_cache
from operator import index
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ._function import FastFunction, needs_plain_operators
from .fir_kernel import Kernel, Rows, rows_of, size_of

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]
_PLAIN_TYPES = (Tensor, nn.Parameter)  # fake tensors and other subclasses do not mix with plain tensors


class FIRFilter:
    """Zero-insertion, padding, correlation with taps and decimation of images ``(N, C, H, W)``.

    Args:
        taps: rows of numbers, or a tensor ``(height, width)`` without a graph.
        up, down: factors ``(x, y)``.
        padding: pixels ``(left, right, top, bottom)`` of the zero-inserted image; negative ones crop.

    Attributes:
        size: ``(height, width)`` of the taps.
        has_tensor: whether the taps are a tensor.
    """

    def __init__(self, taps: Rows | Tensor, up: Pair, down: Pair, padding: Sides) -> None:
        self.taps, self.up, self.down, self.padding = taps, up, down, padding
        self.size = height, width = len(taps), len(taps[0])
        left, right, top, bottom = padding
        self._least_height = -(-(height - top - bottom) // up[1])
        self._least_width = -(-(width - left - right) // up[0])
        self._enlarges, self.has_tensor = up != (1, 1), isinstance(taps, Tensor)
        if self._enlarges:  # the transposed convolution crops by `inner` on both sides, `outer` does the rest
            crop = (width - 1 - left, width - up[0] - right, height - 1 - top, height - up[1] - bottom)
            trim_x, trim_y = max(0, min(crop[:2])), max(0, min(crop[2:]))
            self._inner, self._stride = _one_if_equal(trim_y, trim_x), _one_if_equal(*up[::-1])
            self._outer = (trim_x - crop[0], trim_x - crop[1], trim_y - crop[2], trim_y - crop[3])
        else:
            symmetric = left == right >= 0 and top == bottom >= 0
            self._inner, self._stride = _one_if_equal(top, left) if symmetric else 0, _one_if_equal(*down[::-1])
            self._outer = (0, 0, 0, 0) if symmetric else padding
        self._pads = any(self._outer)
        self._keeps_weights = not (self.has_tensor or torch.compiler.is_compiling())
        self._taps = _flip(taps) if self._enlarges else taps  # with which the convolution correlates
        self._weights: dict[tuple[int, torch.dtype, torch.device], tuple[Tensor, str]] = {}

    def __call__(self, x: Tensor) -> Tensor:
        if not (x.requires_grad and torch.is_grad_enabled()) or needs_plain_operators():
            return self.correlate(x)
        if self.has_tensor and torch._C._are_functorch_transforms_active():  # type: ignore[attr-defined]
            return self.correlate(x)  # whose taps may be mapped over
        return cast(Tensor, _UpFirDn2d.apply(x, self))

    def correlate(self, x: Tensor) -> Tensor:
        """The operator in plain torch: one depthwise convolution, transposed to enlarge, without autocast."""
        _, channels, height, width = x.shape
        if height < self._least_height or width < self._least_width:
            raise ValueError(self._too_small(x))
        weight, device = self.weight(x, channels)
        if device != "meta" and torch.is_autocast_enabled(device):  # whose context costs as much as a small filter
            with torch.autocast(device, enabled=False):
                return self.correlate(x)
        if self._enlarges:
            return self._enlarge(x, weight, channels)
        x = _pad(x, self._outer) if self._pads else x
        return F.conv2d(x, weight, None, self._stride, self._inner, 1, channels)

    def _enlarge(self, x: Tensor, weight: Tensor, channels: int) -> Tensor:
        narrow = x.dtype if weight.device.type == "cpu" and x.dtype.itemsize < 4 else None
        if narrow:  # depthwise transposed convolutions are 15 to 40 times as fast in float32, with both casts
            x, weight = x.float(), weight.float()
        y = F.conv_transpose2d(x, weight, None, self._stride, self._inner, 0, channels)
        y = _pad(y, self._outer) if self._pads else y
        if self.down != (1, 1):  # not by a slice with strides, which vmap lacks
            y = prepare_filter(((1.0,),), (1, 1), self.down, (0, 0, 0, 0)).correlate(y)
        return y.to(narrow) if narrow else y

    def weight(self, x: Tensor, channels: int) -> tuple[Tensor, str]:
        """The taps for each channel, ``(C, 1, height, width)``, and the kind of device; kept for the next call."""
        if not self._keeps_weights or type(x) not in _PLAIN_TYPES:
            return _per_channel(_taps_beside(self._taps, x), channels), x.device.type
        key = (channels, x.dtype, x.device)
        found = self._weights.get(key)
        if found is None:
            found = self._weights[key] = _kept_weight(cast(Rows, self._taps), *key), x.device.type
        return found

    def adjoint(self, in_size: Sequence[int], out_size: Sequence[int]) -> "FIRFilter":
        """The filter that maps gradients of an output ``(..., H', W')`` to gradients of its input, of these sizes."""
        find = _kept_adjoint if self._keeps_weights else FIRFilter._make_adjoint
        return find(self, in_size[2:], out_size[2:])

    @cached_property
    def largest_gain(self) -> float:
        """The largest factor by which the largest magnitude of an image may grow, or more; of taps that are numbers."""
        return sum(abs(tap) for row in cast(Rows, self.taps) for tap in row)

    def size_after(self, size: Sequence[int]) -> tuple[int, ...]:
        """The size of the output for an input ``(N, C, H, W)`` of this size."""
        left, right, top, bottom = self.padding
        height = (size[2] * self.up[1] + top + bottom - self.size[0]) // self.down[1] + 1
        width = (size[3] * self.up[0] + left + right - self.size[1]) // self.down[0] + 1
        return (*size[:2], height, width)

    def _make_adjoint(self, in_size: Sequence[int], out_size: Sequence[int]) -> "FIRFilter":
        padding = []
        for axis, taps in enumerate(self.size[::-1]):
            near, up, down = self.padding[2 * axis], self.up[axis], self.down[axis]
            n_in, n_out = in_size[-1 - axis], out_size[-1 - axis]
            padding += [taps - 1 - near, (n_in - 1) * up + 1 + near - n_out * down]
        make = FIRFilter if self.has_tensor else prepare_filter
        return make(_flip(self.taps), self.down, self.up, cast(Sides, tuple(padding)))

    def _too_small(self, x: Tensor) -> str:
        left, right, top, bottom = self.padding
        padded = (x.shape[2] * self.up[1] + top + bottom, x.shape[3] * self.up[0] + left + right)
        return (
            f"upfirdn2d: the padded image must be at least as large as the kernel {self.size}, "
            f"got {padded} from an input of {tuple(x.shape)}"
        )


def prepare_filter(taps: Rows, up: Pair, down: Pair, padding: Sides) -> FIRFilter:
    """The :class:`FIRFilter` of these constants, the same object for the same ones."""
    if torch.compiler.is_compiling():
        return FIRFilter(taps, up, down, padding)
    return _kept_filter(taps, up, down, padding)


_kept_filter = lru_cache(maxsize=256)(FIRFilter)
_kept_adjoint = lru_cache(maxsize=256)(FIRFilter._make_adjoint)


def make_filter(
    kernel: Kernel, up: Pair, down: Pair, padding: Sides, *, flip: bool = True, gain: float = 1.0
) -> FIRFilter:
    """The filter of a kernel times `gain`, flipped to convolve."""
    padding = cast(Sides, tuple(map(index, padding)))  # sizes in a trace are tensors
    if isinstance(kernel, Tensor):
        taps = (torch.outer(kernel, kernel) if kernel.ndim == 1 else kernel) * gain
        return FIRFilter(_flip(taps) if flip else taps, up, down, padding)
    rows = tuple(tuple(tap * gain for tap in row) for row in rows_of(kernel))
    return prepare_filter(_flip(rows) if flip else rows, up, down, padding)


def centred(kernel: Kernel, up: int = 1, down: int = 1) -> Sides:
    """Padding for which an image of n pixels gives ``n * up / down``, with its middle where it was."""
    near, far = (up - 1, -up) if up > 1 else (1 - down, -down)
    height, width = size_of(kernel)
    return ((width + near) // 2, (width + far) // 2, (height + near) // 2, (height + far) // 2)


def add_sides(a: Sides, b: Sides) -> Sides:
    return cast(Sides, tuple(p + q for p, q in zip(a, b, strict=True)))


class _UpFirDn2d(FastFunction):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, fir: FIRFilter) -> Tensor:
        return fir.correlate(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, FIRFilter], output: Tensor) -> None:
        x, ctx.fir = inputs
        ctx.in_size = x.shape

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return ctx.fir.adjoint(ctx.in_size, grads[0].shape)(grads[0]), None


def _one_if_equal(height: int, width: int) -> int | Pair:
    return height if height == width else (height, width)  # which torch takes faster than a pair


def _flip(taps: Any) -> Any:
    return taps.flip(0, 1) if isinstance(taps, Tensor) else tuple(row[::-1] for row in taps[::-1])


def _taps_beside(taps: Rows | Tensor, x: Tensor) -> Tensor:
    if isinstance(taps, Tensor):
        return taps.to(x.dtype)
    if torch.compiler.is_compiling():  # which would copy a constant tensor to the device at every call
        return torch.stack([x.new_full((), tap) for row in taps for tap in row]).view(len(taps), -1)
    return x.new_tensor(taps)


def _per_channel(taps: Tensor, channels: int) -> Tensor:
    return taps.expand(channels, 1, *taps.shape).contiguous()


def _kept_weight(taps: Rows, channels: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Made in another thread, outside the caller's mode (inference, `torch.func`), since the tensor outlives it."""

    def make() -> Tensor:
        return _per_channel(torch.tensor(taps, dtype=dtype, device=device), channels)

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(make).result()


def _pad(x: Tensor, sides: Sides) -> Tensor:
    grown, cropped = [max(side, 0) for side in sides], [min(side, 0) for side in sides]
    x = F.pad(x, grown) if any(grown) else x
    return F.pad(x, cropped) if any(cropped) else x  # in this order, for a crop may reach into the padding
