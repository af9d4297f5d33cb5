"""Updating the running statistics of a module, and reading scalars without waiting for a device."""

from typing import Any

import torch
from torch import Tensor, nn

from ._function import FastFunction


def move_buffer(module: nn.Module, name: str, value: Tensor) -> None:
    """Set a buffer to a value without a graph: in place, or under ``torch.compile`` by assigning the attribute.

    A compiled backward pass recomputes what the forward pass did not save, from the buffers as they are then: after
    an in-place update its gradients would be those of a buffer updated twice. Inference tensors cannot be changed in
    place outside inference mode, so they are assigned too.

    Raises:
        ValueError: under `vmap`, a value per sample for a buffer that the samples share.
    """
    buffer: Tensor = getattr(module, name)
    if torch.compiler.is_compiling() or (buffer.is_inference() and not value.is_inference()):
        setattr(module, name, value)
    elif torch.jit.is_tracing():  # a trace would store a Function as a Python call
        buffer.copy_(value)
    else:
        _Copy.apply(f"{type(module).__name__}: {name}", buffer, value)


class _Copy(FastFunction):
    """``buffer.copy_(value)``, also for a buffer that a function under `torch.func` closes over."""

    @staticmethod
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
                f"{caller} is shared by all samples of vmap and cannot take a value from each; call eval() on the "
                "module, or map over its buffers too, as torch.func.stack_module_state stacks them"
            )
        rows = buffer.movedim(dim, 0)
        values = value.expand_as(rows) if value_dim is None else value.movedim(value_dim, 0)
        return _Copy.apply(caller, rows, values), None


def number_without_sync(scalar: Tensor) -> float | None:
    """The number in a scalar tensor; None if reading it would wait for a device or break a graph, or is impossible."""
    if scalar.device.type != "cpu" or torch.compiler.is_compiling() or torch.jit.is_tracing():
        return None
    try:
        return float(scalar)
    except RuntimeError:  # a fake tensor, or one that `vmap` maps over
        return None
