"""Checkpoints of a run: the newest few, and the best by a metric."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from ..._checks import check_choice, check_ints, check_number
from ..._whole_files import whole_file


class LatestCheckpoint(Callback):
    """Write ``checkpoints/last.ckpt`` regularly and at the end; earlier ones become ``last-1.ckpt``, ...

    A file is written under another name, flushed to the disk and then renamed, so that a whole one is always there.
    If it cannot be written during training (a full disk), a warning says so, and the next one is due at its time. Of
    several processes the first one decides, by its clock and its metrics, and writes; all go on, or fail, together.

    Args:
        folder: the run's folder.
        every_minutes: minutes between two checkpoints, above 0.
        keep: number of checkpoints, at least 1.
        monitor: name of a logged metric; the state with its best value is kept as ``best.ckpt``. None for none.
        mode: ``"min"`` or ``"max"``, the better direction of `monitor`.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> from stylelayers.training import LatestCheckpoint
        >>> LatestCheckpoint("runs/RUN", monitor="quality/fid").path.name
        'last.ckpt'
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
        check_number("LatestCheckpoint", above=0, every_minutes=every_minutes)
        check_ints("LatestCheckpoint", keep=keep)
        check_choice("LatestCheckpoint", "mode", mode, ("min", "max"))
        self.path = Path(folder) / "checkpoints" / "last.ckpt"
        self.every_minutes, self.keep, self.monitor, self.mode = every_minutes, keep, monitor, mode
        self._sign = 1 if mode == "min" else -1
        self._best = math.inf
        self._written = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "monitor": self.monitor, "sign": self._sign}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the best value, unless it is of another metric or direction."""
        monitor, sign = state_dict.get("monitor", self.monitor), state_dict.get("sign", self._sign)
        if (monitor, sign) == (self.monitor, self._sign):
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
        self._keep_best(trainer)
        if self.monitor is not None and self.monitor not in trainer.callback_metrics:
            rank_zero_warn(f"LatestCheckpoint: monitor={self.monitor} was not logged; no best.ckpt was kept")
        self._write(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        if (
            isinstance(exception, KeyboardInterrupt) and trainer.world_size == 1
        ):  # several processes are not at the same place
            self._write(trainer)

    def _keep_best(self, trainer: Trainer) -> None:
        logged = None if self.monitor is None else trainer.callback_metrics.get(self.monitor)
        if logged is None:
            return
        value = self._sign * trainer.strategy.broadcast(float(logged))
        if value < self._best:
            self._best = value
            with _together(trainer):
                _save(trainer, self.path.with_name("best.ckpt"))

    def _try_to_write(self, trainer: Trainer) -> None:
        try:
            self._write(trainer)
        except OSError as error:
            rank_zero_warn(
                f"no checkpoint was written ({error}); training goes on, the next is due in {self.every_minutes:g} "
                f"minutes, the last one is as it was"
            )

    def _write(self, trainer: Trainer) -> None:
        fresh = self.path.with_name("new.ckpt")
        with _together(trainer):
            _save(trainer, fresh)
            if trainer.is_global_zero:
                self._rename(fresh)

    def _rename(self, fresh: Path) -> None:
        """Rename the newest file to the first name, and each older one to the next."""
        names = [self.path, *(self.path.with_name(f"last-{age}.ckpt") for age in range(1, self.keep))]
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            if newer.exists():
                newer.replace(older)
        fresh.replace(self.path)


@contextmanager
def _together(trainer: Trainer) -> Iterator[None]:
    """Raise the first process's OSError in all processes."""
    failure = None
    try:
        yield
    except OSError as error:
        failure = error
    failure = trainer.strategy.broadcast(failure)
    if failure is not None:
        raise failure


def _save(trainer: Trainer, path: Path) -> None:
    """Write the whole file or none; all processes must call this, and the first one writes."""
    if not trainer.is_global_zero:
        return trainer.save_checkpoint(path)
    with whole_file(path) as unfinished:
        try:
            trainer.save_checkpoint(unfinished)
        except OSError:
            trainer.strategy.barrier()  # where the other processes wait for the file
            raise
    return None
