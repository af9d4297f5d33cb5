"""An exponential moving average of a generator, with its half-life in images (arXiv:1710.10196, section 4.3)."""

from copy import deepcopy

import torch
from torch import nn

from .._checks import check_number
from ..models import StyleGenerator


class AveragedGenerator(nn.Module):
    """A copy of a generator whose parameters are an EMA of its parameters; buffers are copied.

    After each batch, the weight of the new parameters is ``1 - 0.5 ** (batch / half_life)`` (arXiv:1710.10196, section
    4.3).

    Args:
        generator: copied at once; not registered as a submodule.
        half_life: images after which half of the average is new, above 0.
        rampup: early in training the half-life is at most this share of the images seen; None for no ramp-up.

    Attributes:
        module: the averaged generator, in evaluation mode.
        given: names of parameters that an earlier training averaged; they have no ramp-up, which would replace them by
            those of `generator`.

    Raises:
        ValueError: arguments out of range.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.training import AveragedGenerator
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
        >>> average = AveragedGenerator(generator, half_life=1000)
        >>> average.update(generator, batch=32, images_seen=32)
        >>> average.module.training
        False
    """

    def __init__(self, generator: StyleGenerator, *, half_life: float, rampup: float | None = 0.05) -> None:
        super().__init__()
        check_number(
            "AveragedGenerator", above=0, half_life=half_life, **({} if rampup is None else {"rampup": rampup})
        )
        self.half_life, self.rampup = half_life, rampup
        self.module = deepcopy(generator).eval().requires_grad_(False)
        self.given: frozenset[str] = frozenset()

    @torch.no_grad()
    def update(self, generator: StyleGenerator, batch: int, images_seen: int) -> None:
        """Follow `generator` after `batch` further images, the last of `images_seen`."""
        ramped = self.half_life if self.rampup is None else min(self.half_life, images_seen * self.rampup)
        averages, news = dict(self.module.named_parameters()), dict(generator.named_parameters())
        for half_life, names in ((ramped, news.keys() - self.given), (self.half_life, self.given)):
            weight = 1 - 0.5 ** (batch / max(half_life, 1e-8))
            if names:
                pairs = [(averages[name], news[name]) for name in names]
                latest = [new if new.dtype == old.dtype else new.to(old.dtype) for old, new in pairs]
                torch._foreach_lerp_([old for old, _ in pairs], latest, weight)
        for average, buffer in zip(self.module.buffers(), generator.buffers(), strict=True):
            average.copy_(buffer)

    def train(self, mode: bool = True) -> "AveragedGenerator":
        """Stay in evaluation mode: the average is never trained."""
        return super().train(False)
