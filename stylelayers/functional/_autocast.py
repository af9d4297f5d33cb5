"""Keeping an operator's own dtype where autocast would lower it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

__all__ = ["without_autocast"]


def without_autocast(like: Tensor) -> AbstractContextManager[None]:
    """A context in which operators on the device of `like` compute in their inputs' dtype."""
    kind = like.device.type
    if kind == "meta" or not torch.is_autocast_enabled(kind):  # entering torch.autocast costs as much as a small layer
        return nullcontext()
    return torch.autocast(kind, enabled=False)
