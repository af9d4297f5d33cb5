"""An exponential moving average of a generator, with its half-life in images (arXiv:1710.10196, section 4.3)."""

from __future__ import annotations

from copy import deepcopy
from typing import cast

import torch
from torch import Tensor, nn

from ..models import Generator

__all__ = ["AveragedGenerator"]


class AveragedGenerator(nn.Module):
    """A copy of a generator that follows it slowly; buffers are copied.

    Args:
        generator: copied at once; not registered as a submodule.
        half_life: images after which half of the average is new, above 0.
        rampup: early in training the half-life is at most this share of the images seen; None for no ramp-up.

    Attributes:
        module: the averaged generator, in evaluation mode.
    """

    def __init__(self, generator: Generator, *, half_life: float, rampup: float | None = 0.05) -> None:
        super().__init__()
        if not half_life > 0 or (rampup is not None and not rampup > 0):
            raise ValueError(
                f"model.average_half_life and model.average_rampup must be above 0, got {half_life} and {rampup}"
            )
        self.half_life, self.rampup = half_life, rampup
        self.module = cast(Generator, deepcopy(generator).eval().requires_grad_(False))

    @torch.no_grad()
    def update(self, generator: Generator, batch: int, images_seen: int) -> None:
        """Follow `generator` after `batch` further images, the last of `images_seen`."""
        half_life = self.half_life
        if self.rampup is not None:
            half_life = min(half_life, images_seen * self.rampup)
        weight = 1 - 0.5 ** (batch / max(half_life, 1e-8))
        averages: list[Tensor] = list(self.module.parameters())
        latest = [new.to(old.dtype) for new, old in zip(generator.parameters(), averages, strict=True)]
        torch._foreach_lerp_(averages, latest, weight)
        for average, buffer in zip(self.module.buffers(), generator.buffers(), strict=True):
            average.copy_(buffer)

    def train(self, mode: bool = True) -> AveragedGenerator:
        """Stay in evaluation mode: the average is never trained."""
        return cast(AveragedGenerator, super().train(False))
