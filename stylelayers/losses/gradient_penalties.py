"""R1, R2 and the penalty of WGAN-GP, each from a live graph or, as ``*_vjp``, from a callable.

The forms from a live graph work with any network in eager mode, but not with a compiled one. The ``*_vjp`` forms
compute the same numbers through ``torch.func`` and compile in one graph.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .differentiation import at_least_float32, gradient_norms, gradient_of, vjp


def r1_penalty(logits: Tensor, images: Tensor) -> Tensor:
    r"""Mean squared gradient norm :math:`E\|\nabla_x D(x)\|^2` on real images (arXiv:1801.04406, equation 9).

    The caller multiplies by gamma / 2.

    Args:
        logits: of the discriminator on `images`, any shape; their sum is differentiated. Where samples of a batch
            depend on each other (minibatch standard deviation), so do their gradients.
        images: ``(N, C, H, W)`` or ``(N, ...)``, requiring grad *before* the discriminator was called.

    Returns:
        A scalar that can be differentiated again.

    Raises:
        ValueError: `images` do not require grad, `logits` were not computed from them or come from a compiled
            network, or the gradient overflows float16.

    Example:
        >>> import torch
        >>> from stylelayers.losses import r1_penalty
        >>> images = torch.ones(2, 1, 2, 2, requires_grad=True)
        >>> r1_penalty(images.square().flatten(1).sum(1), images)  # of the gradients 2 x
        tensor(16., grad_fn=<MeanBackward0>)
    """
    return _penalty("r1_penalty", logits, images)


def r2_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """R1's formula on generated images (arXiv:1801.04406, equation 10); see :func:`r1_penalty`.

    Args:
        logits: of the discriminator on `images`, any shape.
        images: generated ones, ``(N, C, H, W)`` or ``(N, ...)``, requiring grad *before* the discriminator was called.

    Returns:
        A scalar that can be differentiated again. The caller multiplies by gamma / 2.

    Raises:
        ValueError: as :func:`r1_penalty`.

    Example:
        >>> import torch
        >>> from stylelayers.losses import r2_penalty
        >>> images = torch.ones(2, 1, 2, 2, requires_grad=True)
        >>> r2_penalty(images.square().flatten(1).sum(1), images).item()
        16.0
    """
    return _penalty("r2_penalty", logits, images)


def r1_penalty_vjp(discriminator: Callable[..., Tensor], images: Tensor, labels: Tensor | None = None) -> Tensor:
    """Compute :func:`r1_penalty` (or R2, on generated images) from a callable, through ``torch.func``.

    From arXiv:1801.04406, equations 9 and 10. Call it inside ``torch.compile(fullgraph=True)`` to compile the
    discriminator.

    Args:
        discriminator: called as ``discriminator(images)``, or ``discriminator(images, labels)`` with labels.
        images: ``(N, C, H, W)`` or ``(N, ...)``; need not require grad.
        labels: None for an unconditional discriminator.

    Returns:
        A scalar that can be differentiated by the discriminator's parameters.

    Raises:
        ValueError: a discriminator sharded by ``fully_shard``, whose parameters would get no gradient.

    Example:
        >>> import torch
        >>> from stylelayers.losses import r1_penalty_vjp
        >>> r1_penalty_vjp(lambda x: x.square().flatten(1).sum(1), torch.ones(2, 1, 2, 2))
        tensor(16.)
    """
    return _penalty("r1_penalty_vjp", discriminator, images, labels)


def interpolates(real: Tensor, fake: Tensor) -> Tensor:
    """A random point between each real image and a generated one, for WGAN-GP (arXiv:1704.00028, algorithm 1).

    Args:
        real: real images.
        fake: generated images of the same shape; converted to the dtype of `real`.

    Shape:
        `real`, `fake` ``(N, C, H, W)`` or ``(N, ...)`` → the same, without a graph.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> import torch
        >>> from stylelayers.losses import interpolates
        >>> x = interpolates(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2))
        >>> [len(each.unique()) for each in x]  # one random number an image
        [1, 1]
    """
    if real.shape != fake.shape:
        shapes = f"{tuple(real.shape)} and {tuple(fake.shape)}"
        raise ValueError(f"interpolates: real and fake must have the same shape, got {shapes}")
    share = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device, dtype=real.dtype)
    return torch.lerp(real.detach(), fake.detach().to(real.dtype), share)


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    r"""Mean :math:`(\|\nabla_x D(x)\| - 1)^2` (arXiv:1704.00028, equation 3), on :func:`interpolates`.

    The caller multiplies by the weight, 10 in the paper. At a gradient of 0 the penalty is 1 and its gradient 0.

    Args:
        logits, images: ``(N, ...)``, as for :func:`r1_penalty`.

    Returns:
        A scalar that can be differentiated again.

    Raises:
        ValueError: as :func:`r1_penalty`.

    Example:
        >>> import torch
        >>> from stylelayers.losses import gradient_penalty, interpolates
        >>> x = interpolates(torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)).requires_grad_()
        >>> gradient_penalty(x.flatten(1).sum(1), x)
        tensor(1.)
    """
    return _penalty("gradient_penalty", logits, images, target_norm=1)


def gradient_penalty_vjp(discriminator: Callable[..., Tensor], images: Tensor, labels: Tensor | None = None) -> Tensor:
    """Compute :func:`gradient_penalty` from a callable, through ``torch.func``.

    From arXiv:1704.00028, equation 3. Call it inside ``torch.compile(fullgraph=True)`` to compile the discriminator.

    Args:
        discriminator: called as ``discriminator(images)``, or ``discriminator(images, labels)`` with labels.
        images: ``(N, C, H, W)`` or ``(N, ...)``; need not require grad.
        labels: None for an unconditional discriminator.

    Returns:
        A scalar that can be differentiated by the discriminator's parameters.

    Raises:
        ValueError: a discriminator sharded by ``fully_shard``, whose parameters would get no gradient.

    Example:
        >>> import torch
        >>> from stylelayers.losses import gradient_penalty_vjp
        >>> gradient_penalty_vjp(lambda x: x.flatten(1).sum(1), torch.ones(2, 1, 2, 2))
        tensor(1.)
    """
    return _penalty("gradient_penalty_vjp", discriminator, images, labels, target_norm=1)


def _penalty(
    caller: str,
    source: Tensor | Callable[..., Tensor],
    images: Tensor,
    labels: Tensor | None = None,
    *,
    target_norm: float = 0,
) -> Tensor:
    """Mean squared distance of gradient norms from a target; `source` is logits with a graph, or a discriminator."""
    if isinstance(source, Tensor):
        gradient = gradient_of(caller, source.sum(), images, "images", "logits")
    else:
        logits, pull_back = vjp(caller, source, images, *([] if labels is None else [labels]))
        (gradient,) = pull_back(torch.ones_like(logits))
    if target_norm == 0:
        return at_least_float32(gradient).square().flatten(1).sum(1).mean()
    return (gradient_norms(gradient) - target_norm).square().mean()
