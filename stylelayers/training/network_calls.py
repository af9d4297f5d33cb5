"""Differentiable calls of the networks in training, eager or through ``torch.compile``."""

import warnings
from collections.abc import Callable
from functools import partial
from inspect import signature
from typing import Any, cast

import torch
from torch import Tensor, nn

from .. import losses
from ..models import Discriminator, StyleGenerator

_PENALTIES = {  # from a live graph and, for compiled networks, through torch.func
    "r1": (losses.r1_penalty, losses.r1_penalty_vjp),
    "gradient_penalty": (losses.gradient_penalty, losses.gradient_penalty_vjp),
}


class NetworkCalls:
    """Two networks, and an augmentation of everything that the discriminator sees.

    Compiled, each call is a graph of its own. Compiled penalties take the functional form, because gradients of a
    compiled network cannot be differentiated again; random numbers are eager torch's, so that results differ by
    rounding alone.

    Args:
        generator, discriminator: the networks.
        augment: maps images to images of the same shape; None for none.
        compile_for: the device to compile for; None for eager calls. Where no compiler works there is a warning,
            and the calls are eager.
    """

    def __init__(
        self,
        generator: StyleGenerator,
        discriminator: Discriminator,
        augment: nn.Module | None = None,
        *,
        compile_for: torch.device | None = None,
    ) -> None:
        self.generator, self.discriminator, self.augment = generator, discriminator, augment
        self.compiled = compile_for is not None and _compiler_works(compile_for)
        wrap = _compile if self.compiled else _keep
        self._takes_batches = "batches" in signature(discriminator.forward).parameters
        self._synthesize, self._discriminate = wrap(_synthesize), wrap(_discriminate)
        self._path_lengths = wrap(_path_lengths_vjp if self.compiled else _path_lengths)
        self._penalize = wrap(_penalize_vjp if self.compiled else _penalize)

    def synthesize(self, ws: Tensor) -> Tensor:
        """Images of styles ``(N, num_ws, w_dim)``."""
        return self._synthesize(self.generator, ws)

    def discriminate(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Logits ``(N, 1)`` of the augmented images."""
        return self._discriminate(self.discriminator, self.augment, images, labels)

    def discriminate_both(
        self, first: Tensor, second: Tensor, labels: Tensor | None = None, second_labels: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits of two batches of as many images; without labels of its own, the second has those of the first.

        One call for a discriminator that takes `batches`, as :class:`Discriminator` does, else one for each.
        """
        second_labels = labels if second_labels is None else second_labels
        if not self._takes_batches:
            return self.discriminate(first, labels), self.discriminate(second, second_labels)
        labels = None if labels is None else torch.cat([labels, cast(Tensor, second_labels)])
        logits = self._discriminate(self.discriminator, self.augment, torch.cat([first, second]), labels, 2)
        of_first, of_second = logits.chunk(2)
        return of_first, of_second

    def path_lengths(self, ws: Tensor) -> Tensor:
        """Lengths ``(N,)``, see :func:`stylelayers.losses.path_lengths`."""
        return self._path_lengths(self.generator, ws)

    def penalize_gradient(self, penalty: str, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """The penalty ``"r1"`` or ``"gradient_penalty"`` on the gradient with respect to the images as they are.

        The augmentation is part of the function that is differentiated.
        """
        return self._penalize(penalty, self.discriminator, self.augment, images, labels)

    def penalize_difference(self, images: Tensor, labels: Tensor | None = None, *, sigma: float) -> Tensor:
        """R1's penalty by finite differences, under one draw of the augmentation.

        Compiled, it calls the graph of :meth:`discriminate`, and compiles none of its own.
        """
        return losses.finite_difference_penalty(self.discriminate, images, labels, sigma=sigma)


def _synthesize(generator: StyleGenerator, ws: Tensor) -> Tensor:
    return cast(Tensor, generator.synthesis(ws))


def _discriminate(
    discriminator: Discriminator, augment: nn.Module | None, images: Tensor, labels: Tensor | None, batches: int = 1
) -> Tensor:
    images = images if augment is None else augment(images)
    return cast(
        Tensor, discriminator(images, labels) if batches == 1 else discriminator(images, labels, batches=batches)
    )


def _path_lengths(generator: StyleGenerator, ws: Tensor) -> Tensor:
    ws = ws if ws.requires_grad else ws.detach().requires_grad_()  # the mapping network may be frozen
    return losses.path_lengths(generator.synthesis(ws), ws)


def _path_lengths_vjp(generator: StyleGenerator, ws: Tensor) -> Tensor:
    return losses.path_lengths_vjp(generator.synthesis, ws)


def _penalize(
    penalty: str, discriminator: Discriminator, augment: nn.Module | None, images: Tensor, labels: Tensor | None
) -> Tensor:
    images = images.detach().requires_grad_()
    return _PENALTIES[penalty][0](_discriminate(discriminator, augment, images, labels), images)


def _penalize_vjp(
    penalty: str, discriminator: Discriminator, augment: nn.Module | None, images: Tensor, labels: Tensor | None
) -> Tensor:
    return _PENALTIES[penalty][1](partial(_discriminate, discriminator, augment, labels=labels), images)


def _keep(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return function


def _compile(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return cast(Any, torch.compile(function, fullgraph=True, dynamic=False, options={"fallback_random": True}))


def _compiler_works(device: torch.device) -> bool:
    """Whether `torch.compile` can make code for the device, which only a try tells."""
    try:
        torch.compile(torch.sin, fullgraph=True)(torch.ones(2, device=device))
    except Exception as error:  # whatever a missing or broken compiler raises
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        warnings.warn(f"GAN: compile=True finds no working compiler, and training is eager: {reason}", stacklevel=2)
        return False
    return True
