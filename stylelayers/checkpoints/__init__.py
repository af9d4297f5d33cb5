"""Saving, loading and converting trained networks, without executing anything that a file contains."""

from .generator_file import GENERATOR_FILE, load_generator, save_generator
from .stylegan2 import StyleGAN2, load_stylegan2

__all__ = ["GENERATOR_FILE", "StyleGAN2", "load_generator", "load_stylegan2", "save_generator"]
