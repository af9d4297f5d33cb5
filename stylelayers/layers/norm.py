"""Normalization and statistics layers of ProgressiveGAN (arXiv:1710.10196, sections 3 and 4.2)."""

import torch
from torch import Tensor, nn

from .._checks import check_ints
from ..functional import minibatch_stddev, pixel_norm
from ._names import answers_to_other_names


@answers_to_other_names
class PixelNorm(nn.Module):
    """Scale to unit mean square along `dim`; see :func:`stylelayers.functional.pixel_norm`.

    From arXiv:1710.10196, section 4.2.

    Args:
        dim: of the mean; 1 is the channels.
        eps: added to the mean square.

    Shape:
        any shape, unchanged.

    Raises:
        ValueError: an input of integers or without dimension `dim` (at call).

    Example:
        >>> import torch
        >>> from stylelayers import PixelNorm
        >>> PixelNorm()(torch.full((2, 4), 5.0)).unique()
        tensor([1.])
    """

    def __init__(
        self,
        dim: int = 1,
        eps: float = 1e-8,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.eps = dim, eps

    def reset_parameters(self) -> None:
        """Do nothing: the layer has no state."""

    def forward(self, x: Tensor) -> Tensor:
        return pixel_norm(x, self.dim, self.eps)

    def extra_repr(self) -> str:
        return f"dim={self.dim}, eps={self.eps}"


@answers_to_other_names
class MinibatchStdDev(nn.Module):
    """Append channels with a group's standard deviation; see :func:`stylelayers.functional.minibatch_stddev`.

    From arXiv:1710.10196, section 3.

    Args:
        group_size: images per group, at least 1; a smaller batch is one group.
        num_channels: channels to append, at least 1; must divide ``C``.

    Shape:
        `x` ``(N, C, H, W)`` → ``(N, C + num_channels, H, W)``. With `batches`, `x` holds so many batches of equal size,
        one after another, which share no group.

    Raises:
        ValueError: arguments below 1 (at construction); as the function (at call).

    Example:
        >>> import torch
        >>> from stylelayers import MinibatchStdDev
        >>> MinibatchStdDev()(torch.randn(5, 8, 4, 4)).shape
        torch.Size([5, 9, 4, 4])
    """

    def __init__(
        self,
        group_size: int = 4,
        num_channels: int = 1,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_ints("MinibatchStdDev", group_size=group_size, num_channels=num_channels)
        self.group_size, self.num_channels = group_size, num_channels

    def reset_parameters(self) -> None:
        """Do nothing: the layer has no state."""

    def forward(self, x: Tensor, *, batches: int = 1) -> Tensor:
        return minibatch_stddev(x, self.group_size, self.num_channels, batches=batches)

    def extra_repr(self) -> str:
        return f"group_size={self.group_size}, num_channels={self.num_channels}"
