"""Layers with the state and the signatures of the PyTorch port's (github.com/rosinality/stylegan2-pytorch).

Their operators are those of arXiv:1912.04958; the layers differ from :mod:`stylelayers.layers`:

- buffers hold the FIR taps, with the gain of up-sampling, and layers their paddings;
- a convolution that enlarges holds its weight flipped, and weights have a leading 1;
- a bias runs along dimension 1 of any input, also behind a linear layer.
"""

from typing import Any

from torch import Tensor, nn

from ..functional import bias_act, modulated_conv2d, pixel_norm, upfirdn2d
from ..functional._fir_filter import Sides, centred
from ..functional.fir_kernel import rows_of
from ._adopted import AdoptedLayer, FIRLayer, example, has, shape_of

_ORIGIN = "the PyTorch port"


class PixelNorm(AdoptedLayer):
    origin, eps = _ORIGIN, 1e-8

    @classmethod
    def fits(cls, layer: Any) -> bool:
        return not any((layer._parameters, layer._buffers, layer._modules))

    def examples(self) -> list[tuple[Tensor, ...]]:
        return [(example(2, 8) * 0.01,), (example(2, 3, 4, 5) * 0.01,)]

    def forward(self, input: Tensor) -> Tensor:
        return pixel_norm(input, 1, self.eps)


class _Resampling(FIRLayer):
    origin = _ORIGIN
    kernel: Tensor
    pad: tuple[int, int]

    @classmethod
    def fits(cls, layer: Any) -> bool:
        pad = getattr(layer, "pad", None)
        return (
            len(shape_of(layer, "kernel")) == 2
            and "kernel" in layer._buffers
            and not any((layer._parameters, layer._modules))
            and isinstance(pad, (tuple, list))
            and [type(side) for side in pad] == [int, int]
        )

    def read_taps(self) -> Tensor:
        return self.kernel

    def examples(self) -> list[tuple[Tensor, ...]]:
        height, width = self.kernel.shape
        return [(example(2, 3, height + 5, width + 4),)]

    def resample(self, x: Tensor, up: int = 1, down: int = 1) -> Tensor:
        return upfirdn2d(x, self.taps, up=up, down=down, padding=(*self.pad, *self.pad))


class Blur(_Resampling):
    def forward(self, input: Tensor) -> Tensor:
        return self.resample(input)


class _WithFactor(_Resampling):
    factor: int

    @classmethod
    def fits(cls, layer: Any) -> bool:
        return type(getattr(layer, "factor", None)) is int and super().fits(layer)


class Upsample(_WithFactor):
    def forward(self, input: Tensor) -> Tensor:
        return self.resample(input, up=self.factor)


class Downsample(_WithFactor):
    def forward(self, input: Tensor) -> Tensor:
        return self.resample(input, down=self.factor)


class EqualLinear(AdoptedLayer):
    origin = _ORIGIN
    weight: Tensor
    bias: Tensor | None
    scale: float
    lr_mul: float
    activation: str | None

    @classmethod
    def fits(cls, layer: Any) -> bool:
        return (
            has(layer, ("bias", "scale", "lr_mul"))
            and getattr(layer, "activation", "missing") in (None, False, "fused_lrelu")
            and len(shape_of(layer, "weight")) == 2
            and shape_of(layer, "bias") in ((), shape_of(layer, "weight")[:1])
        )

    def examples(self) -> list[tuple[Tensor, ...]]:
        return [(example(2, self.weight.shape[1]),)]

    def forward(self, input: Tensor) -> Tensor:
        weight, bias = self.weight * self.scale, None if self.bias is None else self.bias * self.lr_mul
        if not self.activation:
            return nn.functional.linear(input, weight, bias)
        return bias_act(nn.functional.linear(input, weight), bias, activation="lrelu")


class FusedLeakyReLU(AdoptedLayer):
    origin = _ORIGIN
    bias: Tensor | None
    negative_slope: float
    scale: float

    @classmethod
    def fits(cls, layer: Any) -> bool:
        shape = shape_of(layer, "bias")
        return has(layer, ("bias", "negative_slope", "scale")) and (
            layer.bias is None or (len(shape) in (1, 4) and shape[len(shape) == 4] == layer.bias.numel())
        )

    def examples(self) -> list[tuple[Tensor, ...]]:
        channels = 3 if self.bias is None else self.bias.numel()
        return [(example(2, channels, 3, 4),)]

    def forward(self, input: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias.flatten()
        return bias_act(input, bias, activation="lrelu", alpha=self.negative_slope, gain=self.scale)


class ModulatedConv2d(AdoptedLayer):
    origin, uncalled = _ORIGIN, ("blur",)
    weight: Tensor
    modulation: nn.Module
    blur: Blur
    scale: float
    demodulate: bool
    upsample: bool
    downsample: bool
    padding: int

    @classmethod
    def fits(cls, layer: Any) -> bool:
        shape = shape_of(layer, "weight")
        return (
            has(layer, ("modulation", "scale", "demodulate", "upsample", "downsample"))
            and len(shape) == 5
            and shape[0] == 1
            and shape[3] == shape[4]
            and not (layer.upsample and layer.downsample)
            and (
                isinstance(getattr(layer, "blur", None), Blur)
                if layer.upsample or layer.downsample
                else hasattr(layer, "padding")
            )
        )

    def examples(self) -> list[tuple[Tensor, ...]]:
        channels, size = self.weight.shape[2], 4 + self.weight.shape[-1]
        latents = next(
            (p.shape[1] for p in self.modulation.parameters() if p.ndim == 2 and p.shape[0] == channels), channels
        )
        return [(example(2, channels, size, size + 2), example(2, latents))]

    def forward(self, input: Tensor, style: Tensor) -> Tensor:
        style, weight, eps = self.modulation(style), self.weight[0] * self.scale, getattr(self, "eps", 1e-8)
        if not (self.upsample or self.downsample):
            return modulated_conv2d(input, weight, style, demodulate=self.demodulate, padding=self.padding, eps=eps)
        up, down = (2, 1) if self.upsample else (1, 2)
        y = modulated_conv2d(
            input,
            weight.flip(2, 3) if self.upsample else weight,
            style,
            demodulate=self.demodulate,
            up=up,
            down=down,
            padding=self._sides(up, down),
            kernel=self.blur.taps,
            eps=eps,
        )
        gain = sum(map(sum, rows_of(self.blur.taps))) / up**2
        return y if gain == 1 else y * gain

    def _sides(self, up: int, down: int) -> Sides:
        """The padding of the convolution with which `modulated_conv2d` pads by ``blur.pad`` before the blur."""
        size = self.weight.shape[-1]
        spread = (1 - size, up - size) * 2 if up > 1 else (0,) * 4
        middle, pad = centred(self.blur.taps, up, down), (*self.blur.pad, *self.blur.pad)
        left, right, top, bottom = (p - m - s for p, m, s in zip(pad, middle, spread, strict=True))
        return left, right, top, bottom
