"""R1 and R2 by finite differences: two calls of the discriminator, and no second derivative.

Differences from the published form (the approximated R1 of arXiv:2501.08316):

- the squared difference is divided by ``sigma ** 2``, so that a weight means the same as for exact R1;
- both calls draw the same random numbers, and run outside autocast, whose rounding is larger than the difference.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from .._checks import check_number
from .._random_state import preserve_random_state
from .differentiation import at_least_float32

SIGMA = 0.003  # by the measurement in docs/double_backward.md; published: 0.01 for images


def finite_difference_penalty(
    discriminator: Callable[..., Tensor],
    images: Tensor,
    labels: Tensor | None = None,
    *,
    sigma: float = SIGMA,
    noise: Tensor | None = None,
) -> Tensor:
    r"""Estimate R1 or R2 without second derivatives: mean :math:`(D(x + \sigma\epsilon) - D(x))^2 / \sigma^2`.

    The approximated R1 of arXiv:2501.08316, divided by :math:`\sigma^2`. For small sigma the difference is
    :math:`\sigma\epsilon^T\nabla D(x)`, whose square has the expectation :math:`\sigma^2\|\nabla D(x)\|^2` over unit
    normal noise. One draw per image varies widely around it (standard deviation :math:`\sqrt 2` times the value), a
    mean over images and steps less. The bias falls with sigma squared for a smooth discriminator, and with sigma across
    the kinks of leaky ReLU.

    It differs from :func:`r1_penalty`, which differentiates the sum of all logits, where samples of a batch depend on
    each other (minibatch standard deviation): here each logit has its own gradient, by all images that it depends on.

    Args:
        discriminator: called twice, as ``discriminator(images)`` or, with labels, ``discriminator(images, labels)``.
            Both calls draw the same random numbers, except inside ``torch.compile``: there it must draw none.
        images: ``(N, ...)``; get no gradient, unless they require one.
        labels: None for an unconditional discriminator.
        sigma: standard deviation of the noise in units of the images, which range over [-1, 1]. If too large, the
            noise crosses kinks of the discriminator; if too small, the difference has few digits left. See the
            measurement in docs/double_backward.md.
        noise: unit normal, of the images' shape; None draws it.

    Returns:
        A scalar that can be differentiated by the discriminator's parameters. The caller multiplies by gamma / 2.

    Raises:
        ValueError: `sigma` is not above 0, `noise` has another shape, or logits are of half precision.

    Example:
        >>> import torch
        >>> from stylelayers.losses import finite_difference_penalty
        >>> images, noise = torch.zeros(2, 1, 1, 1), torch.ones(2, 1, 1, 1)
        >>> finite_difference_penalty(lambda x: 3 * x.flatten(1), images, sigma=0.5, noise=noise)
        tensor(9.)
    """
    check_number("finite_difference_penalty", above=0, sigma=sigma)
    noise = torch.randn_like(images) if noise is None else noise
    if noise.shape != images.shape:
        shapes = f"{tuple(images.shape)}, got {tuple(noise.shape)}"
        raise ValueError(f"finite_difference_penalty: noise must have the images' shape {shapes}")
    images = at_least_float32(images)
    others = [] if labels is None else [labels]
    with _without_autocast(images.device):
        here, there = _same_draws(discriminator, images.device, (images, *others), (images + sigma * noise, *others))
    if here.dtype in (torch.float16, torch.bfloat16):
        raise ValueError(f"finite_difference_penalty: logits must be in float32 or float64, got {here.dtype}")
    return ((there - here) / sigma).unsqueeze(-1).flatten(1).sum(1).square().mean()


def _without_autocast(device: torch.device) -> AbstractContextManager[Any]:
    known = torch.amp.is_autocast_available(device.type)  # not on the meta device
    return torch.autocast(device.type, enabled=False) if known else nullcontext()


def _same_draws(
    function: Callable[..., Tensor], device: torch.device, first: tuple[Tensor, ...], second: tuple[Tensor, ...]
) -> tuple[Tensor, Tensor]:
    """Two calls that draw the same random numbers, which a compiler cannot trace."""
    if torch.compiler.is_compiling():
        return function(*first), function(*second)
    with preserve_random_state(device):
        result = function(*first)
    return result, function(*second)
