"""Gradients that are no longer than a norm."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

__all__ = ["clip_gradients"]


def clip_gradients(optimizer: Optimizer, max_norm: float, *, scale: float = 1.0) -> Tensor:
    """Shorten the gradient of all parameters of an optimiser, taken as one vector, to a norm of `max_norm`.

    Args:
        max_norm: above 0.
        scale: by which all gradients are multiplied, as a gradient scaler has it.

    Returns:
        The norm before, without the scale; in float32, or float64 for gradients of it.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norms = [torch.linalg.vector_norm(p.grad, dtype=torch.promote_types(p.dtype, torch.float32)) for p in parameters]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    torch.nn.utils.clip_grads_with_norm_(parameters, max_norm * scale, norm)
    return norm / scale
