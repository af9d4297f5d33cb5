"""The layers as usually written in plain torch: a baseline without other projects.

Contiguous layout; depthwise FIR by ``conv2d(groups=C)``; one grouped convolution over per-sample weights; separate
bias, activation and gain. The modulated convolution pads by reflection and resamples by nearest neighbour and mean.
"""

from __future__ import annotations

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = [
    "PlainModulatedConv2d",
    "plain_bias_act",
    "plain_blur",
    "plain_downsample",
    "plain_filtered_lrelu",
    "plain_upsample",
    "sliced_blur",
]


def plain_blur(x: Tensor, taps: tuple[int, ...] = (1, 2, 1)) -> Tensor:
    before, after = len(taps) // 2, (len(taps) - 1) // 2
    return _fir(F.pad(x, (before, after, before, after)), taps)


def sliced_blur(x: Tensor) -> Tensor:
    """The blur by (1, 2, 1) along both axes, as shifted images that are added."""
    x = F.pad(x, (1, 1, 0, 0))
    x = x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]
    x = F.pad(x, (0, 0, 1, 1))
    return (x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]) / 16


def plain_upsample(x: Tensor, taps: tuple[int, ...] = (1, 3, 3, 1)) -> Tensor:
    n, c, h, w = x.shape
    spread = x.new_zeros(n, c, h, 2, w, 2)
    spread[:, :, :, 0, :, 0] = x
    return _fir(F.pad(spread.reshape(n, c, 2 * h, 2 * w), (2, 1, 2, 1)), taps) * 4


def plain_downsample(x: Tensor, taps: tuple[int, ...] = (1, 3, 3, 1)) -> Tensor:
    return _fir(F.pad(x, (1, 1, 1, 1)), taps)[:, :, ::2, ::2]


def plain_bias_act(x: Tensor, bias: Tensor) -> Tensor:
    return F.leaky_relu(x + bias.view(1, -1, 1, 1), 0.2) * sqrt(2)


def plain_filtered_lrelu(
    x: Tensor,
    bias: Tensor,
    *,
    up_filter: Tensor,
    down_filter: Tensor,
    up: int,
    down: int,
    padding: tuple[int, ...],
    clamp: float | None = None,
) -> Tensor:
    n, c, h, w = x.shape
    spread = x.new_zeros(n, c, h, up, w, up)
    spread[:, :, :, 0, :, 0] = x + bias.view(1, -1, 1, 1)
    x = F.pad(spread.reshape(n, c, h * up, w * up), padding)
    x = F.leaky_relu(_along_axes(x, up_filter * up), 0.2) * sqrt(2)
    x = x if clamp is None else x.clamp(-clamp, clamp)
    return _along_axes(x, down_filter)[:, :, ::down, ::down]


class PlainModulatedConv2d(nn.Module):
    """The same output as ``ModulatedConv2d(..., padding_mode="reflect", bias=False)`` with the same parameters."""

    def __init__(self, channels: int, latent_dim: int, resample: str | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, channels, 3, 3))
        self.affine = nn.Linear(latent_dim, channels)
        self.resample = resample

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        n, c = x.shape[:2]
        weight = self.weight / sqrt(9 * c) * (1 + self.affine(latent))[:, None, :, None, None]
        weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        if self.resample == "up":
            x = F.interpolate(x, scale_factor=2, mode="nearest")
        elif self.resample == "down":
            x = plain_blur(x)
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.conv2d(x.reshape(1, n * c, *x.shape[2:]), weight.flatten(0, 1), groups=n).unflatten(1, (n, c))[0]
        if self.resample == "up":
            return plain_blur(x)
        return F.avg_pool2d(x, 2) if self.resample == "down" else x


def _along_axes(x: Tensor, kernel: Tensor) -> Tensor:
    """A symmetric filter, 2-D or separable."""
    channels = x.shape[1]
    if kernel.ndim == 2:
        return F.conv2d(x, kernel.expand(channels, 1, -1, -1), groups=channels)
    x = F.conv2d(x, kernel.expand(channels, 1, 1, -1), groups=channels)
    return F.conv2d(x, kernel[:, None].expand(channels, 1, -1, 1), groups=channels)


def _fir(x: Tensor, taps: tuple[int, ...]) -> Tensor:
    kernel = torch.tensor(taps, dtype=x.dtype, device=x.device)
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    return F.conv2d(x, kernel.expand(x.shape[1], 1, -1, -1), groups=x.shape[1])
