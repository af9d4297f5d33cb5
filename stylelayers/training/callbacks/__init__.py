"""Callbacks: pictures, files, limits, speed and progress."""

from .files import GeneratorFile, LatestCheckpoint
from .grid import ImageGrid, save_grid
from .limits import StopAfterImages, Throughput
from .progress import TrainingProgress

__all__ = [
    "GeneratorFile",
    "ImageGrid",
    "LatestCheckpoint",
    "StopAfterImages",
    "Throughput",
    "TrainingProgress",
    "save_grid",
]
