"""Training through Lightning: the module, its loss, callbacks. Needs the extra ``train``."""

from .._extras import needs_extra

with needs_extra(__name__, "train"):
    from .averaging import AveragedGenerator
    from .callbacks import (
        DataSummary,
        GeneratorFile,
        Health,
        ImageGrid,
        LatestCheckpoint,
        PostHocAverages,
        QualityMetrics,
        Schedules,
        StopAfterImages,
        StopOnSignal,
        Throughput,
        TrainingProgress,
    )
    from .gan import GAN
    from .loss import StyleGAN2Loss
    from .optimizers import lazy_optimizer
    from .style_mixing import mix_styles

__all__ = [
    "GAN",
    "AveragedGenerator",
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
    "StyleGAN2Loss",
    "Throughput",
    "TrainingProgress",
    "lazy_optimizer",
    "mix_styles",
]
