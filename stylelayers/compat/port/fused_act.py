"""Bias and leaky ReLU under the signatures of the PyTorch port."""

import torch
from torch import Tensor, nn

from ..official.bias_act import bias_act


def fused_leaky_relu(
    input: Tensor, bias: Tensor | None = None, negative_slope: float = 0.2, scale: float = 2**0.5
) -> Tensor:
    """Compute ``scale * leaky_relu(input + bias)``.

    Args:
        input: tensor whose dimension 1 the bias runs along; of one dimension, it is one sample.
        bias: one number a channel; None for none.
        negative_slope: factor on negative numbers.
        scale: factor on the result.

    Shape:
        ``(N, C, *)``, ``(C,)`` → ``(N, C, *)``; ``(C,)``, ``(C,)`` → ``(1, C)``.

    Example:
        >>> import torch
        >>> from stylelayers.compat.port import fused_leaky_relu
        >>> fused_leaky_relu(torch.tensor([[-1.0, 1.0]]), torch.zeros(2), scale=1.0)
        tensor([[-0.2000,  1.0000]])
    """
    if bias is not None and input.ndim == 1:
        input = input.unsqueeze(0)
    return bias_act(input, bias, act="lrelu", alpha=negative_slope, gain=scale)


class FusedLeakyReLU(nn.Module):
    """:func:`fused_leaky_relu` with a bias of its own.

    Args:
        channel: number of channels.
        bias: whether to add a bias.
        negative_slope, scale: see :func:`fused_leaky_relu`.

    Attributes:
        bias: ``(channel,)``, starts at 0; None without one.

    Shape:
        ``(N, channel, *)`` → the same.

    Raises:
        ValueError: `bias` is no bool, as in calls of old copies, whose second argument was the slope.
    """

    bias: nn.Parameter | None

    def __init__(self, channel: int, bias: bool = True, negative_slope: float = 0.2, scale: float = 2**0.5) -> None:
        super().__init__()
        if not isinstance(bias, bool):
            raise ValueError(f"FusedLeakyReLU: bias must be a bool, got {bias!r}; name the argument negative_slope")
        self.bias = nn.Parameter(torch.empty(channel)) if bias else None
        self.negative_slope, self.scale = negative_slope, scale
        self.reset_parameters()

    def reset_parameters(self) -> None:
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return fused_leaky_relu(input, self.bias, self.negative_slope, self.scale)
