"""Training by several processes: what they agree on after a backward pass and after an iteration.

Every process holds the whole model, starts with the weights of the first and works on its share of the batch.
Lightning starts the processes and, under every strategy that it calls ``ddp``, hands those weights out. Its averaging
of gradients is left alone: an iteration of a GAN has several backward passes, each to some of the parameters and some
of them through a gradient, for which `DistributedDataParallel` refuses to work, or looks through every graph for
unused parameters and exchanges the gradients of both networks after each pass.

Instead the gradients of the network whose turn it is are averaged once they are complete, in one exchange, before
anyone looks at them. No hook has to see the backward pass, so that it may be of any kind (live graph, `torch.func`,
compiled, accumulated in parts, scaled), and what follows is the same everywhere: a step is taken or skipped by all.
The price is that the exchange does not overlap with the backward pass.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from lightning import Trainer
from torch import Tensor, distributed
from torch.optim import Optimizer

__all__ = ["PreflightError", "average_gradients", "average_over_processes", "without_reducer"]


class PreflightError(ValueError):
    """A run that cannot work, found before its first step."""


def average_gradients(optimizer: Optimizer) -> None:
    """Give every process the mean of the processes' gradients of an optimiser's parameters."""
    parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
    average_over_processes(parameter.grad for parameter in parameters if parameter.grad is not None)


@torch.no_grad()
def average_over_processes(tensors: Iterable[Tensor]) -> None:
    """Overwrite tensors with their means over the processes of the group, the same on all bit for bit.

    Every process must come with tensors of the same shapes, in the same order; there is one exchange for each dtype.
    Without a group, or alone in it, nothing is done.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return
    alike: dict[Any, list[Tensor]] = defaultdict(list)
    for tensor in tensors:
        alike[tensor.dtype, tensor.device].append(tensor)
    for group in alike.values():
        flat = torch.cat([tensor.reshape(-1) for tensor in group]).div_(distributed.get_world_size())
        distributed.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in group])
        torch._foreach_copy_(group, [part.view_as(tensor) for part, tensor in zip(parts, group, strict=True)])


def without_reducer(trainer: Trainer) -> AbstractContextManager[None]:
    """Keep `DistributedDataParallel`, where a strategy wraps the model in it, from averaging gradients."""
    block = getattr(trainer.strategy, "block_backward_sync", None)
    return nullcontext() if block is None else block()
