"""Which dtype a product computes in: that of its weight, unless autocast says another; and how to keep autocast out."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

__all__ = ["in_dtype_of", "without_autocast"]


def in_dtype_of(weight: Tensor, x: Tensor, caller: str) -> Tensor:
    """The input of a layer in the dtype of its weight; as it is where autocast casts both.

    Autocast leaves float64 alone, so that a layer of float64 computes in float64 under autocast too.

    Raises:
        ValueError: an input that is not floating-point, named after the layer `caller`.
    """
    if x.dtype == weight.dtype:
        return x
    if not x.is_floating_point():
        raise ValueError(f"{caller}: the input must be floating-point, as {weight.dtype} of the weight, got {x.dtype}")
    casts = x.device.type != "meta" and torch.is_autocast_enabled(x.device.type)
    return x if casts and torch.float64 not in (x.dtype, weight.dtype) else x.to(weight.dtype)


def without_autocast(like: Tensor) -> AbstractContextManager[None]:
    """A context in which operators on the device of `like` compute in their inputs' dtype."""
    kind = like.device.type
    if kind == "meta" or not torch.is_autocast_enabled(kind):  # entering torch.autocast costs as much as a small layer
        return nullcontext()
    return torch.autocast(kind, enabled=False)
