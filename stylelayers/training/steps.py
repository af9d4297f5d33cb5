"""The optimiser steps of an iteration: which losses are due, and their gradients, summed over parts of the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..models import Discriminator, Generator

__all__ = ["Loss", "Part", "Penalty", "accumulate", "due_steps", "lazy_intervals", "split"]


@dataclass
class Part:
    """Some of the images of a batch.

    Attributes:
        images, labels: real ones; labels are None in unconditional training.
        fakes: the images that the generator's step made, without their graph.
        real_logits: of `images` in the discriminator's step, without their graph.
    """

    images: Tensor
    labels: Tensor | None
    fakes: Tensor | None = None
    real_logits: Tensor | None = None


Loss = Callable[[Generator, Discriminator, Part], tuple[Tensor, dict[str, Tensor]]]  # to minimise; to log


class Penalty(NamedTuple):
    """A loss that is due in one of so many iterations."""

    loss: Loss
    interval: int


def split(images: Tensor, labels: Tensor | None, parts: int) -> list[Part]:
    """A batch in equal parts.

    Raises:
        ValueError: the parts would not be equal.
    """
    if len(images) % parts:
        raise ValueError(f"model.micro_batches must divide the batch of {len(images)} images, got {parts}")
    chunks = [None] * parts if labels is None else labels.chunk(parts)
    return [Part(*part) for part in zip(images.chunk(parts), chunks, strict=True)]


def due_steps(loss: Loss, penalties: Iterable[Penalty], iteration: int) -> list[list[Loss]]:
    """The losses of every optimiser step of an iteration.

    The first step has `loss` and the penalties of every iteration. Penalties of a longer interval are steps of their
    own, together with those of the same interval.
    """
    steps = {1: [loss]}
    for penalty in penalties:
        steps.setdefault(penalty.interval, []).append(penalty.loss)
    return [losses for interval, losses in steps.items() if iteration % interval == 0]


def lazy_intervals(penalties: Iterable[Penalty]) -> list[int]:
    """Iterations from one step of its own to the next, of each such step."""
    return sorted({penalty.interval for penalty in penalties} - {1})


def accumulate(
    losses: Sequence[Loss],
    generator: Generator,
    discriminator: Discriminator,
    parts: Sequence[Part],
    backward: Callable[[Tensor], object],
) -> tuple[Tensor, dict[str, Tensor]]:
    """Add the gradients of the losses' sum, one graph at a time; return its value and what to log, means over parts."""
    total, logged = torch.zeros((), device=parts[0].images.device), dict[str, Tensor]()
    for loss in losses:
        for part in parts:
            value, values = loss(generator, discriminator, part)
            backward(value / len(parts))
            total += value.detach() / len(parts)
            for name, term in values.items():
                share = term.detach() / len(parts)
                logged[name] = logged[name] + share if name in logged else share
    return total, logged
