"""The operators of the PyTorch port's folder ``op`` (github.com/rosinality/stylegan2-pytorch) and of its many copies.

Names, signatures and meanings are theirs, also those of the older copies. Different are:

- nothing is compiled, and every operator has derivatives of every order on every device;
- `fused_leaky_relu` has the slope that it is given on CPUs too, where theirs has 0.2 whatever is asked for;
- a kernel may be 1-D (it is applied along both axes) and of another dtype than the images; it gets no gradient;
- `upfirdn2d` takes ``pad`` as one int too, and errors are ValueErrors that name the argument;
- ``conv2d_gradfix.enabled`` is there to be set and changes nothing; the autograd Functions and their caches
  (``UpFirDn2d``, ``FusedLeakyReLUFunction``, …) are not there.
"""

from . import conv2d_gradfix
from .fused_act import FusedLeakyReLU, fused_leaky_relu
from .upfirdn2d import upfirdn2d, upfirdn2d_native

__all__ = ["FusedLeakyReLU", "conv2d_gradfix", "fused_leaky_relu", "upfirdn2d", "upfirdn2d_native"]
