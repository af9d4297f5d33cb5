"""Training through Lightning: the module, its objective, data, callbacks. Needs the extra ``train``."""

from .._extras import needs_extra

with needs_extra(__name__, "train"):
    from .averaging import AveragedGenerator
    from .callbacks import (
        DataSummary,
        GeneratorFile,
        Health,
        ImageGrid,
        LatestCheckpoint,
        Preflight,
        QualityMetrics,
        Schedules,
        StopAfterImages,
        StopOnSignal,
        Throughput,
        TrainingProgress,
    )
    from .data import ImageDataModule
    from .gan import GAN, lazy_optimizer
    from .objective import StyleGAN2Objective, mixed_styles

__all__ = [
    "GAN",
    "AveragedGenerator",
    "DataSummary",
    "GeneratorFile",
    "Health",
    "ImageDataModule",
    "ImageGrid",
    "LatestCheckpoint",
    "Preflight",
    "QualityMetrics",
    "Schedules",
    "StopAfterImages",
    "StopOnSignal",
    "StyleGAN2Objective",
    "Throughput",
    "TrainingProgress",
    "lazy_optimizer",
    "mixed_styles",
]
