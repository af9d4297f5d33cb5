"""Convolutions with learned weights whose second derivatives are as fast as their first.

A convolution, its gradient by the input and its gradient by the weight are linear in two tensors each, and the
derivatives of one are the other two. Torch differentiates the gradient by the input in another way, with a convolution
of transposed copies, which takes several times as long as the gradient by the weight that it equals.

Small convolutions in float32 are torch's own, since the Python calls of a Function would take longer than is gained.
In bfloat16 all are ours: on processors with AMX, oneDNN computes torch's convolution of transposed copies wrongly for
even batches of fewer than 16 images (torch 2.14).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Function

from ._autocast import in_dtype, is_autocast
from ._function import needs_plain_operators

_LEAST_PRODUCTS = 50_000_000  # of a convolution in float32, below which its second derivative is torch's
_PLAIN_TYPES = {Tensor, nn.Parameter}


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    padding: tuple[int, int] = (0, 0),
    transposed: bool = False,
    groups: int = 1,
) -> Tensor:
    """``conv2d`` or, with the weight's channels swapped, ``conv_transpose2d``."""
    if _may_have_derivatives_of_ours(x, weight):
        a, b = _cast_as_autocast_would(x, weight)
        if a.dtype.itemsize < 4 or _products(x, weight, 1 if transposed else stride) >= _LEAST_PRODUCTS:
            bias = None if bias is None else in_dtype(bias, a.dtype)
            return _Convolution.call(a, b, bias, _Geometry((stride, stride), padding, transposed, groups))
    if transposed:
        return F.conv_transpose2d(x, weight, bias, stride, padding, 0, groups)
    return F.conv2d(x, weight, bias, stride, padding, 1, groups)


def _may_have_derivatives_of_ours(x: Tensor, weight: Tensor) -> bool:
    is_recorded = x.requires_grad and weight.requires_grad and torch.is_grad_enabled()
    return is_recorded and {type(x), type(weight)} <= _PLAIN_TYPES and not needs_plain_operators()


def _cast_as_autocast_would(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    if torch.float64 in (x.dtype, weight.dtype) or not is_autocast(x):
        return x, weight
    dtype = torch.get_autocast_dtype(x.device.type)
    return x.to(dtype), weight.to(dtype)


def _products(x: Tensor, weight: Tensor, stride: int) -> int:
    return x.shape[0] * x.shape[2] * x.shape[3] * weight.numel() // stride**2


@dataclass(frozen=True)
class _Geometry:
    stride: Sequence[int]
    padding: Sequence[int]
    transposed: bool
    groups: int

    def gradients(self, grad: Tensor, x: Tensor, weight: Tensor, wanted: tuple[bool, bool, bool]) -> Sequence[Any]:
        """By input, weight and bias; only the shape matters of a tensor whose gradient alone is wanted."""
        channels = (grad.shape[1],)
        return torch.ops.aten.convolution_backward(grad, x, weight, channels, *self.options(), wanted)

    def options(self) -> tuple[Any, ...]:
        return self.stride, self.padding, (1, 1), self.transposed, (0, 0), self.groups


class _Bilinear(Function):
    """A function of two tensors, linear in each; the third is a bias, or gives the shape of the result."""

    @classmethod
    def call(cls, a: Tensor, b: Tensor, third: Tensor | None, geometry: _Geometry) -> Tensor:
        """Apply the Function, or torch's operator where it records no graph: it has no rule for `vmap`."""
        in_transform = torch._C._are_functorch_transforms_active()  # type: ignore[attr-defined]
        is_plain = in_transform or not torch.is_grad_enabled()
        return cls.compute(a, b, third, geometry) if is_plain else cast(Tensor, cls.apply(a, b, third, geometry))

    @staticmethod
    def compute(a: Tensor, b: Tensor, third: Any, geometry: _Geometry) -> Any:
        raise NotImplementedError

    @classmethod
    def forward(cls, ctx: Any, a: Tensor, b: Tensor, third: Any, geometry: _Geometry) -> Any:
        ctx.save_for_backward(a, b)
        ctx.geometry = geometry
        return cls.compute(a, b, third, geometry)


class _Convolution(_Bilinear):
    @staticmethod
    def compute(x: Tensor, weight: Tensor, bias: Tensor | None, geometry: _Geometry) -> Any:
        return torch.convolution(x, weight, bias, *geometry.options())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        by_x, by_weight, by_bias = _is_wanted(ctx, 0), _is_wanted(ctx, 1), _is_wanted(ctx, 2)
        if not torch.is_grad_enabled():
            return *ctx.geometry.gradients(grads[0], x, weight, (by_x, by_weight, by_bias)), None
        return (
            _InputGradient.call(grads[0], weight, x.detach(), ctx.geometry) if by_x else None,
            _WeightGradient.call(grads[0], x, weight.detach(), ctx.geometry) if by_weight else None,
            grads[0].sum((0, 2, 3)) if by_bias else None,
            None,
        )


class _InputGradient(_Bilinear):
    @staticmethod
    def compute(grad: Tensor, weight: Tensor, like: Tensor, geometry: _Geometry) -> Any:
        return geometry.gradients(grad, like, weight, (True, False, False))[0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad, weight = ctx.saved_tensors
        return (
            _Convolution.call(grads[0], weight, None, ctx.geometry) if _is_wanted(ctx, 0) else None,
            _WeightGradient.call(grad, grads[0], weight.detach(), ctx.geometry) if _is_wanted(ctx, 1) else None,
            None,
            None,
        )


class _WeightGradient(_Bilinear):
    @staticmethod
    def compute(grad: Tensor, x: Tensor, like: Tensor, geometry: _Geometry) -> Any:
        return geometry.gradients(grad, x, like, (False, True, False))[1]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad, x = ctx.saved_tensors
        return (
            _Convolution.call(x, grads[0], None, ctx.geometry) if _is_wanted(ctx, 0) else None,
            _InputGradient.call(grad, grads[0], x.detach(), ctx.geometry) if _is_wanted(ctx, 1) else None,
            None,
            None,
        )


def _is_wanted(ctx: Any, number: int) -> bool:
    """Whether this backward pass uses the gradient of an input: ``autograd.grad(logits, images)`` uses no weight's.

    Torch tells its own operators; a Function has to ask the engine.
    """
    node = ctx.next_functions[number][0] if ctx.needs_input_grad[number] else None
    if node is None:
        return False
    try:
        return torch._C._will_engine_execute_node(node)
    except RuntimeError:  # torch does not tell for a leaf
        return True
