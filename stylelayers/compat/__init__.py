"""Projects that have copied StyleGAN2's operators run on ours, without a compiler, on every device.

``install()`` replaces the operators of the PyTorch port (`port`) and of the official networks (`official`) when a
project imports them; ``python -m stylelayers.compat SCRIPT`` runs a script under it.
"""

from .installation import Installation, install, uninstall

__all__ = ["Installation", "install", "uninstall"]
