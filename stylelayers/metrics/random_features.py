"""A feature network that is there without a download: fixed random filters, and how strongly images answer to them.

Random convolutions are known to be features of use (arXiv:1606.04801, arXiv:2002.09797); these are one layer, of which
the logarithm is taken, so that a little noise in a smooth region counts as much as more of it in a rough one.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["RandomFeatures"]

_FILTERS, _KERNEL, _LEVELS, _SMALLEST_SIDE = 16, 3, 4, 4
_FLOOR = 0.02  # answers far below this are alike


class RandomFeatures(nn.Module):
    """``log(0.02 + s)``, s the mean and the deviation over all places of ``|filter * image|``.

    16 filters of 3x3, on the image and on its averages to a half, a quarter and an eighth, down to sides of 4.

    Args:
        image_channels: of the images.

    Shape:
        ``(N, C, H, W)`` → ``(N, 32 * levels)``, 128 features from 32x32 on.
    """

    filters: Tensor

    def __init__(self, image_channels: int) -> None:
        super().__init__()
        shape = (_FILTERS, image_channels, _KERNEL, _KERNEL)
        filters = torch.randn(shape, generator=torch.Generator().manual_seed(0)) / (image_channels * _KERNEL**2) ** 0.5
        self.register_buffer("filters", filters)

    def forward(self, images: Tensor) -> Tensor:
        found = []
        for _ in range(_LEVELS):
            padded = nn.functional.pad(images, [1] * 4, mode="replicate")
            answers = nn.functional.conv2d(padded, self.filters).abs().flatten(2)
            found += [answers.mean(2), answers.std(2, correction=0)]
            if min(images.shape[2:]) < 2 * _SMALLEST_SIDE:
                break
            images = nn.functional.avg_pool2d(images, 2)
        return (torch.cat(found, 1) + _FLOOR).log()
