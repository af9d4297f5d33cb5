"""Augmentation with a probability that follows the discriminator's overfitting (arXiv:2006.06676, section 3)."""

import torch
from torch import Tensor, nn

from .._checks import check_ints, check_number
from .._ranks import sum_over_ranks
from ..functional._buffers import move_buffer
from ._random_draws import is_known_zero
from .pipeline import AugmentPipeline


class AdaptiveAugment(nn.Module):
    r"""Augmentations whose probability follows the discriminator's overfitting (arXiv:2006.06676, section 3.1).

    Overfitting is measured by :math:`r_t = E[\operatorname{sign} D(real)]`: 0 if the discriminator cannot tell real
    images from generated ones, 1 if it recognises all of them. Every `interval` calls of :meth:`update`, `p` increases
    if :math:`r_t` is above `target` and decreases otherwise, by the number of images since then over `speed`. In
    evaluation mode images are unchanged.

    Args:
        pipeline: a module, called as ``pipeline(images, p)``; None is :class:`AugmentPipeline` with the paper's
            operations.
        p: initial probability, in [0, 1].
        target: of the mean sign, in [-1, 1]; None keeps `p` fixed.
        interval: calls of :meth:`update` (one per iteration) between adjustments, at least 1.
        speed: number of images, over all ranks, in which `p` can go from 0 to 1; above 0.

    Shape:
        `images` ``(N, C, H, W)`` → the same.

    Attributes:
        p: scalar buffer.
        sign: scalar buffer, the latest mean sign.
        totals: buffer of three numbers since the last adjustment: sum of signs, images, calls.

    Raises:
        ValueError: a value out of range.

    Example:
        >>> import torch
        >>> from stylelayers.augment import AdaptiveAugment
        >>> augment = AdaptiveAugment(interval=1, speed=100)
        >>> augment.update(torch.full((10, 1), 3.0))  # all recognised as real: p grows by 10 / 100
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
        check_number("AdaptiveAugment", least=0, most=1, p=p)
        if target is not None:
            check_number("AdaptiveAugment", least=-1, most=1, target=target)
        check_ints("AdaptiveAugment", interval=interval)
        check_number("AdaptiveAugment", above=0, speed=speed)
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
        if not self.training or is_known_zero(self.p):
            return images
        result: Tensor = self.pipeline(images, self.p)
        return result

    @torch.no_grad()
    def update(self, real_logits: Tensor) -> None:
        """Update the statistics, and `p` when it is due, from logits of augmented real images, without device sync.

        Signs are averaged and images counted over ranks, which must call this equally often.
        """
        signs = real_logits.detach().sign().nan_to_num().to(self.totals.dtype)
        images = torch.full_like(signs.sum(), signs.numel())
        calls = torch.ones_like(images)
        totals = self.totals + torch.cat([sum_over_ranks(torch.stack([signs.sum(), images])), calls.unsqueeze(0)])
        total, images, calls = totals.unbind()
        due = calls >= self.interval
        move_buffer(self, "sign", torch.where(due, total / images.clamp(min=1), self.sign))
        if self.target is not None:
            moved = self.p + (self.sign - self.target).sign() * images / self.speed
            move_buffer(self, "p", torch.where(due, moved.clamp(0, 1), self.p))
        move_buffer(self, "totals", totals * ~due)

    def extra_repr(self) -> str:
        return f"start={self.start}, target={self.target}, interval={self.interval}, speed={self.speed}"
