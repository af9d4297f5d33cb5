"""Saving, loading and converting trained networks, without executing anything that a file contains."""

from .generator_file import GENERATOR_FILE, load_generator, save_generator

__all__ = ["GENERATOR_FILE", "load_generator", "save_generator"]
