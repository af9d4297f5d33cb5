"""The discriminator as losses and penalties see it: behind the augmentation."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

__all__ = ["AugmentedDiscriminator"]


class AugmentedDiscriminator(nn.Module):
    """``discriminator(augment(images), labels)``; gradients are with respect to the images before."""

    def __init__(self, discriminator: nn.Module, augment: nn.Module) -> None:
        super().__init__()
        self.discriminator, self.augment = discriminator, augment

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return cast(Tensor, self.discriminator(self.augment(images), labels))
