"""Gradients that are not finite never reach the weights."""

from collections.abc import Iterable
from math import isfinite

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from .._checks import check_ints


class DivergedError(RuntimeError):
    """Training produced nothing but non-finite gradients; the weights are those of the last good step."""


class NonFiniteGuard:
    """Allows an optimizer step only if all gradients are finite, and gives up after too many refusals in a row.

    Ranks have averaged their gradients before, so that they decide alike; the first one speaks.

    Args:
        max_skipped_steps: in a row, at least 1, after which :class:`DivergedError` is raised.

    Attributes:
        skipped: steps skipped so far.
        in_a_row: the latest of these, without a step taken between them.
    """

    def __init__(self, max_skipped_steps: int) -> None:
        check_ints("GAN", max_skipped_steps=max_skipped_steps)
        self.max_skipped_steps = max_skipped_steps
        self.skipped = self.in_a_row = 0

    def allows(self, step: str, parameters: Iterable[tuple[str, nn.Parameter]], loss: Tensor) -> bool:
        """Whether the gradient of every parameter is finite; else the step is to be skipped.

        Args:
            step: which it is, for the message: ``"R1 at iteration 1,632"``.
            parameters: those of the step, with their names.
            loss: the step's, for the message.

        Raises:
            DivergedError: it is the last of `max_skipped_steps`.
        """
        gradients = {name: p.grad for name, p in parameters if p.grad is not None}
        if _are_finite(list(gradients.values())):
            self.in_a_row = 0
            return True
        self.skipped, self.in_a_row = self.skipped + 1, self.in_a_row + 1
        bad = next((name for name, gradient in gradients.items() if not gradient.isfinite().all()), "all parameters")
        message = f"step skipped: {step}: the gradient of {bad} is not finite (loss {loss.item():g})"
        if self.in_a_row >= self.max_skipped_steps:
            raise DivergedError(
                f"{message}, {self.in_a_row} times in a row. The weights are those before. Resume with lower learning "
                f"rates, a higher r1_gamma, clamp=256 in both networks, or precision 32-true"
            )
        rank_zero_warn(message)
        return False


def _are_finite(gradients: list[Tensor]) -> bool:
    """Whether the norm of all is, which one transfer from a device tells."""
    return not gradients or isfinite(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))).item())
