"""Layers with the names, attributes and signatures of the Lifespan-Age project's, in plain torch."""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.reference import seed_blur, seed_layer


class EqualLR:
    """Pre-hook of a torch layer: its weight is computed from `weight_orig`."""

    def __call__(self, module: Any, inputs: object) -> None:
        orig = module.weight_orig
        module.weight = orig * sqrt(2 / orig.shape[1])


class PixelNorm(nn.Module):
    def __init__(self, num_channels: int | None = None) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input / (input.square().mean(1, keepdim=True) + 1e-5).sqrt()


class Blur(nn.Module):
    weight: Tensor

    def __init__(self, channel: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0])
        kernel = (taps[:, None] * taps / 16).repeat(channel, 1, 1, 1)
        self.register_buffer("weight", kernel)
        self.register_buffer("weight_flip", kernel.flip(2, 3))

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.weight, padding=1, groups=input.shape[1])


class EqualLinear(nn.Module):
    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        linear = nn.Linear(in_dim, out_dim)
        del linear.weight
        linear.register_parameter("weight_orig", nn.Parameter(torch.randn(out_dim, in_dim)))
        linear.register_forward_pre_hook(EqualLR())
        self.linear = linear

    def forward(self, input: Tensor) -> Tensor:
        y: Tensor = self.linear(input)
        return y


PADDINGS = {"reflect": nn.ReflectionPad2d, "replicate": nn.ReplicationPad2d, "zero": nn.ZeroPad2d}
MODES = {"reflect": "reflect", "replicate": "replicate", "zero": "zeros"}


class ModulatedConv2d(nn.Module):
    def __init__(
        self,
        fin: int,
        fout: int,
        kernel_size: int,
        padding_type: str = "reflect",
        upsample: bool = False,
        downsample: bool = False,
        latent_dim: int = 256,
        normalize_mlp: bool = False,
    ) -> None:
        super().__init__()
        self.upsample, self.downsample, self.demudulate = upsample, downsample, kernel_size > 1
        self.weight = nn.Parameter(torch.randn(fout, fin, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(1, fout, 1, 1))
        mlp = EqualLinear(latent_dim, fin)
        self.mlp_class_std = nn.Sequential(mlp, PixelNorm()) if normalize_mlp else mlp
        self.blur = Blur(fout)
        self.padding = PADDINGS[padding_type](kernel_size // 2)
        self.mode = MODES[padding_type]

    def forward(self, input: Tensor, latent: Tensor) -> Tensor:
        style, bias, none = self.mlp_class_std(latent), self.bias.flatten(), torch.zeros_like(self.bias.flatten())
        if self.upsample:  # the bias comes before the blur
            x = F.interpolate(input, scale_factor=2, mode="nearest")
            return seed_blur(seed_layer(x, style, self.weight, bias, padding_mode=self.mode))
        resample = "down" if self.downsample else None
        return seed_layer(input, style, self.weight, none, resample=resample, padding_mode=self.mode) + self.bias
