"""Gradient penalties: R1, R2, WGAN-GP and path length, each from a live graph or, as ``*_vjp``, from a callable.

The forms from a live graph work with any network in eager mode. The ``*_vjp`` forms compute the same numbers
through ``torch.func`` and compile in one graph, which a compiled network under the first form does not.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any, cast

import torch
from torch import Tensor, nn

__all__ = [
    "PathLengthPenalty",
    "gradient_penalty",
    "gradient_penalty_vjp",
    "interpolates",
    "path_lengths",
    "path_lengths_vjp",
    "r1_penalty",
    "r1_penalty_vjp",
    "r2_penalty",
]

_COMPILED_FORM = {
    "r1_penalty": "r1_penalty_vjp",
    "r2_penalty": "r1_penalty_vjp on generated images",
    "gradient_penalty": "gradient_penalty_vjp",
    "path_lengths": "path_lengths_vjp",
}


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
    gradient = _gradient("r1_penalty", logits.sum(), images, "images", "logits")
    return _mean_square_norm(gradient)


def r2_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """R1's formula on generated images (arXiv:1801.04406, equation 10); see :func:`r1_penalty`."""
    gradient = _gradient("r2_penalty", logits.sum(), images, "images", "logits")
    return _mean_square_norm(gradient)


def r1_penalty_vjp(discriminator: Callable[..., Tensor], images: Tensor, labels: Tensor | None = None) -> Tensor:
    """:func:`r1_penalty` (or R2, on generated images) from a callable, through ``torch.func``.

    Args:
        discriminator: called as ``discriminator(images)``, or ``discriminator(images, labels)`` with labels.
        images: ``(N, ...)``; need not require grad.
        labels: handed on, None for an unconditional discriminator.
    """
    return _mean_square_norm(_gradient_vjp(discriminator, images, labels))


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
    return _mean_square_excess(_gradient("gradient_penalty", logits.sum(), images, "images", "logits"))


def gradient_penalty_vjp(discriminator: Callable[..., Tensor], images: Tensor, labels: Tensor | None = None) -> Tensor:
    """:func:`gradient_penalty` from a callable, through ``torch.func``; the arguments of :func:`r1_penalty_vjp`."""
    return _mean_square_excess(_gradient_vjp(discriminator, images, labels))


def path_lengths(images: Tensor, latents: Tensor, noise: Tensor | None = None) -> Tensor:
    r"""How far each image moves a unit of its latent: :math:`\|J_w^T y\|` (arXiv:1912.04958, equation 4).

    With several latents a sample the mean of squares over them is taken: :math:`\sqrt{\frac1L\sum_l\|J_{w_l}^T y\|^2}`.

    Args:
        images: ``(N, C, H, W)`` computed from `latents`, by any generator.
        latents: ``(N, D)`` or ``(N, L, D)``, requiring grad before the generator was called.
        noise: unit normal, of the images' shape, None to draw it; divided by ``sqrt(H * W)`` here.

    Returns:
        ``(N,)`` lengths that can be differentiated again.

    Raises:
        ValueError: shapes that do not fit, or images made without a graph to the latents.
    """
    direction = _direction(images, noise)
    gradient = _gradient("path_lengths", (images * direction).sum(), latents, "latents", "images")
    return _lengths(gradient, len(images))


def path_lengths_vjp(synthesis: Callable[[Tensor], Tensor], latents: Tensor, noise: Tensor | None = None) -> Tensor:
    """:func:`path_lengths` from a callable ``synthesis(latents) -> images``, through ``torch.func``."""
    images, pull_back = _vjp(synthesis, latents)
    (gradient,) = pull_back(_direction(images, noise))
    return _lengths(gradient, len(images))


class PathLengthPenalty(nn.Module):
    r"""Mean squared distance of path lengths from their running mean (arXiv:1912.04958, equation 4).

    Args:
        decay: weight of a new batch in the running mean, in (0, 1].

    Shape:
        `lengths` ``(N,)`` → scalar.

    Attributes:
        mean: scalar buffer, initially 0; moved in training mode, by finite lengths, averaged over the ranks of a
            process group.

    Example:
        >>> import torch
        >>> from stylelayers.losses import PathLengthPenalty
        >>> PathLengthPenalty(decay=1.0)(torch.tensor([1.0, 3.0]))
        tensor(1.)
    """

    mean: Tensor

    def __init__(self, decay: float = 0.01) -> None:
        super().__init__()
        if not 0 < decay <= 1:
            raise ValueError(f"PathLengthPenalty: decay must be in (0, 1], got {decay}")
        self.decay = decay
        self.register_buffer("mean", torch.empty(()))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.mean)

    def forward(self, lengths: Tensor) -> Tensor:
        if self.training:
            # A new tensor: after a change in place, inductor's backward pass (torch 2.15) would move the mean again.
            batch_mean = _mean_over_ranks(lengths.detach().mean()).to(self.mean.dtype)
            moved = torch.lerp(self.mean, batch_mean, self.decay)
            self.mean = torch.where(moved.isfinite(), moved, self.mean)
        return (lengths - self.mean).square().mean()

    def extra_repr(self) -> str:
        return f"decay={self.decay}"


def _gradient(who: str, output: Tensor, source: Tensor, source_name: str, output_name: str) -> Tensor:
    if not source.requires_grad:
        raise ValueError(
            f"{who}: {source_name} must require grad before the network is called, got a tensor that does not; "
            f"use {source_name}.requires_grad_()"
        )
    if not output.requires_grad:
        raise ValueError(f"{who}: {output_name} have no graph; they were computed under no_grad or detached")
    (gradient,) = torch.autograd.grad(output, source, create_graph=True, allow_unused=True)
    if gradient is None:
        raise ValueError(f"{who}: {output_name} were not computed from these {source_name}")
    if gradient.dtype == torch.float16 and not gradient.isfinite().all():
        raise ValueError(
            f"{who}: the gradient overflows float16; compute {output_name} for the penalty in float32 or bfloat16"
        )
    if _is_compiled(gradient):
        raise ValueError(
            f"{who}: {output_name} come from a network under torch.compile, whose gradients cannot be differentiated "
            f"again; use {_COMPILED_FORM[who]} inside one torch.compile(fullgraph=True), or the network uncompiled"
        )
    return gradient


def _is_compiled(gradient: Tensor) -> bool:
    """Whether a compiled function's backward made part of `gradient`, which torch tells only when it is too late."""
    seen, stack = set(), [gradient.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        if "CompiledFunctionBackwardBackward" in node.name():
            return True
        seen.add(node)
        stack += [parent for parent, _ in node.next_functions]
    return False


def _vjp(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor]]]:
    return cast(Any, torch.func.vjp(function, x))


def _gradient_vjp(discriminator: Callable[..., Tensor], images: Tensor, labels: Tensor | None) -> Tensor:
    extra = () if labels is None else (labels,)
    logits, pull_back = _vjp(lambda x: discriminator(x, *extra), images)
    (gradient,) = pull_back(torch.ones_like(logits))
    return gradient


def _mean_square_norm(gradient: Tensor) -> Tensor:
    return _at_least_float32(gradient).square().flatten(1).sum(1).mean()


def _mean_square_excess(gradient: Tensor) -> Tensor:
    norms = torch.linalg.vector_norm(_at_least_float32(gradient).flatten(1), dim=1)
    return (norms - 1).square().mean()


def _at_least_float32(gradient: Tensor) -> Tensor:
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32))  # squares overflow float16 from 256 on


def _direction(images: Tensor, noise: Tensor | None) -> Tensor:
    if images.ndim != 4 or (noise is not None and noise.shape != images.shape):
        got = None if noise is None else tuple(noise.shape)
        raise ValueError(
            f"path_lengths: images must be (N, C, H, W) and noise of their shape, got {tuple(images.shape)} and {got}"
        )
    noise = torch.randn_like(images) if noise is None else noise
    return noise / sqrt(images.shape[2] * images.shape[3])


def _lengths(gradient: Tensor, batch: int) -> Tensor:
    if gradient.ndim not in (2, 3) or len(gradient) != batch:
        raise ValueError(
            f"path_lengths: latents must be (N, D) or (N, L, D) for N = {batch} images, got {tuple(gradient.shape)}"
        )
    squares = _at_least_float32(gradient).square().sum(-1)
    return (squares if squares.ndim == 1 else squares.mean(1)).sqrt()


def _mean_over_ranks(value: Tensor) -> Tensor:
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    value = value.clone()
    torch.distributed.all_reduce(value)
    return value / torch.distributed.get_world_size()
