"""Callbacks: checks, pictures, files, quality, limits, schedules, speed, progress, warnings and signals."""

from .averages import PostHocAverages
from .checkpoint import LatestCheckpoint
from .data_summary import DataSummary
from .generator_file import GeneratorFile
from .grid import ImageGrid
from .health import Health
from .limits import StopAfterImages, Throughput
from .progress import TrainingProgress
from .quality import QualityMetrics
from .schedules import Schedules
from .stopping import StopOnSignal

__all__ = [
    "DataSummary",
    "GeneratorFile",
    "Health",
    "ImageGrid",
    "LatestCheckpoint",
    "PostHocAverages",
    "QualityMetrics",
    "Schedules",
    "StopAfterImages",
    "StopOnSignal",
    "Throughput",
    "TrainingProgress",
]
