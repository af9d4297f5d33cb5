"""Augmentation of everything that a discriminator sees, differentiable any number of times; torch only."""

from .diffaugment import DiffAugment
from .operations import (
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    cutout,
    flip_and_turn,
    translate_pixels,
)

__all__ = [
    "DiffAugment",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_saturation",
    "cutout",
    "flip_and_turn",
    "translate_pixels",
]
