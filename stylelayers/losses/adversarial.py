"""Adversarial losses on logits ``(N, 1)``; every function returns a scalar, the mean over the batch."""

from torch import Tensor
from torch.nn.functional import relu, softplus


def nonsaturating_loss(fake_logits: Tensor) -> Tensor:
    """Generator loss ``mean(softplus(-fake))`` (arXiv:1406.2661, section 3)."""
    return softplus(-fake_logits).mean()


def logistic_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Discriminator loss ``mean(softplus(-real)) + mean(softplus(fake))`` (arXiv:1406.2661, equation 1)."""
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


def hinge_generator_loss(fake_logits: Tensor) -> Tensor:
    """Generator loss ``-mean(fake)`` (arXiv:1705.02894, equation 4)."""
    return -fake_logits.mean()


def hinge_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Discriminator loss ``mean(relu(1 - real)) + mean(relu(1 + fake))`` (arXiv:1705.02894, equation 3)."""
    return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()


def wasserstein_generator_loss(fake_logits: Tensor) -> Tensor:
    """Generator loss ``-mean(fake)`` (arXiv:1701.07875, equation 2)."""
    return -fake_logits.mean()


def wasserstein_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Critic loss ``mean(fake) - mean(real)`` (arXiv:1701.07875, equation 2); needs a gradient penalty."""
    return fake_logits.mean() - real_logits.mean()


def relativistic_generator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Generator side of the pairing loss, ``mean(softplus(real - fake))`` (arXiv:2501.05441, equation 2)."""
    return softplus(real_logits - fake_logits).mean()


def relativistic_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Discriminator side of the pairing loss, ``mean(softplus(fake - real))`` (arXiv:2501.05441, equation 2)."""
    return softplus(fake_logits - real_logits).mean()
