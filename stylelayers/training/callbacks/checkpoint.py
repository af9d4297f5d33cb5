"""The states of a run to resume from: the newest few, and the best by a metric."""

from __future__ import annotations

import math
import os
import time
import warnings
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from ...checkpoints.whole_files import whole_file

__all__ = ["LatestCheckpoint"]


class LatestCheckpoint(Callback):
    """Write ``checkpoints/last.ckpt`` now and then, and at the end; the ones before it become ``last-1.ckpt``, ...

    A file is written under another name, flushed to the disk and then renamed, so that a whole one is always there.
    If it cannot be written while training (a full disk), there is a warning, and the next one is due in its time.

    Args:
        folder: the run's folder.
        every_minutes: time from one checkpoint to the next, above 0.
        keep: how many are kept, at least 1.
        monitor: name of a logged metric; the state with the best is kept as ``best.ckpt``. None for none.
        mode: whether the best is the ``"min"`` or the ``"max"``.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_minutes: float = 5.0,
        keep: int = 3,
        monitor: str | None = None,
        mode: str = "min",
    ) -> None:
        if not every_minutes > 0:
            raise ValueError(f"callbacks.checkpoint.every_minutes must be above 0, got {every_minutes}")
        if not isinstance(keep, int) or keep < 1:
            raise ValueError(f"callbacks.checkpoint.keep must be an int of at least 1, got {keep!r}")
        if mode not in ("min", "max"):
            raise ValueError(f"callbacks.checkpoint.mode must be 'min' or 'max', got {mode!r}")
        self.path = Path(folder) / "checkpoints" / "last.ckpt"
        self.every_minutes, self.keep, self.monitor = every_minutes, keep, monitor
        self._sign = 1 if mode == "min" else -1
        self._best = math.inf
        self._written = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best = state_dict["best"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._written = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        self._keep_best(trainer)
        due = time.monotonic() - self._written >= 60 * self.every_minutes
        if trainer.strategy.broadcast(due):
            self._written = time.monotonic()
            self._try_to_write(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._write(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if isinstance(exception, KeyboardInterrupt):
            self._write(trainer)

    def _keep_best(self, trainer: Trainer) -> None:
        value = None if self.monitor is None else trainer.callback_metrics.get(self.monitor)
        if value is None or not self._sign * float(value) < self._best:
            return
        self._best = self._sign * float(value)
        _save(trainer, self.path.with_name("best.ckpt"))

    def _try_to_write(self, trainer: Trainer) -> None:
        if trainer.world_size > 1:  # a process that goes on alone would leave the others waiting
            return self._write(trainer)
        try:
            self._write(trainer)
        except OSError as error:
            warnings.warn(
                f"no checkpoint was written ({error}); training goes on, the next is due in {self.every_minutes:g} "
                f"minutes, the last one is as it was",
                stacklevel=2,
            )
        return None

    def _write(self, trainer: Trainer) -> None:
        fresh = self.path.with_name("new.ckpt")
        _save(trainer, fresh)
        if trainer.is_global_zero:
            names = [self.path, *(self.path.with_name(f"last-{age}.ckpt") for age in range(1, self.keep))]
            for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
                if newer.exists():
                    newer.replace(older)
            fresh.replace(self.path)


def _save(trainer: Trainer, path: Path) -> None:
    """The whole file or none, by the first process; all take part."""
    if not trainer.is_global_zero:
        return trainer.save_checkpoint(path)
    with whole_file(path) as unfinished:
        trainer.save_checkpoint(unfinished)
    return None
