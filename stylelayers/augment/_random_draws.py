"""Random numbers for augmentations, one per sample, from torch's global generator on the images' device."""

import torch
from torch import Tensor

from ..functional._buffers import number_without_sync
from .operations import cutout


def uniform(images: Tensor) -> Tensor:
    """``(N,)`` uniform numbers in [0, 1), in float32 at least."""
    return torch.rand(images.shape[0], device=images.device, dtype=_dtype(images))


def normal(images: Tensor) -> Tensor:
    """``(N,)`` unit normal numbers, in float32 at least."""
    return torch.randn(images.shape[0], device=images.device, dtype=_dtype(images))


def integers(images: Tensor, low: int, high: int) -> Tensor:
    """``(N,)`` integers in [low, high)."""
    return torch.randint(low, high, (images.shape[0],), device=images.device)


def bernoulli(images: Tensor, p: Tensor | float) -> Tensor:
    """``(N,)`` booleans, true with probability `p`."""
    return uniform(images) < p


def change_where(change: Tensor, images: Tensor, changed: Tensor) -> Tensor:
    """Take samples of `changed` where `change` ``(N,)`` is true and of `images`, bit for bit, elsewhere."""
    return torch.where(change.view(-1, *[1] * (images.ndim - 1)), changed, images)


def is_known_zero(p: Tensor | float) -> bool:
    """Whether `p` is known to be 0, without waiting for a device or breaking a graph."""
    return (number_without_sync(p) if isinstance(p, Tensor) else p) == 0


def random_cutout(images: Tensor, share: float, fill: float) -> Tensor:
    """Cut `share` of height and width out of each image, around any of its pixels."""
    height, width = images.shape[2:]
    size = (int(height * share + 0.5), int(width * share + 0.5))
    corner = torch.stack([integers(images, 0, height) - size[0] // 2, integers(images, 0, width) - size[1] // 2], 1)
    return cutout(images, corner, size, fill=fill)


def _dtype(images: Tensor) -> torch.dtype:
    return torch.promote_types(images.dtype, torch.float32)
