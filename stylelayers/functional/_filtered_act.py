"""An activation between two FIR resamplers, prepared, and its derivatives, from the small input alone.

Plain torch keeps the enlarged image for the backward pass, which is `up**2` times as large. Here backward enlarges the
input once more, which takes about as long as writing and reading a mask of signs. The adjoint of an FIR resampler is
an FIR resampler, and the derivative of a piecewise linear activation is constant in its input almost everywhere. So
the Jacobian of such an activation between filters, times a vector on either side, is one Function that is its own
derivative, of every order. Of a smooth activation, a backward pass that is differentiated is composed of filters.

On processors the operator runs channels-last, where filters are fastest, and in parts of the batch whose enlarged
images stay in the cache: of a larger batch, the enlarged image never exists. Unlike one filter, a whole operator gains
more than it costs to change the layout of the small images at its ends.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod
from typing import Any, cast

import torch
from torch import Tensor

from ._buffers import number_without_sync
from ._fir_filter import FIRFilter
from ._function import FastFunction, needs_plain_operators, records_gradients
from .bias_act import Settings

Filters = tuple[FIRFilter, ...]
_aten = torch.ops.aten
_PART = 1 << 20  # numbers of the enlarged images of a part of the batch


class FilteredAct:
    """``shrink(clamp(act(enlarge(x + bias))))`` of images ``(N, C, H, W)``, with a bias ``(C, 1, 1)`` or None.

    Args:
        enlarge: filters that are applied one after the other.
        settings: activation and its constants; the gain, of 1, is left to the filters.
        shrink: filters, one after the other.
    """

    def __init__(self, enlarge: Filters, settings: Settings, shrink: Filters) -> None:
        self.enlarge, self.settings, self.shrink = enlarge, settings, shrink
        self._has_tensor = any(fir.has_tensor for fir in (*enlarge, *shrink))
        self._can_lack_clamp = settings.clamp is not None and settings.activation.homogeneous and not self._has_tensor

    def __call__(self, x: Tensor, bias: Tensor | None) -> Tensor:
        is_plain = self.settings.activation.backward is None or needs_plain_operators()
        if is_plain or (self._has_tensor and _in_transform()):  # taps may be mapped over
            return _run(self.shrink, _act(_run(self.enlarge, _biased(x, bias)), self.settings))
        if not records_gradients(x, bias):
            return self.value(x, bias)
        return cast(Tensor, _FilteredAct.apply(x, bias, self))

    def value(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """The operator, without a graph."""

        def of_part(x: Tensor) -> Tensor:
            biased = _biased(x, bias)
            enlarged = _correlate(self.enlarge, biased)
            y = _act(enlarged, self._settings_for(biased), in_place=enlarged is not x and not _is_mapped(x))
            return _correlate(self.shrink, y)

        return self._in_parts(of_part, x)

    def jacobian(self, v: Tensor, x: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        """The derivative at `x` times `v`, a change of the input or, transposed, of the output; without a graph."""
        enlarge, shrink = self._adjoint(x.shape) if transposed else (self.enlarge, self.shrink)

        def of_part(x: Tensor, v: Tensor) -> Tensor:
            biased = _biased(x, bias)
            enlarged, change = _correlate(self.enlarge, biased), _correlate(enlarge, v)
            in_place = enlarged is not x and change is not v and not _is_mapped(x, v)
            return _correlate(shrink, _scale(change, enlarged, self._settings_for(biased), in_place))

        return self._in_parts(of_part, x, v)

    def gradient(self, grad: Tensor, x: Tensor, bias: Tensor | None) -> Tensor:
        """The gradient by `x`, differentiable."""
        if self.settings.activation.homogeneous or not torch.is_grad_enabled():
            return cast(Tensor, _Jacobian.apply(grad, x, bias, self, True))
        enlarge, shrink = self._adjoint(x.shape)
        return _run(shrink, _scale(_run(enlarge, grad), _run(self.enlarge, _biased(x, bias)), self.settings))

    def _adjoint(self, in_size: Sequence[int]) -> tuple[Filters, Filters]:
        """The filters that enlarge and shrink the gradient of the output."""
        filters, size = [], in_size
        for fir in (*self.enlarge, *self.shrink):
            after = fir.size_after(size)
            filters.append(fir.adjoint(size, after))
            size = after
        backwards = tuple(filters[::-1])
        return backwards[: len(self.shrink)], backwards[len(self.shrink) :]

    def _settings_for(self, biased: Tensor) -> Settings:
        """Without the clamp where no value of the enlarged image can reach it."""
        if not self._can_lack_clamp or biased.numel() == 0:
            return self.settings
        growth = prod(fir.largest_gain for fir in self.enlarge) * max(1.0, *self.settings.alpha, 0.0)
        largest = number_without_sync(biased.abs().amax())
        reached = largest is None or largest * growth > 0.99 * cast(float, self.settings.clamp)
        return self.settings if reached else replace(self.settings, clamp=None)

    def _in_parts(self, function: Callable[..., Tensor], x: Tensor, *others: Tensor) -> Tensor:
        """The function of images, in the dtype and layout of the first; on a processor, of one part after the other."""
        if x.device.type != "cpu" or _is_mapped(x, *others):
            return function(x, *others)
        size: Sequence[int] = x.shape
        for fir in self.enlarge:
            size = fir.size_after(size)
        length, layout, y = max(1, _PART // max(1, prod(size[1:]))), _layout_of(x), None
        for start in range(0, max(1, len(x)), length):
            part = function(*(_for_processor(image[start : start + length]) for image in (x, *others)))
            if length >= len(x):
                return part.to(x.dtype, memory_format=layout)
            if y is None:
                y = torch.empty((len(x), *part.shape[1:]), dtype=x.dtype, memory_format=layout)
            y[start : start + length] = part
        return cast(Tensor, y)


def _in_transform() -> bool:
    return bool(torch._C._are_functorch_transforms_active())  # type: ignore[attr-defined]


def _is_mapped(*tensors: Tensor) -> bool:
    """Whether `torch.func` or a batched backward pass maps over tensors, whose operators are fewer."""
    return _in_transform() or any(map(torch._C._functorch.is_legacy_batchedtensor, tensors))


def _layout_of(x: Tensor) -> torch.memory_format:
    is_last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if is_last else torch.contiguous_format


def _for_processor(x: Tensor) -> Tensor:
    """In the layout, and at least the precision, in which processors filter fast."""
    dtype = torch.float32 if x.dtype.itemsize < 4 else x.dtype
    return x.to(dtype, memory_format=torch.channels_last)


def _biased(x: Tensor, bias: Tensor | None) -> Tensor:
    return x if bias is None else x + bias


def _run(filters: Filters, x: Tensor) -> Tensor:
    for fir in filters:
        x = fir(x)
    return x


def _correlate(filters: Filters, x: Tensor) -> Tensor:
    for fir in filters:
        x = fir.correlate(x)
    return x


def _act(x: Tensor, settings: Settings, in_place: bool = False) -> Tensor:
    activation, clamp = settings.activation, settings.clamp
    in_place = in_place and activation.in_place is not None
    y = cast(Any, activation.in_place if in_place else activation.function)(x, *settings.alpha)
    if clamp is None:
        return cast(Tensor, y)
    return cast(Tensor, y.clamp_(-clamp, clamp) if in_place else y.clamp(-clamp, clamp))


def _scale(grad: Tensor, x: Tensor, settings: Settings, in_place: bool = False) -> Tensor:
    """`grad` times the derivative of activation and clamp at `x`; `in_place` may overwrite both."""
    activation, clamp = settings.activation, settings.clamp
    known = activation.through == "input" or activation.homogeneous  # whose output has the sign of the input
    y = x if known and clamp is None else _act(x, replace(settings, clamp=None), in_place and activation.homogeneous)
    if clamp is not None:
        result = {"grad_input": grad} if in_place else {}
        grad = _aten.hardtanh_backward(grad, y, -clamp, clamp, **result)
    value = x if activation.through == "input" else y
    if in_place and activation.backward_in_place is not None:
        return activation.backward_in_place(grad, value, *settings.alpha)
    return cast(Tensor, cast(Any, activation.backward)(grad, value, *settings.alpha))


class _FilteredAct(FastFunction):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, bias: Tensor | None, operator: FilteredAct) -> Tensor:
        return operator.value(x, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, bias, ctx.operator = inputs
        ctx.save_for_backward(x, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None]:
        x, bias = ctx.saved_tensors
        grad = ctx.operator.gradient(grads[0], x, bias)
        return grad, grad.sum((0, 2, 3))[:, None, None] if ctx.needs_input_grad[1] else None, None


class _Jacobian(FastFunction):
    """The Jacobian of a piecewise linear activation between filters, or its transpose, times a vector."""

    generate_vmap_rule = True

    @staticmethod
    def forward(v: Tensor, x: Tensor, bias: Tensor | None, operator: FilteredAct, transposed: bool) -> Tensor:
        return operator.jacobian(v, x, bias, transposed)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, x, bias, ctx.operator, ctx.transposed = inputs
        ctx.save_for_backward(x, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        return _Jacobian.apply(grads[0], *ctx.saved_tensors, ctx.operator, not ctx.transposed), None, None, None, None
