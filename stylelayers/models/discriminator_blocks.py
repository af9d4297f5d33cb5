"""Blocks of the StyleGAN2 discriminator (arXiv:1912.04958, figure 7)."""

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor, nn

from ..functional.activations import get_activation
from ..layers import EqualConv2d, EqualLinear, MinibatchStdDev


class DiscriminatorBlock(nn.Module):
    """One resolution: perhaps an image, a convolution, and a down-sampling convolution.

    Args:
        in_channels, out_channels: before and after down-sampling.
        architecture: ``"skip"``, ``"resnet"`` or ``"orig"``.
        conv: makes an :class:`EqualConv2d` from channels, kernel size and its own options.
        from_rgb: makes the 1x1 convolution from the image; None for a block without an image.

    Shape:
        `x` ``(N, in_channels, H, W)`` or None, image ``(N, C, H, W)`` → ``(N, out_channels, H/2, W/2)``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        architecture: str,
        conv: Callable[..., EqualConv2d],
        from_rgb: Callable[..., EqualConv2d] | None,
    ) -> None:
        super().__init__()
        self.from_rgb = None if from_rgb is None else from_rgb(in_channels)
        self.conv0 = conv(in_channels, in_channels, 3)
        self.conv1 = conv(in_channels, out_channels, 3, resample="down")
        self.shortcut = None
        if architecture == "resnet":
            self.shortcut = conv(
                in_channels,
                out_channels,
                1,
                resample="down",
                bias=False,
                gain=sqrt(0.5),
                activation="linear",
                clamp=None,
            )
            own_gain = get_activation("Discriminator", self.conv1.activation).gain
            self.conv1.activation_gain = own_gain * sqrt(0.5)
            self.conv1.clamp = None if self.conv1.clamp is None else self.conv1.clamp * sqrt(0.5)

    def reset_parameters(self) -> None:
        for layer in (self.from_rgb, self.conv0, self.conv1, self.shortcut):
            if layer is not None:
                layer.reset_parameters()

    def forward(self, x: Tensor | None, image: Tensor) -> Tensor:
        if self.from_rgb is not None:
            features = self.from_rgb(image)
            x = features if x is None else x + features
        assert x is not None  # the first block always has a from_rgb
        y = self.conv1(self.conv0(x))
        return y if self.shortcut is None else self.shortcut(x) + y


class DiscriminatorEpilogue(nn.Module):
    """The smallest resolution: group statistics, a convolution and two linear layers.

    Shape:
        ``(N, in_channels, *size)`` → ``(N, out_features)``.
    """

    def __init__(
        self,
        in_channels: int,
        size: tuple[int, int],
        out_features: int,
        *,
        mbstd_group_size: int,
        mbstd_num_channels: int,
        activation: str,
        clamp: float | None,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        if mbstd_num_channels and in_channels % mbstd_num_channels:
            raise ValueError(
                f"Discriminator: mbstd_num_channels must divide the {in_channels} channels of the smallest level, "
                f"got {mbstd_num_channels}"
            )
        self.mbstd = MinibatchStdDev(mbstd_group_size, mbstd_num_channels) if mbstd_num_channels else None
        self.conv = EqualConv2d(
            in_channels + mbstd_num_channels,
            in_channels,
            3,
            activation=activation,
            clamp=clamp,
            device=device,
            dtype=dtype,
        )
        pixels = size[0] * size[1]
        self.fc = EqualLinear(in_channels * pixels, in_channels, activation=activation, device=device, dtype=dtype)
        self.out = EqualLinear(in_channels, out_features, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        for layer in (self.conv, self.fc, self.out):
            layer.reset_parameters()

    def forward(self, x: Tensor, *, batches: int = 1) -> Tensor:
        x = x if self.mbstd is None else self.mbstd(x, batches=batches)
        logits: Tensor = self.out(self.fc(self.conv(x).flatten(1)))
        return logits
