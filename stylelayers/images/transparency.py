"""Images with an alpha channel, the second of two or the fourth of four, as those without."""

import torch
from torch import Tensor

COLOR_CHANNELS = {2: 1, 4: 3}
"""Channels of images with alpha → their colour channels."""


def over_white(images: Tensor) -> Tensor:
    """Composite images in [-1, 1] over white: grey or RGB ``a * colour + (1 - a)``, a the alpha channel in [0, 1].

    Values outside [-1, 1] are clamped as in files. Images of other than 2 or 4 channels are returned as they are.

    Args:
        images: floating-point images.

    Shape:
        ``(N, 2, H, W)`` → ``(N, 1, H, W)``, ``(N, 4, H, W)`` → ``(N, 3, H, W)``.

    Example:
        >>> import torch
        >>> from stylelayers.images import over_white
        >>> over_white(torch.tensor([-1.0, 0.0]).view(1, 2, 1, 1)).item()  # black, half transparent
        0.0
    """
    colors = COLOR_CHANNELS.get(images.shape[1])
    if colors is None:
        return images
    images = images.clamp(-1, 1)
    return torch.lerp(torch.ones_like(images[:, :colors]), images[:, :colors], (images[:, colors:] + 1) / 2)
