"""Gradients that are not finite never reach the weights."""

from __future__ import annotations

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["DivergedError", "NonFiniteGuard"]


class DivergedError(RuntimeError):
    """Training produced nothing but non-finite gradients; the weights are those of the last good step."""


class NonFiniteGuard:
    """Allows an optimiser's step only if all gradients are finite, and gives up after too many refusals in a row.

    Several processes have averaged their gradients before, so that their decisions are the same; the first one speaks.

    Args:
        max_in_a_row: refused steps in a row, at least 1, after which :class:`DivergedError` is raised.

    Attributes:
        skipped: steps refused so far.
        in_a_row: of these, the latest without an allowed one between them.
    """

    def __init__(self, max_in_a_row: int) -> None:
        if not isinstance(max_in_a_row, int) or max_in_a_row < 1:
            raise ValueError(f"model.max_skipped_steps must be an int of at least 1, got {max_in_a_row!r}")
        self.max_in_a_row = max_in_a_row
        self.skipped = self.in_a_row = 0

    def allows(self, optimizer: Optimizer, loss: Tensor, names: nn.Module) -> bool:
        """Whether every gradient of the optimiser's parameters, named by a module, is finite; else the step is skipped.

        Raises:
            DivergedError: it is the last of `max_in_a_row`.
        """
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        if torch.nn.utils.get_total_norm(gradients).isfinite():
            self.in_a_row = 0
            return True
        self.skipped, self.in_a_row = self.skipped + 1, self.in_a_row + 1
        message = f"step skipped: the gradient of {_first_bad(names, parameters)} is not finite (loss {loss.item():g})"
        if self.in_a_row >= self.max_in_a_row:
            raise DivergedError(
                f"{message}, {self.in_a_row} times in a row. The weights are those before. Resume with a lower "
                f"learning rate (model.*_optimizer.lr), a higher loss.r1_gamma, model.*.clamp=256 or "
                f"trainer.precision=32-true"
            )
        rank_zero_warn(message)
        return False


def _first_bad(module: nn.Module, parameters: list[nn.Parameter]) -> str:
    """Among `parameters` alone: others may keep a gradient of an earlier skipped step."""
    looked_at = {id(parameter) for parameter in parameters}
    for name, parameter in module.named_parameters():
        if id(parameter) in looked_at and parameter.grad is not None and not parameter.grad.isfinite().all():
            return name
    return "no single parameter"
