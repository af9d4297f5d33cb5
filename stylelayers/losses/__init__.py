"""Adversarial losses and gradient penalties: free functions, and one module that keeps a running mean."""

from .adversarial import (
    hinge_discriminator_loss,
    hinge_generator_loss,
    logistic_loss,
    nonsaturating_loss,
    relativistic_discriminator_loss,
    relativistic_generator_loss,
    wasserstein_discriminator_loss,
    wasserstein_generator_loss,
)
from .finite_difference import finite_difference_penalty
from .gradient_penalties import (
    gradient_penalty,
    gradient_penalty_vjp,
    interpolates,
    r1_penalty,
    r1_penalty_vjp,
    r2_penalty,
)
from .path_length import PathLengthPenalty, path_lengths, path_lengths_vjp

__all__ = [
    "PathLengthPenalty",
    "finite_difference_penalty",
    "gradient_penalty",
    "gradient_penalty_vjp",
    "hinge_discriminator_loss",
    "hinge_generator_loss",
    "interpolates",
    "logistic_loss",
    "nonsaturating_loss",
    "path_lengths",
    "path_lengths_vjp",
    "r1_penalty",
    "r1_penalty_vjp",
    "r2_penalty",
    "relativistic_discriminator_loss",
    "relativistic_generator_loss",
    "wasserstein_discriminator_loss",
    "wasserstein_generator_loss",
]
