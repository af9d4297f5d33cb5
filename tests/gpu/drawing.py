"""The same random numbers on every device."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class DrawnOnTheCPU(TorchFunctionMode):
    """Inside the block random tensors are drawn on the CPU and then moved to where they are asked for."""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func in (torch.rand, torch.randn, torch.randint):
            device = kwargs.pop("device", None)
            return func(*args, **kwargs).to(device or "cpu")
        if func is torch.randn_like:
            return torch.randn(args[0].shape, dtype=args[0].dtype).to(args[0].device)
        return func(*args, **kwargs)
