"""Adversarial losses on logits ``(N, 1)``; every function returns a scalar, the mean over the batch."""

from torch import Tensor
from torch.nn.functional import relu, softplus


def nonsaturating_loss(fake_logits: Tensor) -> Tensor:
    """Generator loss ``mean(softplus(-fake))``.

    From arXiv:1406.2661, section 3.

    Args:
        fake_logits: of generated images, any shape; usually ``(N, 1)``.

    Returns:
        A scalar, the mean over the batch.

    Example:
        >>> import torch
        >>> from stylelayers.losses import nonsaturating_loss
        >>> nonsaturating_loss(torch.tensor([[0.0]]))
        tensor(0.6931)
    """
    return softplus(-fake_logits).mean()


def logistic_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Discriminator loss ``mean(softplus(-real)) + mean(softplus(fake))``.

    From arXiv:1406.2661, equation 1.

    Args:
        real_logits: of real images, any shape; usually ``(N, 1)``.
        fake_logits: of generated images, likewise.

    Returns:
        A scalar, the mean over the batch.

    Example:
        >>> import torch
        >>> from stylelayers.losses import logistic_loss
        >>> logistic_loss(torch.tensor([[0.0]]), torch.tensor([[0.0]]))
        tensor(1.3863)
    """
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


def hinge_generator_loss(fake_logits: Tensor) -> Tensor:
    """Generator loss ``-mean(fake)`` of the hinge loss.

    From arXiv:1705.02894, equation 4.

    Args:
        fake_logits: of generated images, any shape; usually ``(N, 1)``.

    Returns:
        A scalar, the mean over the batch.

    Example:
        >>> import torch
        >>> from stylelayers.losses import hinge_generator_loss
        >>> hinge_generator_loss(torch.tensor([[0.5]]))
        tensor(-0.5000)
    """
    return -fake_logits.mean()


def hinge_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Discriminator loss ``mean(relu(1 - real)) + mean(relu(1 + fake))``.

    From arXiv:1705.02894, equation 3.

    Args:
        real_logits: of real images, any shape; usually ``(N, 1)``.
        fake_logits: of generated images, likewise.

    Returns:
        A scalar, the mean over the batch.

    Example:
        >>> import torch
        >>> from stylelayers.losses import hinge_discriminator_loss
        >>> hinge_discriminator_loss(torch.tensor([[0.5]]), torch.tensor([[-2.0]]))
        tensor(0.5000)
    """
    return relu(1 - real_logits).mean() + relu(1 + fake_logits).mean()


def wasserstein_generator_loss(fake_logits: Tensor) -> Tensor:
    """Generator loss ``-mean(fake)`` of the Wasserstein distance.

    From arXiv:1701.07875, equation 2.

    Args:
        fake_logits: of generated images, any shape; usually ``(N, 1)``.

    Returns:
        A scalar, the mean over the batch.

    Example:
        >>> import torch
        >>> from stylelayers.losses import wasserstein_generator_loss
        >>> wasserstein_generator_loss(torch.tensor([[0.5]]))
        tensor(-0.5000)
    """
    return -fake_logits.mean()


def wasserstein_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Critic loss ``mean(fake) - mean(real)``; needs a gradient penalty.

    From arXiv:1701.07875, equation 2. The penalty is :func:`gradient_penalty`.

    Args:
        real_logits: of real images, any shape; usually ``(N, 1)``.
        fake_logits: of generated images, likewise.

    Returns:
        A scalar, the mean over the batch.

    Example:
        >>> import torch
        >>> from stylelayers.losses import wasserstein_discriminator_loss
        >>> wasserstein_discriminator_loss(torch.tensor([[2.0]]), torch.tensor([[0.5]]))
        tensor(-1.5000)
    """
    return fake_logits.mean() - real_logits.mean()


def relativistic_generator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Generator side of the pairing loss, ``mean(softplus(real - fake))``.

    From arXiv:2501.05441, equation 2. Each real image is paired with the generated one of its place in the batch.

    Args:
        real_logits: of real images, any shape; usually ``(N, 1)``.
        fake_logits: of generated images, likewise.

    Returns:
        A scalar, the mean over the batch.

    Example:
        >>> import torch
        >>> from stylelayers.losses import relativistic_generator_loss
        >>> relativistic_generator_loss(torch.tensor([[1.0]]), torch.tensor([[1.0]]))
        tensor(0.6931)
    """
    return softplus(real_logits - fake_logits).mean()


def relativistic_discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Discriminator side of the pairing loss, ``mean(softplus(fake - real))``.

    From arXiv:2501.05441, equation 2. Each real image is paired with the generated one of its place in the batch.

    Args:
        real_logits: of real images, any shape; usually ``(N, 1)``.
        fake_logits: of generated images, likewise.

    Returns:
        A scalar, the mean over the batch.

    Example:
        >>> import torch
        >>> from stylelayers.losses import relativistic_discriminator_loss
        >>> relativistic_discriminator_loss(torch.tensor([[1.0]]), torch.tensor([[1.0]]))
        tensor(0.6931)
    """
    return softplus(fake_logits - real_logits).mean()
