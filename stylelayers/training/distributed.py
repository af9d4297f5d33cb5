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

from contextlib import AbstractContextManager, nullcontext

from lightning import Trainer
from torch.optim import Optimizer

from .._ranks import average_over_ranks


class PreflightError(ValueError):
    """A run that cannot work, found before its first step."""


def average_gradients(optimizer: Optimizer) -> None:
    """Average the gradients of an optimizer's parameters over ranks."""
    parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
    average_over_ranks(parameter.grad for parameter in parameters if parameter.grad is not None)


def without_reducer(trainer: Trainer) -> AbstractContextManager[None]:
    """Keep `DistributedDataParallel`, where a strategy wraps the model in it, from averaging gradients."""
    block = getattr(trainer.strategy, "block_backward_sync", None)
    return nullcontext() if block is None else block()
