"""The synthesis network of StyleGAN2 (arXiv:1912.04958, figures 2c and 7).

Differences from published implementations:

- rectangular images, and any small base instead of 4x4;
- reflect and replicate padding (see :class:`stylelayers.ModulatedConv2d`);
- channels-last in memory from the constant on.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import sqrt
from typing import Any, cast

import torch
from torch import Tensor, nn

from .._checks import check_choice, check_ints
from ..functional._autocast import at_least_float32
from ..functional.activations import get_activation
from ..layers import ConstantInput, EqualConv2d, EqualLinear, StyledConv, ToRGB, Upsample2d
from ..layers._names import answers_to_other_names
from ..layers.noise import NOISE_MODES, Noise, check_noise
from ._inputs import as_floating
from .pyramid import Pyramid
from .style_generator import StyleSynthesis

ARCHITECTURES = ("skip", "resnet", "orig")


class SynthesisBlock(nn.Module):
    """One resolution: an up-sampling convolution (except in the first block), a convolution, and perhaps an image.

    Args:
        in_channels: 0 for the first block, which starts from a learned constant.
        out_channels: of both convolutions.
        resolution: ``(height, width)`` of the output.
        architecture: ``"skip"``, ``"resnet"`` or ``"orig"``.
        styled_conv: makes a :class:`StyledConv` from channels and its own options.
        to_rgb: makes a :class:`ToRGB` from channels; None for a block without an image.
        shortcut: makes the 1x1 convolution around a residual block.

    Shape:
        `x` ``(N, in_channels, H/2, W/2)``, image of the previous block or None, `styles` ``(N, w_dim)`` each: one for
        every convolution and one for the image → ``(N, out_channels, H, W)`` and the image.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        resolution: tuple[int, int],
        *,
        architecture: str,
        styled_conv: Callable[..., StyledConv],
        to_rgb: Callable[..., ToRGB] | None,
        shortcut: Callable[..., EqualConv2d],
    ) -> None:
        super().__init__()
        residual = architecture == "resnet" and in_channels > 0
        self.conv0 = (
            styled_conv(in_channels, out_channels, resample="up", noise_resolution=resolution) if in_channels else None
        )
        self.conv1 = styled_conv(out_channels, out_channels, noise_resolution=resolution)
        if residual:
            self.conv1.act.gain, self.conv1.act.clamp = _residual_gain_and_clamp(self.conv1)
        self.shortcut = shortcut(in_channels, out_channels) if residual else None
        self.to_rgb = None if to_rgb is None else to_rgb(out_channels)

    @property
    def num_convs(self) -> int:
        return 1 if self.conv0 is None else 2

    def reset_parameters(self) -> None:
        for layer in (self.conv0, self.conv1, self.shortcut, self.to_rgb):
            if layer is not None:
                layer.reset_parameters()

    def forward(
        self, x: Tensor, image: Tensor | None, styles: Sequence[Tensor], *, noise: Noise = "random"
    ) -> tuple[Tensor, Tensor | None]:
        style = iter(styles)
        carried = None if self.shortcut is None else self.shortcut(x)
        if self.conv0 is not None:
            x = self.conv0(x, next(style), noise=noise)
        x = self.conv1(x, next(style), noise=noise)
        x = x if carried is None else carried + x
        if self.to_rgb is not None:
            rgb = self.to_rgb(x, next(style))
            rgb = at_least_float32(rgb)
            image = rgb if image is None else image + rgb
        return x, image


@answers_to_other_names
class SynthesisNetwork(StyleSynthesis):
    """Map styles to images: the synthesis network of StyleGAN2 (arXiv:1912.04958, figures 2c and 7).

    Args:
        w_dim: length of w.
        resolution: of the images in pixels, an int or ``(height, width)``; each a power of two times a base.
        image_channels: 1 for grey, 3 for RGB, any number.
        channel_base, channel_max: a level of ``r`` pixels has ``channel_base / r`` channels, at most `channel_max`.
        architecture: ``"skip"`` sums images of all levels, ``"resnet"`` has residual blocks, ``"orig"`` neither.
        activation: a name that :func:`stylelayers.functional.bias_act` knows.
        padding_mode, resample_method, resample_filter, normalize_style: as in :class:`stylelayers.ModulatedConv2d`.
        clamp: largest magnitude of every layer's output (256 keeps float16 finite), None for no limit.

    Shape:
        `ws` ``(N, num_ws, w_dim)`` → ``(N, image_channels, height, width)``, trained to lie in [-1, 1]. `noise` is as
        in :class:`stylelayers.NoiseInjection`.

    Attributes:
        num_ws: styles that `forward` takes: one for each convolution, and one for the last image.

    Raises:
        ValueError: an impossible resolution, unknown names, `ws` of another shape.

    Example:
        >>> import torch
        >>> from stylelayers import SynthesisNetwork
        >>> synthesis = SynthesisNetwork(32, (16, 24), channel_base=256)
        >>> synthesis(torch.randn(2, synthesis.num_ws, 32)).shape
        torch.Size([2, 3, 16, 24])
    """

    noise_modes = NOISE_MODES

    def __init__(
        self,
        w_dim: int,
        resolution: int | tuple[int, int],
        *,
        image_channels: int = 3,
        channel_base: int = 32768,
        channel_max: int = 512,
        architecture: str = "skip",
        activation: str = "lrelu",
        padding_mode: str = "zeros",
        resample_method: str | None = None,
        resample_filter: Sequence[Any] = (1, 3, 3, 1),
        normalize_style: bool = False,
        clamp: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        caller = "SynthesisNetwork"
        check_ints(caller, w_dim=w_dim, image_channels=image_channels)
        check_ints(caller, channel_base=channel_base, channel_max=channel_max)
        check_choice(caller, "architecture", architecture, ARCHITECTURES)
        pyramid = Pyramid.for_resolution(caller, resolution)
        self.w_dim, self.architecture, self.image_channels = w_dim, architecture, image_channels
        self.resolution = pyramid.levels[-1]
        channels = pyramid.channels(channel_base, channel_max)
        make_styled = partial(
            StyledConv,
            kernel_size=3,
            latent_dim=w_dim,
            resample_method=resample_method,
            resample_filter=resample_filter,
            padding_mode=padding_mode,
            normalize_style=normalize_style,
            activation=activation,
            clamp=clamp,
            device=device,
            dtype=dtype,
        )
        make_rgb = partial(
            ToRGB, image_channels=image_channels, latent_dim=w_dim, clamp=clamp, device=device, dtype=dtype
        )
        make_shortcut = partial(
            EqualConv2d,
            kernel_size=1,
            resample="up",
            resample_filter=resample_filter,
            resample_method=resample_method,
            padding_mode=padding_mode,
            bias=False,
            gain=sqrt(0.5),
            device=device,
            dtype=dtype,
        )
        make_upsample = partial(Upsample2d, resample_filter, padding_mode=padding_mode, device=device, dtype=dtype)
        self.input = ConstantInput(channels[0], pyramid.base, device=device, dtype=dtype)
        self.blocks = nn.ModuleList(
            SynthesisBlock(
                fan_in,
                fan_out,
                size,
                architecture=architecture,
                styled_conv=make_styled,
                to_rgb=make_rgb if architecture == "skip" or size == self.resolution else None,
                shortcut=make_shortcut,
            )
            for fan_in, fan_out, size in zip([0, *channels], channels, pyramid.levels, strict=False)
        )
        self.upsample = make_upsample() if architecture == "skip" else None

    @property
    def num_ws(self) -> int:
        return 2 * len(self.blocks)

    def affine_maps(self) -> list[list[EqualLinear]]:
        """The affine maps that read each style: that of a convolution, or of a ToRGB and the next convolution."""
        readers: list[list[EqualLinear]] = [[] for _ in range(self.num_ws)]
        first = 0
        for block in self.blocks:
            assert isinstance(block, SynthesisBlock)
            layers = [layer for layer in (block.conv0, block.conv1, block.to_rgb) if layer is not None]
            for index, layer in enumerate(layers, first):
                readers[index].append(layer.conv.affine)
            first += block.num_convs
        return readers

    def layer_names(self) -> list[str]:
        height, width = self.resolution
        last = len(self.blocks) - 1
        levels = [(layer + 1) // 2 for layer in range(self.num_ws - 1)]
        sizes = [f"{height >> last - level}x{width >> last - level}" for level in levels]
        return [f"{layer}: {size}" for layer, size in enumerate([*sizes, "colours"])]

    def reset_parameters(self) -> None:
        for module in (self.input, *self.blocks, *([self.upsample] if self.upsample is not None else [])):
            module.reset_parameters()  # type: ignore[operator]

    def forward(self, ws: Tensor, *, noise: Noise = "random") -> Tensor:
        """Map styles to images.

        Args:
            ws: one style for each layer.
            noise: ``"random"``, ``"const"`` (the stored maps), ``"none"``, or one CPU generator per sample, with which
                a sample has the same noise in any batch and on every device.
        """
        check_noise("SynthesisNetwork", noise)
        ws = as_floating("SynthesisNetwork", "ws", ws, (self.num_ws, self.w_dim), next(self.parameters()))
        styles = ws.unbind(1)
        x: Tensor = self.input(ws.shape[0])
        image: Tensor | None = None
        first: int = 0
        for block in self.blocks:
            if image is not None and self.upsample is not None:
                image = self.upsample(image)
            x, image = block(x, image, styles[first:], noise=noise)
            first += cast(SynthesisBlock, block).num_convs
        assert image is not None  # the last block always has a ToRGB
        return image


def _residual_gain_and_clamp(conv: StyledConv) -> tuple[float, float | None]:
    """Gain and clamp of a residual branch, which is scaled by sqrt(1/2) as the shortcut is."""
    act = conv.act
    gain = get_activation("SynthesisNetwork", act.activation).gain if act.gain is None else act.gain
    return gain * sqrt(0.5), None if act.clamp is None else act.clamp * sqrt(0.5)
