"""The probability of augmentations, led by how far the discriminator overfits (arXiv:2006.06676, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..functional._buffers import move_buffer
from ._draws import is_zero
from .pipeline import AugmentPipeline

__all__ = ["AdaptiveAugment"]


class AdaptiveAugment(nn.Module):
    r"""Augmentations whose probability follows the discriminator's overfitting (arXiv:2006.06676, section 3.1).

    Overfitting is measured by :math:`r_t = E[\operatorname{sign} D(real)]`: 0 while real images cannot be told, 1 where
    the discriminator knows all of them. Every `interval` calls of :meth:`observe`, `p` goes up if it was above `target`
    and else down, by the share of `speed` that the images since then are. In evaluation mode images are left alone.

    Args:
        pipeline: called as ``pipeline(images, p)``; None is :class:`AugmentPipeline` with the paper's operations.
        p: the probability at the start, in [0, 1].
        target: of the mean sign, in [-1, 1]; None leaves `p` as it is.
        interval: calls of :meth:`observe`, one an iteration, from one adjustment to the next.
        speed: images in which `p` can go from 0 to 1; counted over all ranks.

    Shape:
        `images` ``(N, C, H, W)`` → the same.

    Attributes:
        p: scalar buffer.
        sign: scalar buffer, the latest mean sign.
        totals: buffer of three, what was observed since: sum of signs, images, calls.

    Raises:
        ValueError: a value out of range.

    Example:
        >>> import torch
        >>> from stylelayers.augment import AdaptiveAugment
        >>> augment = AdaptiveAugment(interval=1, speed=100)
        >>> augment.observe(torch.full((10, 1), 3.0))  # all images known as real: p goes up by 10 / 100
        >>> augment.p
        tensor(0.1000)
    """

    p: Tensor
    sign: Tensor
    totals: Tensor

    def __init__(
        self,
        pipeline: nn.Module | None = None,
        *,
        p: float = 0.0,
        target: float | None = 0.6,
        interval: int = 4,
        speed: float = 500_000,
    ) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"AdaptiveAugment: p must be in [0, 1], got {p!r}")
        if target is not None and not -1 <= target <= 1:
            raise ValueError(f"AdaptiveAugment: target must be in [-1, 1], or None for a fixed p, got {target!r}")
        if not isinstance(interval, int) or isinstance(interval, bool) or interval < 1:
            raise ValueError(f"AdaptiveAugment: interval must be an int of at least 1, got {interval!r}")
        if not speed > 0:
            raise ValueError(f"AdaptiveAugment: speed must be above 0 images, got {speed!r}")
        self.pipeline = AugmentPipeline() if pipeline is None else pipeline
        self.start, self.target, self.interval, self.speed = float(p), target, interval, speed
        for name, size in (("p", ()), ("sign", ()), ("totals", (3,))):
            self.register_buffer(name, torch.empty(size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.constant_(self.p, self.start)
        nn.init.zeros_(self.sign)
        nn.init.zeros_(self.totals)

    def forward(self, images: Tensor) -> Tensor:
        if not self.training or is_zero(self.p):
            return images
        result: Tensor = self.pipeline(images, self.p)
        return result

    @torch.no_grad()
    def observe(self, real_logits: Tensor) -> None:
        """Take account of the discriminator's logits of a batch of augmented real images; never waits for a device.

        In a process group every rank calls it equally often; signs are averaged and images counted over all ranks.
        """
        signs = real_logits.detach().sign().nan_to_num().to(self.totals.dtype)
        images = torch.full_like(signs.sum(), signs.numel())
        calls = torch.ones_like(images)
        totals = self.totals + torch.cat([_sum_over_ranks(torch.stack([signs.sum(), images])), calls.unsqueeze(0)])
        total, images, calls = totals.unbind()
        due = calls >= self.interval
        move_buffer(self, "sign", torch.where(due, total / images.clamp(min=1), self.sign))
        if self.target is not None:
            moved = self.p + (self.sign - self.target).sign() * images / self.speed
            move_buffer(self, "p", torch.where(due, moved.clamp(0, 1), self.p))
        move_buffer(self, "totals", totals * ~due)

    def extra_repr(self) -> str:
        return f"start={self.start}, target={self.target}, interval={self.interval}, speed={self.speed}"


def _sum_over_ranks(values: Tensor) -> Tensor:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(values)
    return values
