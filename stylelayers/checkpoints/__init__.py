"""Saving, loading and converting trained networks, without executing anything that a file contains."""

from ._building import arguments_of
from .conversion import Conversion, convert
from .describing import Description, describe
from .generator_file import GENERATOR_FILE, save_generator
from .loading import load_generator, load_networks
from .networks import Networks
from .post_hoc import PostHocAverage, post_hoc_average
from .pytorch_port import pytorch_port_state, save_pytorch_port
from .stylegan2 import StyleGAN2, load_stylegan2
from .stylegan3 import StyleGAN3, load_stylegan3

__all__ = [
    "GENERATOR_FILE",
    "Conversion",
    "Description",
    "Networks",
    "PostHocAverage",
    "StyleGAN2",
    "StyleGAN3",
    "arguments_of",
    "convert",
    "describe",
    "load_generator",
    "load_networks",
    "load_stylegan2",
    "load_stylegan3",
    "post_hoc_average",
    "pytorch_port_state",
    "save_generator",
    "save_pytorch_port",
]
