"""Exchanges between the ranks of a process group. Without a group, or alone in one, they change nothing."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, distributed


def rank_count() -> int:
    """The number of ranks in the default process group, 1 without a group."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return 1
    return distributed.get_world_size()


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """Replace a tensor without a graph by its sum over ranks, in place, and return it."""
    if rank_count() > 1:
        distributed.all_reduce(tensor)
    return tensor


@torch.no_grad()
def average_over_ranks(tensors: Iterable[Tensor]) -> None:
    """Replace tensors by their means over ranks, in place and bit for bit the same on all of them.

    Every rank must pass tensors of the same shapes in the same order; there is one exchange per dtype and device.
    """
    if rank_count() == 1:
        return
    groups: dict[Any, list[Tensor]] = defaultdict(list)
    for tensor in tensors:
        groups[tensor.dtype, tensor.device].append(tensor)
    for group in groups.values():
        flat = sum_over_ranks(torch.cat([tensor.reshape(-1) for tensor in group]).div_(rank_count()))
        parts = flat.split([tensor.numel() for tensor in group])
        torch._foreach_copy_(group, [part.view_as(tensor) for part, tensor in zip(parts, group, strict=True)])
