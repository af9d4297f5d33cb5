"""What a run leaves behind: its latest state, to resume from, and its averaged generator, to use."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning import Callback, LightningModule, Trainer

from ...checkpoints import GENERATOR_FILE, save_generator

if TYPE_CHECKING:
    from ..gan import GAN

__all__ = ["GeneratorFile", "LatestCheckpoint"]


class LatestCheckpoint(Callback):
    """Write ``checkpoints/last.ckpt`` now and then, at the end, and when training is interrupted (Ctrl-C).

    The file is written under another name and then renamed, so that a whole one is always there.

    Args:
        folder: the run's folder.
        every_minutes: time from one checkpoint to the next, above 0.
    """

    def __init__(self, folder: str | os.PathLike[str], *, every_minutes: float = 5.0) -> None:
        if not every_minutes > 0:
            raise ValueError(f"callbacks.checkpoint.every_minutes must be above 0, got {every_minutes}")
        self.path = Path(folder) / "checkpoints" / "last.ckpt"
        self.every_minutes = every_minutes
        self._written = time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._written = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        due = time.monotonic() - self._written >= 60 * self.every_minutes
        if trainer.strategy.broadcast(due):
            self._write(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._write(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if isinstance(exception, KeyboardInterrupt):
            self._write(trainer)

    def _write(self, trainer: Trainer) -> None:
        unfinished = self.path.with_suffix(".part")
        trainer.save_checkpoint(unfinished)
        if trainer.is_global_zero:
            unfinished.replace(self.path)
        self._written = time.monotonic()


class GeneratorFile(Callback):
    """Write the averaged generator to ``generator.safetensors`` when training ends.

    Args:
        folder: the run's folder.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.path = Path(folder) / GENERATOR_FILE

    def on_train_end(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        if trainer.is_global_zero:
            save_generator(pl_module.average.module, self.path, summary={"images_seen": pl_module.images_seen})
