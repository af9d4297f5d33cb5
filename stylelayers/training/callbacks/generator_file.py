"""The file of a run's averaged generator."""

import os
from pathlib import Path

from lightning import Callback, Trainer

from ...checkpoints import GENERATOR_FILE, save_generator
from ..gan import GAN
from ..watching import send_generator


class GeneratorFile(Callback):
    """Write the averaged generator to ``generator.safetensors`` when training ends.

    Loggers that take files get it; see :mod:`stylelayers.training.watching`.

    Args:
        folder: the run's folder.

    Example:
        >>> from stylelayers.training import GeneratorFile
        >>> GeneratorFile("runs/RUN").path.name
        'generator.safetensors'
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder) / GENERATOR_FILE

    def on_train_end(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        if trainer.is_global_zero:
            save_generator(pl_module.average.module, self.path, summary=_summary(pl_module))
            send_generator(trainer, self.path, alias="latest")


def _summary(model: GAN) -> dict[str, int | float]:
    """Counters of the run, and the half-life of its average in images."""
    return {
        "images_seen": model.images_seen,
        "iterations": model.iterations,
        "skipped_steps": model.skipped_steps,
        "average_half_life": model.average.half_life,
    }
