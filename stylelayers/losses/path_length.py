"""Path-length regularization (arXiv:1912.04958, section 3.2), from a live graph or, as ``*_vjp``, from a callable."""

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor, nn

from .._checks import check_number
from .._ranks import rank_count, sum_over_ranks
from ..functional._buffers import move_buffer
from .differentiation import gradient_norms, gradient_of, vjp


def path_lengths(images: Tensor, latents: Tensor, noise: Tensor | None = None) -> Tensor:
    r"""How far each image moves per unit of its latent: :math:`\|J_w^T y\|` (arXiv:1912.04958, equation 4).

    Several latents per sample give the root mean square over them: :math:`\sqrt{\frac1L\sum_l\|J_{w_l}^T y\|^2}`.

    Args:
        images: ``(N, C, H, W)`` computed from `latents`, by any generator.
        latents: ``(N, D)`` or ``(N, L, D)``, requiring grad before the generator was called.
        noise: unit normal, of the images' shape; None draws it. It is divided by ``sqrt(H * W)`` here.

    Returns:
        ``(N,)`` lengths that can be differentiated again. A length of 0 (all-zero weights, dead or saturated units) has
        derivatives 0.

    Raises:
        ValueError: shapes that do not fit, or images made without a graph to the latents.

    Example:
        >>> import torch
        >>> from stylelayers.losses import path_lengths
        >>> latents = torch.ones(2, 4, requires_grad=True)
        >>> images = 3 * latents.view(2, 1, 2, 2)
        >>> path_lengths(images, latents, noise=torch.ones(2, 1, 2, 2)).tolist()
        [3.0, 3.0]
    """
    direction = _random_direction(images, noise)
    gradient = gradient_of("path_lengths", (images * direction).sum(), latents, "latents", "images")
    return _lengths_of_gradient(gradient, len(images))


def path_lengths_vjp(synthesis: Callable[[Tensor], Tensor], latents: Tensor, noise: Tensor | None = None) -> Tensor:
    """Compute :func:`path_lengths` from a callable, through ``torch.func`` (arXiv:1912.04958, equation 4).

    Call it inside ``torch.compile(fullgraph=True)`` to compile the generator.

    Args:
        synthesis: called as ``synthesis(latents)``; returns images ``(N, C, H, W)``.
        latents: ``(N, D)`` or ``(N, L, D)``; need not require grad.
        noise: unit normal, of the images' shape; None draws it. It is divided by ``sqrt(H * W)`` here.

    Returns:
        ``(N,)`` lengths that can be differentiated by the generator's parameters.

    Raises:
        ValueError: shapes that do not fit, or a generator sharded by ``fully_shard``.

    Example:
        >>> import torch
        >>> from stylelayers.losses import path_lengths_vjp
        >>> noise = torch.ones(2, 1, 2, 2)
        >>> path_lengths_vjp(lambda w: 3 * w.view(2, 1, 2, 2), torch.ones(2, 4), noise).tolist()
        [3.0, 3.0]
    """
    images, pull_back = vjp("path_lengths_vjp", synthesis, latents)
    (gradient,) = pull_back(_random_direction(images, noise))
    return _lengths_of_gradient(gradient, len(images))


class PathLengthPenalty(nn.Module):
    """Mean squared distance of path lengths from their running mean (arXiv:1912.04958, equation 4).

    Args:
        decay: weight of a batch in the running mean, in (0, 1].

    Shape:
        `lengths` ``(N,)`` → scalar.

    Attributes:
        mean: scalar buffer, initially 0; updated in training mode with the mean of the lengths over all ranks, unless
            it is not finite.

    Raises:
        ValueError: `decay` out of range.

    Example:
        >>> import torch
        >>> from stylelayers.losses import PathLengthPenalty
        >>> PathLengthPenalty(decay=1.0)(torch.tensor([1.0, 3.0]))
        tensor(1.)
    """

    mean: Tensor

    def __init__(self, decay: float = 0.01) -> None:
        super().__init__()
        check_number("PathLengthPenalty", above=0, most=1, decay=decay)
        self.decay = decay
        self.register_buffer("mean", torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.mean)

    def forward(self, lengths: Tensor) -> Tensor:
        if self.training:
            batch_mean = sum_over_ranks(lengths.detach().mean()) / rank_count()
            moved = torch.lerp(self.mean, batch_mean.to(self.mean.dtype), self.decay)
            move_buffer(self, "mean", torch.where(moved.isfinite(), moved, self.mean))
        return (lengths - self.mean).square().mean()

    def extra_repr(self) -> str:
        return f"decay={self.decay}"


def _random_direction(images: Tensor, noise: Tensor | None) -> Tensor:
    if images.ndim != 4 or (noise is not None and noise.shape != images.shape):
        got = None if noise is None else tuple(noise.shape)
        raise ValueError(
            f"path_lengths: images must be (N, C, H, W) and noise of their shape, got {tuple(images.shape)} and {got}"
        )
    noise = torch.randn_like(images) if noise is None else noise
    return noise / sqrt(images.shape[2] * images.shape[3])


def _lengths_of_gradient(gradient: Tensor, batch: int) -> Tensor:
    if gradient.ndim not in (2, 3) or len(gradient) != batch:
        raise ValueError(
            f"path_lengths: latents must be (N, D) or (N, L, D) for N = {batch} images, got {tuple(gradient.shape)}"
        )
    return gradient_norms(gradient) / sqrt(gradient.shape[1] if gradient.ndim == 3 else 1)
