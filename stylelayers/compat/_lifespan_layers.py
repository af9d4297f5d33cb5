"""Layers with the state and the signatures of the Lifespan-Age project's.

They come from github.com/royorel/Lifespan_Age_Transformation_Synthesis (arXiv:2003.09764). Its own: He scaling by
``sqrt(2 / fan_in)``, ``1e-5`` as the small number of norms, styles around 1, and resampling by nearest neighbours or
averages with a zero-padded blur, before which an enlarging convolution adds its bias.
"""

from math import sqrt
from typing import Any

from torch import Tensor, nn

from ..functional import modulated_conv2d, upfirdn2d
from . import _port_layers
from ._adopted import AdoptedLayer, FIRLayer, example, has, shape_of

_ORIGIN = "the Lifespan-Age project"
_PADDING_MODES = {"ReflectionPad2d": "reflect", "ReplicationPad2d": "replicate", "ZeroPad2d": "zeros"}
_EPS = 1e-5


class PixelNorm(_port_layers.PixelNorm):
    origin, eps = _ORIGIN, _EPS


class Blur(FIRLayer):
    origin = _ORIGIN
    weight: Tensor

    @classmethod
    def fits(cls, layer: Any) -> bool:
        shape = shape_of(layer, "weight")
        return (
            {"weight", "weight_flip"} == set(layer._buffers)
            and not any((layer._parameters, layer._modules))
            and len(shape) == 4
            and shape[1:] == (1, 3, 3)
            and bool((layer.weight == layer.weight[:1]).all())
        )

    def read_taps(self) -> Tensor:
        return self.weight[0, 0]

    def examples(self) -> list[tuple[Tensor, ...]]:
        return [(example(2, self.weight.shape[0], 5, 4),)]

    def forward(self, input: Tensor) -> Tensor:
        return upfirdn2d(input, self.taps, padding=1, flip_kernel=True)


class EqualLinear(AdoptedLayer):
    origin = _ORIGIN
    linear: Any

    @classmethod
    def fits(cls, layer: Any) -> bool:
        linear = getattr(layer, "linear", None)
        return (
            isinstance(linear, nn.Linear)
            and list(layer._modules) == ["linear"]
            and "weight_orig" in linear._parameters
            and [type(hook).__name__ for hook in linear._forward_pre_hooks.values()] == ["EqualLR"]
            and not linear._forward_hooks
            and not linear._backward_hooks
            and not linear._backward_pre_hooks
        )

    def examples(self) -> list[tuple[Tensor, ...]]:
        return [(example(2, self.linear.weight_orig.shape[1]),)]

    def forward(self, input: Tensor) -> Tensor:
        weight: Tensor = self.linear.weight_orig
        return nn.functional.linear(input, weight * sqrt(2 / weight.shape[1]), self.linear.bias)


class ModulatedConv2d(AdoptedLayer):
    origin, uncalled = _ORIGIN, ("padding", "upsampler", "downsampler", "blur")
    weight: Tensor
    bias: Tensor
    mlp_class_std: nn.Module
    padding: Any
    blur: Blur
    upsample: bool
    downsample: bool
    demudulate: bool

    @classmethod
    def fits(cls, layer: Any) -> bool:
        shape = shape_of(layer, "weight")
        return (
            has(layer, ("mlp_class_std", "padding", "upsample", "downsample", "demudulate"))
            and len(shape) == 4
            and shape[2] == shape[3]
            and shape_of(layer, "bias") == (1, shape[0], 1, 1)
            and type(layer.padding).__name__ in _PADDING_MODES
            and not (layer.upsample and layer.downsample)
            and (isinstance(getattr(layer, "blur", None), Blur) or not (layer.upsample or layer.downsample))
        )

    def examples(self) -> list[tuple[Tensor, ...]]:
        channels = self.weight.shape[1]
        latents = next(p.shape[1] for p in self.mlp_class_std.parameters() if p.ndim == 2)
        return [(example(2, channels, 6, 8), example(2, latents))]

    def forward(self, input: Tensor, latent: Tensor) -> Tensor:
        y = modulated_conv2d(
            input,
            self.weight * sqrt(2 / self.weight[0].numel()),
            1 + self.mlp_class_std(latent),
            demodulate=self.demudulate,
            up=2 if self.upsample else 1,
            down=2 if self.downsample else 1,
            padding=self.padding.padding,
            padding_mode=_PADDING_MODES[type(self.padding).__name__],
            kernel=self.blur.taps if self.downsample else None,
            resample_method="nearest",
            eps=_EPS,
        )
        y = y + self.bias
        return self.blur(y) if self.upsample else y
