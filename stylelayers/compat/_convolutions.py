"""Convolutions under torch's signatures, with fast second derivatives and a switch for the gradients of weights."""

from collections.abc import Callable
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor

from ..functional._convolution import convolve
from ..functional._function import FastFunction, needs_plain_operators, records_gradients

Ints = int | tuple[int, ...] | list[int]
Switch = Callable[[], bool]


def convolutions(module: str, off: Switch) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    """``conv2d`` and ``conv_transpose2d`` of a module; no weight gets a gradient while ``off()`` is true."""

    def conv2d(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Ints = 1,
        padding: Any = 0,
        dilation: Ints = 1,
        groups: int = 1,
    ) -> Tensor:
        """``torch.nn.functional.conv2d`` with a fast second derivative."""
        weight = _gated(weight, off)
        if input.ndim != 4 or isinstance(padding, str) or not _is_simple(stride, dilation):
            return F.conv2d(input, weight, bias, cast(Any, stride), padding, cast(Any, dilation), groups)
        y = convolve(input, weight, stride=_pair(stride)[0], padding=_pair(padding), groups=groups)
        return y if bias is None else y + bias.to(y.dtype).view(-1, 1, 1)

    def conv_transpose2d(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Ints = 1,
        padding: Ints = 0,
        output_padding: Ints = 0,
        groups: int = 1,
        dilation: Ints = 1,
    ) -> Tensor:
        """``torch.nn.functional.conv_transpose2d`` with a fast second derivative."""
        weight = _gated(weight, off)
        if input.ndim != 4 or any(_pair(output_padding)) or not _is_simple(stride, dilation):
            options: Any = (stride, padding, output_padding, groups, dilation)
            return F.conv_transpose2d(input, weight, bias, *options)
        y = convolve(input, weight, stride=_pair(stride)[0], padding=_pair(padding), transposed=True, groups=groups)
        return y if bias is None else y + bias.to(y.dtype).view(-1, 1, 1)

    for function in (conv2d, conv_transpose2d):  # by which pickle finds them
        function.__module__, function.__qualname__ = module, function.__name__
    return conv2d, conv_transpose2d


def _is_simple(stride: Ints, dilation: Ints) -> bool:
    """Whether `convolve` has these options."""
    return len(set(_pair(stride))) == 1 and _pair(dilation) == (1, 1)


def _pair(value: Ints) -> tuple[int, int]:
    """One number a side; torch takes a list of one number too."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return cast(tuple[int, int], values * 2 if len(values) == 1 else values)


def _gated(weight: Tensor, off: Switch) -> Tensor:
    if not records_gradients(weight) or needs_plain_operators():
        return weight
    return cast(Tensor, _Gate.apply(weight, off))


class _Gate(FastFunction):
    """The identity, whose backward pass gives no gradient while a switch is off, as the pass finds it."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, off: Switch) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Switch], output: Tensor) -> None:
        _, ctx.off = inputs

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, None]:
        return None if ctx.off() else grads[0], None
