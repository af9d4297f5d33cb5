"""The dtype in which a layer computes: that of its weight unless autocast chooses another."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def in_dtype_of(weight: Tensor, x: Tensor, caller: str) -> Tensor:
    """Cast the input of a layer to the dtype of its weight, unless autocast casts both.

    Autocast ignores float64, so a float64 layer computes in float64 under autocast too.

    Raises:
        ValueError: the input is not floating-point.
    """
    if x.dtype == weight.dtype:
        return x
    if not x.is_floating_point():
        raise ValueError(f"{caller}: the input must be floating-point, as {weight.dtype} of the weight, got {x.dtype}")
    return x if is_autocast(x) and torch.float64 not in (x.dtype, weight.dtype) else x.to(weight.dtype)


def in_dtype(x: Tensor, dtype: torch.dtype) -> Tensor:
    """``x.to(dtype)``, without an operator for the dtype that `x` has, as usual."""
    return x if x.dtype == dtype else x.to(dtype)


def at_least_float32(x: Tensor) -> Tensor:
    """`x`, in float32 if its dtype is narrower."""
    return x if x.dtype.itemsize >= 4 else x.float()


def without_autocast(like: Tensor) -> AbstractContextManager[None]:
    """A context in which operators on the device of `like` compute in their inputs' dtype."""
    if not is_autocast(like):  # entering torch.autocast costs as much as a small layer
        return nullcontext()
    return torch.autocast(like.device.type, enabled=False)


def is_autocast(like: Tensor) -> bool:
    """Whether autocast chooses the dtype of operators on the device of `like`."""
    kind = like.device.type
    return kind != "meta" and torch.is_autocast_enabled(kind)
