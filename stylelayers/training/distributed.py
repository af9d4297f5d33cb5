"""Training on several ranks.

Every rank holds the whole model and works on its share of the batch; Lightning starts the ranks and hands out the
weights of the first. Its averaging of gradients is not used: an iteration of a GAN has several backward passes, some
through a gradient, for which `DistributedDataParallel` refuses to work, searches every graph for unused parameters, or
averages the gradients of both networks after each pass.

Instead, the gradients of the network that steps next are averaged once they are complete, in one exchange, before they
are read. The backward pass may be of any kind (live graph, `torch.func`, compiled, accumulated, scaled), and all ranks
take or skip a step alike. The price: the exchange does not overlap with the backward pass.
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
