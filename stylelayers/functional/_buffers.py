"""How a module moves its running statistics, and how it reads them where there may be no number to read."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ._function import known_signature

__all__ = ["known_number", "move_buffer"]


def move_buffer(module: nn.Module, name: str, value: Tensor) -> None:
    """Give a buffer a new value, which has no graph: in place, or bound anew under ``torch.compile``.

    A compiled backward pass computes again what the forward pass did not save, from the buffers as they are by then:
    after a change in place its gradients would be those of a buffer that moved twice. A tensor of inference mode is
    bound anew too, since nothing may change it afterwards.

    Raises:
        ValueError: a value for each sample of a `vmap` and one buffer for all.
    """
    buffer: Tensor = getattr(module, name)
    if torch.compiler.is_compiling() or (buffer.is_inference() and not value.is_inference()):
        setattr(module, name, value)
    elif torch.jit.is_tracing():  # a trace would hold a Function as a call of Python
        buffer.copy_(value)
    else:
        _Copy.apply(f"{type(module).__name__}: {name}", buffer, value)


class _Copy(torch.autograd.Function):
    """``buffer.copy_(value)``, also of a buffer that is no argument of the function that `torch.func` transforms."""

    @staticmethod
    @known_signature
    def forward(caller: str, buffer: Tensor, value: Tensor) -> Tensor:
        buffer.copy_(value)
        return buffer.new_empty(0)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, None]:
        return None, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[None, int | None, int | None], caller: str, buffer: Tensor, value: Tensor
    ) -> Any:
        _, dim, value_dim = in_dims
        if dim is None:
            raise ValueError(
                f"{caller} is one for all that vmap maps over and cannot move by each; call eval() on the module, "
                "or map over its buffers too, as torch.func.stack_module_state stacks them"
            )
        rows = buffer.movedim(dim, 0)
        values = value.expand_as(rows) if value_dim is None else value.movedim(value_dim, 0)
        return _Copy.apply(caller, rows, values), None


def known_number(scalar: Tensor) -> float | None:
    """The number in a tensor; None where the host would have to wait for it, break a graph for it, or has none."""
    if scalar.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return None
    try:
        return float(scalar)
    except RuntimeError:  # a fake tensor, or one that `vmap` maps over
        return None
