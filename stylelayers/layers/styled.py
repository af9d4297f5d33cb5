"""The two layers of a StyleGAN2 synthesis block (arXiv:1912.04958, figures 2c and 7)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ._names import answers_to_other_names
from .activation import BiasAct
from .modulated import ModulatedConv2d
from .noise import Noise, NoiseInjection


@answers_to_other_names
class StyledConv(nn.Module):
    """Modulated convolution, noise, bias and activation: a layer of StyleGAN2 (arXiv:1912.04958, figure 2c).

    Args:
        in_channels, out_channels, kernel_size, latent_dim: as in :class:`ModulatedConv2d`.
        resample, resample_method, resample_filter, padding_mode: as in :class:`ModulatedConv2d`.
        normalize_style, gain, eps: as in :class:`ModulatedConv2d`; the weights are always demodulated.
        noise_resolution: ``(height, width)`` in pixels of the output, for ``noise="const"``; None if it is not used.
        activation: a name that :func:`stylelayers.functional.bias_act` knows.
        activation_gain: gain after the activation, None for the activation's own.
        clamp: the output's largest magnitude, None for no limit.

    Shape:
        `x` ``(N, in_channels, H, W)``, `latent` ``(N, latent_dim)`` → ``(N, out_channels, H, W)``, with height and
        width doubled or halved by `resample`. `noise` is as in :class:`NoiseInjection`.

    Raises:
        ValueError: as :class:`ModulatedConv2d`, :class:`NoiseInjection` and :class:`BiasAct`.

    Example:
        >>> import torch
        >>> from stylelayers import StyledConv
        >>> StyledConv(8, 4, 3, 16, resample="up")(torch.randn(2, 8, 8, 8), torch.randn(2, 16)).shape
        torch.Size([2, 4, 16, 16])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        latent_dim: int = 256,
        *,
        resample: str | None = None,
        resample_method: str | None = None,
        resample_filter: Sequence[Any] = (1, 3, 3, 1),
        padding_mode: str = "zeros",
        normalize_style: bool = False,
        gain: float = 1.0,
        eps: float = 1e-8,
        noise_resolution: tuple[int, int] | None = None,
        activation: str = "lrelu",
        activation_gain: float | None = None,
        clamp: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(
            in_channels,
            out_channels,
            kernel_size,
            latent_dim,
            resample=resample,
            resample_method=resample_method,
            resample_filter=resample_filter,
            padding_mode=padding_mode,
            demodulate=True,
            normalize_style=normalize_style,
            bias=False,
            gain=gain,
            eps=eps,
            device=device,
            dtype=dtype,
        )
        self.noise = NoiseInjection(noise_resolution, device=device, dtype=dtype)
        self.act = BiasAct(out_channels, activation, gain=activation_gain, clamp=clamp, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        for layer in (self.conv, self.noise, self.act):
            layer.reset_parameters()

    def forward(self, x: Tensor, latent: Tensor, *, noise: Noise = "random") -> Tensor:
        up, down = self.conv.resampling.up, self.conv.resampling.down
        size = (x.shape[2] * up // down, x.shape[3] * up // down)
        gain = self.act.gain_before
        sample = self.noise.sample(x, size, noise=noise)
        sample = sample if sample is None or gain == 1 else sample * gain
        return self.act(self.conv(x, latent, noise=sample, gain=gain), applied_gain=gain)


@answers_to_other_names
class ToRGB(nn.Module):
    """1x1 modulated convolution to image channels, without demodulation (arXiv:1912.04958, appendix B).

    Args:
        in_channels: at least 1.
        image_channels: 1 for grey, 3 for RGB, any number.
        latent_dim: length of the latent.
        kernel_size: odd or even, at least 1.
        clamp: the output's largest magnitude, above 0; None for no limit.

    Shape:
        `x` ``(N, in_channels, H, W)``, `latent` ``(N, latent_dim)`` → ``(N, image_channels, H, W)``.

    Raises:
        ValueError: as :class:`ModulatedConv2d` and :class:`BiasAct`.

    Example:
        >>> import torch
        >>> from stylelayers import ToRGB
        >>> ToRGB(8, 3, 16)(torch.randn(2, 8, 8, 8), torch.randn(2, 16)).shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        image_channels: int = 3,
        latent_dim: int = 256,
        *,
        kernel_size: int = 1,
        clamp: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv2d(
            in_channels,
            image_channels,
            kernel_size,
            latent_dim,
            demodulate=False,
            bias=False,
            device=device,
            dtype=dtype,
        )
        self.act = BiasAct(image_channels, "linear", clamp=clamp, device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        self.conv.reset_parameters()
        self.act.reset_parameters()

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        gain = self.act.gain_before
        return self.act(self.conv(x, latent, gain=gain), applied_gain=gain)
