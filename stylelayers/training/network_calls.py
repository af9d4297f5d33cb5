"""What a training step asks of the networks, five differentiable calls, eager or through ``torch.compile``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from .. import losses
from ..models import Discriminator, Generator

__all__ = ["AugmentedDiscriminator", "NetworkCalls"]


class NetworkCalls:
    """Images, logits, path lengths and gradient norms of networks, each call a graph of its own when compiled.

    Compiled penalties take the functional form, because gradients of a compiled network cannot be differentiated
    again; random numbers are eager torch's, so that results differ by rounding alone. The discriminator sees images
    in `judge` and nowhere else, the penalties included.

    Args:
        compile_for: the device to compile for; None for eager calls. Where no compiler works there is a warning,
            and the calls are eager.
    """

    def __init__(self, compile_for: torch.device | None = None) -> None:
        compiled = compile_for is not None and _compiler_works(compile_for)
        prepare = _compiled if compiled else _as_it_is
        self.synthesize, self.judge = prepare(_synthesize), prepare(_judge)
        self.lengths = prepare(_lengths_vjp if compiled else _lengths)
        self.square_norm = prepare(_square_norm_vjp if compiled else _square_norm)
        self.gradient_penalty = prepare(_gradient_penalty_vjp if compiled else _gradient_penalty)


class AugmentedDiscriminator(nn.Module):
    """``discriminator(augment(images), labels)``."""

    def __init__(self, discriminator: nn.Module, augment: nn.Module | None) -> None:
        super().__init__()
        self.discriminator, self.augment = discriminator, augment

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        seen = images if self.augment is None else self.augment(images)
        return cast(Tensor, self.discriminator(seen, labels))


def _synthesize(generator: Generator, ws: Tensor) -> Tensor:
    return cast(Tensor, generator.synthesis(ws))


def _judge(discriminator: Discriminator, images: Tensor, labels: Tensor | None) -> Tensor:
    return cast(Tensor, discriminator(images, labels))


def _lengths(generator: Generator, ws: Tensor) -> Tensor:
    ws = ws if ws.requires_grad else ws.detach().requires_grad_()  # the mapping network may be frozen
    return losses.path_lengths(generator.synthesis(ws), ws)


def _lengths_vjp(generator: Generator, ws: Tensor) -> Tensor:
    return losses.path_lengths_vjp(generator.synthesis, ws)


def _square_norm(discriminator: Discriminator, images: Tensor, labels: Tensor | None) -> Tensor:
    images = images.detach().requires_grad_()
    return losses.r1_penalty(_judge(discriminator, images, labels), images)


def _square_norm_vjp(discriminator: Discriminator, images: Tensor, labels: Tensor | None) -> Tensor:
    return losses.r1_penalty_vjp(partial(_judge, discriminator, labels=labels), images)


def _gradient_penalty(discriminator: Discriminator, images: Tensor, labels: Tensor | None) -> Tensor:
    images = images.detach().requires_grad_()
    return losses.gradient_penalty(_judge(discriminator, images, labels), images)


def _gradient_penalty_vjp(discriminator: Discriminator, images: Tensor, labels: Tensor | None) -> Tensor:
    return losses.gradient_penalty_vjp(partial(_judge, discriminator, labels=labels), images)


def _as_it_is(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return function


def _compiled(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return cast(Any, torch.compile(function, fullgraph=True, dynamic=False, options={"fallback_random": True}))


def _compiler_works(device: torch.device) -> bool:
    """Whether `torch.compile` can make code for the device; it says so only when it first has to."""
    try:
        torch.compile(torch.sin, fullgraph=True)(torch.ones(2, device=device))
    except Exception as error:  # whatever a missing or broken compiler raises
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        warnings.warn(f"model.compile=true finds no working compiler, training goes on without: {reason}", stacklevel=2)
        return False
    return True
