"""What a training step asks of the networks, four differentiable calls, eager or through ``torch.compile``."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from .. import losses
from ..models import Discriminator, Generator

__all__ = ["NetworkCalls"]


class NetworkCalls:
    """Images, logits, path lengths and R1 of networks, each call a graph of its own when compiled.

    Compiled penalties take the functional form, because gradients of a compiled network cannot be differentiated
    again; random numbers are eager torch's, so that results differ by rounding alone.

    Args:
        compile_for: the device to compile for; None for eager calls. Where no compiler works there is a warning,
            and the calls are eager.
    """

    def __init__(self, compile_for: torch.device | None = None) -> None:
        if compile_for is not None and _compiler_works(compile_for):
            self.synthesize, self.judge = _compiled(_synthesize), _compiled(_judge)
            self.lengths, self.r1 = _compiled(_lengths_vjp), _compiled(_r1_vjp)
        else:
            self.synthesize, self.judge, self.lengths, self.r1 = _synthesize, _judge, _lengths, _r1


def _synthesize(generator: Generator, ws: Tensor) -> Tensor:
    return cast(Tensor, generator.synthesis(ws))


def _judge(discriminator: Discriminator, images: Tensor, labels: Tensor | None) -> Tensor:
    return cast(Tensor, discriminator(images, labels))


def _lengths(generator: Generator, ws: Tensor) -> Tensor:
    return losses.path_lengths(generator.synthesis(ws), ws)


def _lengths_vjp(generator: Generator, ws: Tensor) -> Tensor:
    return losses.path_lengths_vjp(generator.synthesis, ws)


def _r1(discriminator: Discriminator, images: Tensor, labels: Tensor | None) -> Tensor:
    images = images.detach().requires_grad_()
    return losses.r1_penalty(discriminator(images, labels), images)


def _r1_vjp(discriminator: Discriminator, images: Tensor, labels: Tensor | None) -> Tensor:
    return losses.r1_penalty_vjp(discriminator, images, labels)


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
