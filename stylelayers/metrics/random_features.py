"""A feature network that needs no download: the responses of images to fixed random filters.

Random convolutions are useful features (arXiv:1606.04801, arXiv:2002.09797). This is one layer of them; the logarithm
gives weak noise in smooth regions the weight of strong noise in rough ones.
"""

import torch
from torch import Tensor, nn

_FILTERS, _KERNEL, _LEVELS, _SMALLEST_SIDE = 16, 3, 4, 4
_FLOOR = 0.02  # responses far below it count as equal


class RandomFeatures(nn.Module):
    """``log(0.02 + s)``, s the mean and the standard deviation of ``|filter * image|`` over all pixels.

    Random convolutions are useful features (arXiv:1606.04801, arXiv:2002.09797). 16 filters of 3x3, on the image and on
    its averages to a half, a quarter and an eighth, down to sides of 4.

    Args:
        image_channels: of the images.

    Shape:
        ``(N, C, H, W)`` → ``(N, 32 * levels)``, 128 features from 32x32 up.

    Example:
        >>> import torch
        >>> from stylelayers.metrics import RandomFeatures
        >>> RandomFeatures(3)(torch.randn(2, 3, 32, 32)).shape
        torch.Size([2, 128])
    """

    filters: Tensor

    def __init__(self, image_channels: int) -> None:
        super().__init__()
        shape = (_FILTERS, image_channels, _KERNEL, _KERNEL)
        filters = torch.randn(shape, generator=torch.Generator().manual_seed(0)) / (image_channels * _KERNEL**2) ** 0.5
        self.register_buffer("filters", filters)

    def forward(self, images: Tensor) -> Tensor:
        features = []
        for _ in range(_LEVELS):
            padded = nn.functional.pad(images, [1] * 4, mode="replicate")
            responses = nn.functional.conv2d(padded, self.filters).abs().flatten(2)
            features += [responses.mean(2), responses.std(2, correction=0)]
            if min(images.shape[2:]) < 2 * _SMALLEST_SIDE:
                break
            images = nn.functional.avg_pool2d(images, 2)
        return (torch.cat(features, 1) + _FLOOR).log()
