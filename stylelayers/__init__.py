"""StyleGAN-style layers for PyTorch: differentiable any number of times, on every device, with torch alone."""

from . import augment, checkpoints, functional, losses, testing
from ._version import __version__ as __version__
from .layers import (
    BiasAct,
    Blur,
    ConstantInput,
    Downsample2d,
    EqualConv2d,
    EqualLinear,
    MinibatchStdDev,
    ModulatedConv2d,
    NoiseInjection,
    PixelNorm,
    StyledConv,
    ToRGB,
    Upsample2d,
)
from .models import Discriminator, Generator, MappingNetwork, SynthesisNetwork

__all__ = [
    "BiasAct",
    "Blur",
    "ConstantInput",
    "Discriminator",
    "Downsample2d",
    "EqualConv2d",
    "EqualLinear",
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
