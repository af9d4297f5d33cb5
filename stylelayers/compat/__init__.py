"""Operators and layers of other StyleGAN code, computed by this package."""

from ._layer_report import LayerReport
from .layers import replace_layers
from .strides import blur_strides

__all__ = ["LayerReport", "blur_strides", "replace_layers"]
