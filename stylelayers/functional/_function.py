"""Helpers of the autograd Functions of this package."""

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.autograd import forward_ad

_F = TypeVar("_F", bound=Callable[..., Any])


def records_gradients(*tensors: Tensor | None) -> bool:
    """Whether autograd records an operator on `tensors`; if not, a Function's `forward` is enough, and cheaper."""
    return torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in tensors)


def needs_plain_operators() -> bool:
    """Whether to compose torch operators instead of applying a Function.

    The compiler fuses them by itself, and with a Function loses parameter gradients of some graphs. A trace would store
    the Function as a Python call. Under nested forward mode torch computes the second derivative of a Function's `jvp`
    wrongly, without an error.
    """
    return torch.compiler.is_compiling() or torch.jit.is_tracing() or forward_ad._current_level >= 0


def cache_signature(forward: _F) -> _F:
    """Store the signature of a Function's forward, which ``apply`` would inspect at every call (0.05 ms)."""
    forward.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    return forward
