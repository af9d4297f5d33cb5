"""Layers with the names, attributes and signatures of the PyTorch port's, in plain torch (arXiv:1912.04958)."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Pad = tuple[int, int]


def resampled(x: Tensor, kernel: Tensor, up: int, down: int, pad: Pad) -> Tensor:
    n, c, h, w = x.shape
    zeros = x.new_zeros(n, c, h * up, w * up)
    zeros[:, :, ::up, ::up] = x
    padded = F.pad(zeros, (*pad, *pad))
    return F.conv2d(padded, kernel.flip(0, 1).repeat(c, 1, 1, 1), groups=c)[:, :, ::down, ::down]


def outer(taps: Sequence[float], gain: float = 1.0) -> Tensor:
    line = torch.tensor(taps, dtype=torch.float32)
    plane = line[:, None] * line
    return plane / plane.sum() * gain


class PixelNorm(nn.Module):
    def forward(self, input: Tensor) -> Tensor:
        return input / (input.pow(2).mean(1, True) + 1e-8).sqrt()


class Blur(nn.Module):
    kernel: Tensor

    def __init__(self, kernel: Sequence[float], pad: Pad, upsample_factor: int = 1) -> None:
        super().__init__()
        self.register_buffer("kernel", outer(kernel, upsample_factor**2))
        self.pad = pad

    def forward(self, input: Tensor) -> Tensor:
        return resampled(input, self.kernel, 1, 1, self.pad)


class Upsample(nn.Module):
    kernel: Tensor

    def __init__(self, kernel: Sequence[float], factor: int = 2) -> None:
        super().__init__()
        self.factor = factor
        self.register_buffer("kernel", outer(kernel, factor**2))
        rest = len(kernel) - factor
        self.pad = ((rest + 1) // 2 + factor - 1, rest // 2)

    def forward(self, input: Tensor) -> Tensor:
        return resampled(input, self.kernel, self.factor, 1, self.pad)


class Downsample(nn.Module):
    kernel: Tensor

    def __init__(self, kernel: Sequence[float], factor: int = 2) -> None:
        super().__init__()
        self.factor = factor
        self.register_buffer("kernel", outer(kernel))
        rest = len(kernel) - factor
        self.pad = ((rest + 1) // 2, rest // 2)

    def forward(self, input: Tensor) -> Tensor:
        return resampled(input, self.kernel, 1, self.factor, self.pad)


class FusedLeakyReLU(nn.Module):
    bias: Tensor | None

    def __init__(self, channel: int, bias: bool = True, negative_slope: float = 0.2, scale: float = 2**0.5) -> None:
        super().__init__()
        self.register_parameter("bias", nn.Parameter(torch.zeros(channel)) if bias else None)
        self.negative_slope, self.scale = negative_slope, scale

    def forward(self, input: Tensor) -> Tensor:
        biased = input if self.bias is None else input + self.bias.reshape(1, -1, *[1] * (input.ndim - 2))
        return torch.where(biased < 0, biased * self.negative_slope, biased) * self.scale


class EqualLinear(nn.Module):
    bias: Tensor | None

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        bias: bool = True,
        bias_init: float = 0,
        lr_mul: float = 1,
        activation: str | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_dim, in_dim) / lr_mul)
        self.register_parameter("bias", nn.Parameter(torch.full((out_dim,), float(bias_init))) if bias else None)
        self.activation, self.lr_mul, self.scale = activation, lr_mul, lr_mul / sqrt(in_dim)

    def forward(self, input: Tensor) -> Tensor:
        y = input @ (self.weight * self.scale).t()
        if self.bias is not None:
            y = y + (self.bias * self.lr_mul).reshape(1, -1, *[1] * (y.ndim - 2) if self.activation else [])
        return torch.where(y < 0, y * 0.2, y) * sqrt(2) if self.activation else y


class ModulatedConv2d(nn.Module):
    def __init__(
        self,
        in_channel: int,
        out_channel: int,
        kernel_size: int,
        style_dim: int,
        demodulate: bool = True,
        upsample: bool = False,
        downsample: bool = False,
        blur_kernel: Sequence[float] = (1, 3, 3, 1),
    ) -> None:
        super().__init__()
        self.eps = 1e-8
        self.upsample, self.downsample, self.demodulate = upsample, downsample, demodulate
        if upsample:
            rest = len(blur_kernel) - 2 - (kernel_size - 1)
            self.blur = Blur(blur_kernel, ((rest + 1) // 2 + 1, rest // 2 + 1), 2)
        if downsample:
            rest = len(blur_kernel) - 2 + kernel_size - 1
            self.blur = Blur(blur_kernel, ((rest + 1) // 2, rest // 2))
        self.scale, self.padding = 1 / sqrt(in_channel * kernel_size**2), kernel_size // 2
        self.weight = nn.Parameter(torch.randn(1, out_channel, in_channel, kernel_size, kernel_size))
        self.modulation = EqualLinear(style_dim, in_channel, bias_init=1)

    def forward(self, input: Tensor, style: Tensor) -> Tensor:
        pairs = zip(input, self.modulation(style), strict=True)
        return torch.cat([modulated(self, image[None], factors) for image, factors in pairs])


def modulated(layer: ModulatedConv2d, x: Tensor, style: Tensor) -> Tensor:
    """One image under its own weight."""
    weight = layer.weight[0] * layer.scale * style[:, None, None]
    if layer.demodulate:
        weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + layer.eps).sqrt()
    if layer.upsample:
        return layer.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
    if layer.downsample:
        return F.conv2d(layer.blur(x), weight, stride=2)
    return F.conv2d(x, weight, padding=layer.padding)
