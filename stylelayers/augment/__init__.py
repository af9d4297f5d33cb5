"""Augmentation of everything that a discriminator sees, differentiable any number of times; torch only."""

from .adaptive import AdaptiveAugment
from .bands import amplify_bands
from .diffaugment import DiffAugment
from .fading_blur import FadingBlur
from .operations import (
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    color_transform,
    cutout,
    flip_and_turn,
    translate_pixels,
)
from .pipeline import GROUPS, STRENGTHS, AugmentPipeline
from .warp import affine_warp

__all__ = [
    "GROUPS",
    "STRENGTHS",
    "AdaptiveAugment",
    "AugmentPipeline",
    "DiffAugment",
    "FadingBlur",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_saturation",
    "affine_warp",
    "amplify_bands",
    "color_transform",
    "cutout",
    "flip_and_turn",
    "translate_pixels",
]
