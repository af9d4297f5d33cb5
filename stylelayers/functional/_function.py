"""Helpers of the autograd Functions of this package."""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd import Function, forward_ad


def records_gradients(*tensors: Tensor | None) -> bool:
    """Whether autograd records an operator on `tensors`; if not, a Function's `forward` is enough, and cheaper."""
    if torch.is_grad_enabled():
        for tensor in tensors:  # a loop, since `any` over a generator takes three times as long
            if tensor is not None and tensor.requires_grad:
                return True
    return False


def needs_plain_operators() -> bool:
    """Whether to compose torch operators instead of applying a Function.

    The compiler fuses them by itself, and with a Function loses parameter gradients of some graphs. A trace would store
    the Function as a Python call. Under nested forward mode torch computes the second derivative of a Function's `jvp`
    wrongly, without an error.
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or forward_ad._current_level >= 0


class FastFunction(Function):
    """A Function in the form that `torch.func` asks for, at the price of the older form.

    A subclass defines ``forward`` without a context, ``setup_context`` and ``backward``. Torch binds the signature of
    such a `forward` at every call, which takes longer than a small convolution. Outside the transforms of `torch.func`,
    `apply` therefore uses a twin of the class with ``forward(ctx, ...)``.
    """

    _twin: type[Function]

    def __init_subclass__(cls) -> None:
        def forward(ctx: Any, *inputs: Any) -> Any:
            output = cls.forward(*inputs)
            cls.setup_context(ctx, inputs, output)
            return output

        members = {"forward": staticmethod(forward), "backward": staticmethod(cls.backward)}
        cls._twin = cast(Any, type)(cls.__name__, (Function,), members)

    @classmethod
    def apply(cls, *inputs: Any) -> Any:
        in_transform = torch._C._are_functorch_transforms_active()  # type: ignore[attr-defined]
        return super().apply(*inputs) if in_transform else cast(Any, cls._twin).apply(*inputs)
