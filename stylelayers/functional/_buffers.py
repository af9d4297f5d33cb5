"""How a module moves its running statistics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["move_buffer"]


def move_buffer(module: nn.Module, name: str, value: Tensor) -> None:
    """Give a buffer a new value: in place, or bound anew under ``torch.compile``.

    A compiled backward pass computes again what the forward pass did not save, from the buffers as they are by then:
    after a change in place its gradients would be those of a buffer that moved twice.
    """
    if torch.compiler.is_compiling():
        setattr(module, name, value)
    else:
        getattr(module, name).copy_(value)
