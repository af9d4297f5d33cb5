"""Callbacks: checks, pictures, files, limits, speed, progress, warnings and signals."""

from .checkpoint import LatestCheckpoint
from .files import GeneratorFile
from .grid import ImageGrid, save_grid
from .health import Health
from .limits import StopAfterImages, Throughput
from .preflight import Preflight
from .progress import TrainingProgress
from .stopping import StopOnSignal

__all__ = [
    "GeneratorFile",
    "Health",
    "ImageGrid",
    "LatestCheckpoint",
    "Preflight",
    "StopAfterImages",
    "StopOnSignal",
    "Throughput",
    "TrainingProgress",
    "save_grid",
]
