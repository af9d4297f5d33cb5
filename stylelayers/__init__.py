"""StyleGAN-style layers for PyTorch: differentiable any number of times, on every device, with torch alone."""

from . import augment, checkpoints, functional, losses, testing
from ._version import __version__ as __version__
from .layers import (
    AliasFreeConv,
    BiasAct,
    Blur,
    ConstantInput,
    Downsample2d,
    EqualConv2d,
    EqualLinear,
    FourierInput,
    MinibatchStdDev,
    ModulatedConv2d,
    NoiseInjection,
    PixelNorm,
    StyledConv,
    ToRGB,
    Upsample2d,
)
from .models import (
    AliasFreeGenerator,
    AliasFreeSynthesis,
    Discriminator,
    Generator,
    MappingNetwork,
    SynthesisNetwork,
)

__all__ = [
    "AliasFreeConv",
    "AliasFreeGenerator",
    "AliasFreeSynthesis",
    "BiasAct",
    "Blur",
    "ConstantInput",
    "Discriminator",
    "Downsample2d",
    "EqualConv2d",
    "EqualLinear",
    "FourierInput",
    "Generator",
    "MappingNetwork",
    "MinibatchStdDev",
    "ModulatedConv2d",
    "NoiseInjection",
    "PixelNorm",
    "StyledConv",
    "SynthesisNetwork",
    "ToRGB",
    "Upsample2d",
    "augment",
    "checkpoints",
    "functional",
    "losses",
    "testing",
]
