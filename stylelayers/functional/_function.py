"""What the autograd Functions of this package share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd import forward_ad

__all__ = ["differentiates", "known_signature", "plain_operators"]

_F = TypeVar("_F", bound=Callable[..., Any])


def differentiates(*tensors: Tensor | None) -> bool:
    """Whether autograd records an operator on `tensors`; else a Function's `forward` alone will do, for less."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def plain_operators() -> bool:
    """Whether torch's own operators must do without a Function.

    A compiler fuses them itself, and loses parameter gradients of some graphs with a Function. A trace would hold the
    Function as a call of Python. In forward mode inside forward mode torch computes the second derivative of a
    Function's `jvp` wrongly, without an error.
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or forward_ad._current_level >= 0


def known_signature(forward: _F) -> _F:
    """Work out a Function's signature once: ``Function.apply`` asks for it at every call, which takes 0.05 ms."""
    forward.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    return forward
