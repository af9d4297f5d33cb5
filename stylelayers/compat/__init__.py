"""Projects that have copied StyleGAN2's operators run on ours, without a compiler, on every device.

:func:`install` replaces the operators of the PyTorch port (`port`) and of the official networks (`official`) when a
project imports them, and ``python -m stylelayers.compat SCRIPT`` runs a script under it. :func:`replace_layers` and
:func:`blur_strides` exchange layers of live networks.
"""

from ._layer_report import LayerReport
from .installation import Installation, install, uninstall
from .layers import replace_layers
from .strides import blur_strides

__all__ = ["Installation", "LayerReport", "blur_strides", "install", "replace_layers", "uninstall"]
