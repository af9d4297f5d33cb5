"""Minibatch standard deviation of ProgressiveGAN (arXiv:1710.10196, section 3).

Difference from published implementations: any batch size. If the group size does not divide it, group sizes
differ by at most one; if it does, the result is the usual one.
"""

import torch
from torch import Tensor
from torch.nn.functional import pad

from .._checks import check_ints
from ._autocast import at_least_float32, in_dtype


def minibatch_stddev(x: Tensor, group_size: int = 4, num_channels: int = 1, *, batches: int = 1) -> Tensor:
    """Append `num_channels` channels with the standard deviation over the images of a group.

    As in arXiv:1710.10196, section 3, over groups instead of the whole batch.

    With ``M = ceil(N / group_size)`` groups, image ``n`` belongs to group ``n % M``. The standard deviation
    over a group is averaged over pixels and over each of `num_channels` blocks of channels. The output of
    one image therefore depends on the others of its group: per-sample gradients are not independent.
    Module: :class:`stylelayers.MinibatchStdDev`.

    Args:
        x: feature maps.
        group_size: images per group, at least 1; a smaller batch is one group.
        num_channels: channels to append; must divide ``C``.
        batches: `x` holds so many batches of N / `batches` images, one after another, which share no group: each has
            the statistics that it would have alone.

    Shape:
        ``(N, C, H, W)`` → ``(N, C + num_channels, H, W)``.

    Raises:
        ValueError: wrong rank, `group_size` below 1, `num_channels` that does not divide ``C``, or `batches` that
            does not divide N.

    Example:
        >>> import torch
        >>> from stylelayers.functional import minibatch_stddev
        >>> minibatch_stddev(torch.randn(7, 8, 4, 4), group_size=4).shape
        torch.Size([7, 9, 4, 4])
    """
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(f"minibatch_stddev: x must be a floating-point (N, C, H, W), got {x.dtype} {tuple(x.shape)}")
    total, channels, height, width = x.shape
    check_ints("minibatch_stddev", group_size=group_size, num_channels=num_channels, batches=batches)
    if channels % num_channels:
        raise ValueError(f"minibatch_stddev: num_channels must divide the {channels} channels, got {num_channels}")
    if total % batches:
        raise ValueError(f"minibatch_stddev: batches must divide the {total} images, got {batches}")
    batch = total // batches
    groups = -(-(batch or 1) // group_size)  # no `max`, which a trace would fix for all batch sizes
    members = -(-(batch or 1) // groups)
    wide = at_least_float32(x)  # 1e-8 is 0 in float16
    y = pad(wide.unflatten(0, (batches, batch)), (0, 0, 0, 0, 0, 0, 0, groups * members - batch))
    y = y.reshape(batches, members, groups, num_channels, -1, height, width)
    weight = _weights(batch, members, groups, wide)
    centred = y - (y * weight).sum(1, keepdim=True)
    stddev = ((centred.square() * weight).sum(1) + 1e-8).sqrt().mean((3, 4, 5))  # (batches, groups, num_channels)
    stddev = stddev.unsqueeze(1).expand(-1, members, -1, -1).flatten(1, 2)[:, :batch]
    maps = stddev.reshape(total, num_channels, 1, 1).expand(-1, -1, height, width)
    return torch.cat([x, in_dtype(maps, x.dtype)], dim=1)


def _weights(batch: int, members: int, groups: int, like: Tensor) -> Tensor:
    """1 / group size for each image and 0 for padding; (members, groups, 1, 1, 1, 1)."""
    numbers = torch.arange(members * groups, device=like.device).view(members, groups, 1, 1, 1, 1)
    present = (numbers < batch).to(like.dtype)
    return present / present.sum(0).clamp(min=1)
