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
        QualityMetrics,
        Schedules,
        StopAfterImages,
        StopOnSignal,
        Throughput,
        TrainingProgress,
    )
    from .gan import GAN, lazy_optimizer
    from .loss import StyleGAN2Loss, mixed_styles

__all__ = [
    "GAN",
    "AveragedGenerator",
    "DataSummary",
    "GeneratorFile",
    "Health",
    "ImageGrid",
    "LatestCheckpoint",
    "QualityMetrics",
    "Schedules",
    "StopAfterImages",
    "StopOnSignal",
    "StyleGAN2Loss",
    "Throughput",
    "TrainingProgress",
    "lazy_optimizer",
    "mixed_styles",
]
