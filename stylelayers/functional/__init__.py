"""Stateless operators, differentiable any number of times; torch only, one operator a file."""

from .activations import activation_names, register_activation
from .bias_act import bias_act
from .filtered_lrelu import filtered_act, filtered_lrelu
from .fir_kernel import fir_kernel
from .lowpass_filter import lowpass_filter
from .minibatch_stddev import minibatch_stddev
from .modulated_conv2d import modulated_conv2d
from .pixel_norm import pixel_norm
from .resample import blur2d, downsample2d, upsample2d
from .resample_conv2d import resample_conv2d
from .upfirdn2d import upfirdn2d

__all__ = [
    "activation_names",
    "bias_act",
    "blur2d",
    "downsample2d",
    "filtered_act",
    "filtered_lrelu",
    "fir_kernel",
    "lowpass_filter",
    "minibatch_stddev",
    "modulated_conv2d",
    "pixel_norm",
    "register_activation",
    "resample_conv2d",
    "upfirdn2d",
    "upsample2d",
]
