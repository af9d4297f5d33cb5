"""Callbacks: checks, pictures, files, limits, schedules, speed, progress, warnings and signals."""

from ...explore.pictures import save_grid
from .checkpoint import LatestCheckpoint
from .files import GeneratorFile
from .grid import ImageGrid
from .health import Health
from .limits import StopAfterImages, Throughput
from .preflight import Preflight
from .progress import TrainingProgress
from .schedules import Schedules
from .stopping import StopOnSignal

__all__ = [
    "GeneratorFile",
    "Health",
    "ImageGrid",
    "LatestCheckpoint",
    "Preflight",
    "Schedules",
    "StopAfterImages",
    "StopOnSignal",
    "Throughput",
    "TrainingProgress",
    "save_grid",
]
