"""R1, R2 and the penalty of WGAN-GP, each from a live graph or, as ``*_vjp``, from a callable.

The forms from a live graph work with any network in eager mode. The ``*_vjp`` forms compute the same numbers
through ``torch.func`` and compile in one graph, which a compiled network under the first form does not.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .differentiation import at_least_float32, gradient_norms, gradient_of, vjp

__all__ = [
    "gradient_penalty",
    "gradient_penalty_vjp",
    "interpolates",
    "r1_penalty",
    "r1_penalty_vjp",
    "r2_penalty",
]


def r1_penalty(logits: Tensor, images: Tensor) -> Tensor:
    r"""Mean squared gradient norm :math:`E\|\nabla_x D(x)\|^2` on real images (arXiv:1801.04406, equation 9).

    The caller multiplies by gamma / 2.

    Args:
        logits: of the discriminator on `images`, any shape; their sum is differentiated. Where samples of a batch
            depend on each other (minibatch standard deviation), so do their gradients.
        images: ``(N, ...)``, requiring grad *before* the discriminator was called.

    Returns:
        A scalar that can be differentiated again.

    Raises:
        ValueError: `images` do not require grad, `logits` were not computed from them or come from a compiled
            network, or the gradient overflows float16.
    """
    gradient = gradient_of("r1_penalty", logits.sum(), images, "images", "logits")
    return _mean_square_norm(gradient)


def r2_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """R1's formula on generated images (arXiv:1801.04406, equation 10); see :func:`r1_penalty`."""
    gradient = gradient_of("r2_penalty", logits.sum(), images, "images", "logits")
    return _mean_square_norm(gradient)


def r1_penalty_vjp(discriminator: Callable[..., Tensor], images: Tensor, labels: Tensor | None = None) -> Tensor:
    """:func:`r1_penalty` (or R2, on generated images) from a callable, through ``torch.func``.

    Args:
        discriminator: called as ``discriminator(images)``, or ``discriminator(images, labels)`` with labels.
        images: ``(N, ...)``; need not require grad.
        labels: handed on, None for an unconditional discriminator.
    """
    return _mean_square_norm(_gradient_vjp("r1_penalty_vjp", discriminator, images, labels))


def interpolates(real: Tensor, fake: Tensor) -> Tensor:
    """A random point between each real image and a generated one, where WGAN-GP looks (arXiv:1704.00028, algorithm 1).

    Shape:
        `real`, `fake` ``(N, ...)`` → ``(N, ...)``, without a graph.

    Raises:
        ValueError: the shapes differ.
    """
    if real.shape != fake.shape:
        shapes = f"{tuple(real.shape)} and {tuple(fake.shape)}"
        raise ValueError(f"interpolates: real and fake must have the same shape, got {shapes}")
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    return torch.lerp(real.detach(), fake.detach().to(real.dtype), share)


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    r"""Mean :math:`(\|\nabla_x D(x)\| - 1)^2` (arXiv:1704.00028, equation 3), on :func:`interpolates`.

    The caller multiplies by the weight, 10 in the paper. A gradient of 0 is penalised, but cannot say where to go.

    Args:
        logits, images: as for :func:`r1_penalty`.

    Raises:
        ValueError: as :func:`r1_penalty`.

    Example:
        >>> import torch
        >>> from stylelayers.losses import gradient_penalty, interpolates
        >>> x = interpolates(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)).requires_grad_()
        >>> gradient_penalty(x.flatten(1).sum(1), x)
        tensor(1.)
    """
    return _mean_square_excess(gradient_of("gradient_penalty", logits.sum(), images, "images", "logits"))


def gradient_penalty_vjp(discriminator: Callable[..., Tensor], images: Tensor, labels: Tensor | None = None) -> Tensor:
    """:func:`gradient_penalty` from a callable, through ``torch.func``; the arguments of :func:`r1_penalty_vjp`."""
    return _mean_square_excess(_gradient_vjp("gradient_penalty_vjp", discriminator, images, labels))


def _gradient_vjp(caller: str, discriminator: Callable[..., Tensor], images: Tensor, labels: Tensor | None) -> Tensor:
    logits, pull_back = vjp(caller, discriminator, images, *([] if labels is None else [labels]))
    (gradient,) = pull_back(torch.ones_like(logits))
    return gradient


def _mean_square_norm(gradient: Tensor) -> Tensor:
    return at_least_float32(gradient).square().flatten(1).sum(1).mean()


def _mean_square_excess(gradient: Tensor) -> Tensor:
    return (gradient_norms(gradient) - 1).square().mean()
