"""Layers: parameters plus one call of an operator of `stylelayers.functional`."""

from .activation import BiasAct
from .alias_free import AliasFreeConv, Sampling
from .equalized import EqualConv2d, EqualLinear
from .fourier import FourierInput, motion
from .modulated import ModulatedConv2d
from .noise import ConstantInput, NoiseInjection
from .norm import MinibatchStdDev, PixelNorm
from .resample import Blur, Downsample2d, Upsample2d
from .styled import StyledConv, ToRGB

__all__ = [
    "AliasFreeConv",
    "BiasAct",
    "Blur",
    "ConstantInput",
    "Downsample2d",
    "EqualConv2d",
    "EqualLinear",
    "FourierInput",
    "MinibatchStdDev",
    "ModulatedConv2d",
    "NoiseInjection",
    "PixelNorm",
    "Sampling",
    "StyledConv",
    "ToRGB",
    "Upsample2d",
    "motion",
]
