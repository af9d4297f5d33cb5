"""Quality in numbers while training, and the best generator by one of them."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer

from ...checkpoints import save_generator
from ...data import ImageDataModule
from ...metrics.meter import QualityMeter
from ...metrics.names import HIGH_IS_GOOD, LOW_IS_GOOD
from ...metrics.report import QualityReport
from ..distributed import PreflightError
from ..gan import GAN
from .stopping import StopOnSignal

__all__ = ["QualityMetrics"]

BEST_GENERATOR = "best.safetensors"


class QualityMetrics(Callback):
    """Measure the averaged generator now and then and at the end, and log the numbers as ``quality/<name>``.

    The first process measures, all log its numbers. Training goes on as if nothing had been: random numbers, weights
    and order are those before. A run that a signal ends measures no more, to have its checkpoint in time.

    Args:
        folder: the run's folder, for ``best.safetensors``.
        every_images: images seen from one measurement to the next, at least 1.
        best: the number by which the best generator is kept; None for none.
        meter: makes a :class:`QualityMeter` from the run's data; a ``functools.partial`` with its settings.

    Raises:
        PreflightError: by ``on_fit_start``; settings that do not fit the data, or weights that cannot be fetched.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_images: int = 10_000,
        best: str | None = "fid",
        meter: Callable[[ImageDataModule], QualityMeter] = QualityMeter,
    ) -> None:
        if not isinstance(every_images, int) or every_images < 1:
            raise ValueError(f"callbacks.quality.every_images must be an int of at least 1, got {every_images!r}")
        if best is not None and best not in (*LOW_IS_GOOD, *HIGH_IS_GOOD):
            known = ", ".join((*LOW_IS_GOOD, *HIGH_IS_GOOD))
            raise ValueError(f"callbacks.quality.best must be one of {known}, or null, got {best!r}")
        self.path = Path(folder) / BEST_GENERATOR
        self.every_images, self.best, self.make_meter = every_images, best, meter
        self._meter: QualityMeter | None = None
        self._best = math.inf
        self._settings: dict[str, Any] = {}  # with which the best was measured
        self._next = self._measured = 0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "measured": self._settings}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best, self._settings = state_dict["best"], state_dict.get("measured", {})

    def on_fit_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        failure = None
        if trainer.is_global_zero:
            try:
                self._meter = self._made(trainer)
            except (ValueError, TypeError) as error:
                failure = PreflightError(f"callbacks.quality.meter: {error}")
        if not trainer.strategy.reduce_boolean_decision(failure is None):
            raise failure or PreflightError("callbacks.quality.meter: the first process failed, and says why")

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._measured = pl_module.images_seen
        self._next = (pl_module.images_seen // self.every_images + 1) * self.every_images

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        if pl_module.images_seen >= self._next:
            self._next += self.every_images
            self._log(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        """At the end of training, where it is too late for `log` in ``on_train_end``."""
        ends = trainer.strategy.reduce_boolean_decision(trainer.fit_loop.done, all=False)
        if ends and self._measured < pl_module.images_seen and not _interrupted(trainer):
            self._log(trainer, pl_module)

    def _made(self, trainer: Trainer) -> QualityMeter:
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, ImageDataModule):
            raise ValueError(f"needs an ImageDataModule, got {type(data).__name__}")
        return self.make_meter(data)

    def _log(self, trainer: Trainer, model: GAN) -> None:
        report = trainer.strategy.broadcast(self._report(model) if trainer.is_global_zero else None)
        self._measured = model.images_seen
        if report is None:
            return
        numbers = {f"quality/{name}": value for name, value in report.numbers().items()}
        model.log_dict(numbers, logger=False)  # for checkpoints and sweeps; as a curve it would repeat until the next
        for logger in trainer.loggers:
            logger.log_metrics({**numbers, "progress/images": float(model.images_seen)}, step=model.iterations)
        self._keep_best(trainer, model, report)

    def _report(self, model: GAN) -> QualityReport | None:
        assert self._meter is not None
        try:
            return self._meter(model.average.module)
        except ValueError as error:  # the generator's images are not finite
            warnings.warn(f"quality was not measured at {model.images_seen:,} images: {error}", stacklevel=2)
            return None

    def _keep_best(self, trainer: Trainer, model: GAN, report: QualityReport) -> None:
        value = None if self.best is None else report.numbers().get(self.best)
        if value is None:
            return
        settings = {"best": self.best, **report.settings()}
        if self._settings and settings != self._settings:
            changed = (name for name in settings if settings[name] != self._settings.get(name))
            news = ", ".join(f"{name} {settings[name]} (before: {self._settings.get(name)})" for name in changed)
            warnings.warn(
                f"quality is measured with {news} from here on: the best generator is chosen anew, as these numbers "
                f"do not compare",
                stacklevel=2,
            )
            self._best = math.inf
        self._settings = settings
        score = value if self.best in LOW_IS_GOOD else -value
        if score < self._best:
            self._best = score
            if trainer.is_global_zero:
                self._write(model, report)

    def _write(self, model: GAN, report: QualityReport) -> None:
        try:
            summary = {"images_seen": model.images_seen, "quality": report.as_dict()}
            save_generator(model.average.module, self.path, summary=summary)
        except OSError as error:
            warnings.warn(f"the best generator was not written ({error}); training goes on", stacklevel=2)


def _interrupted(trainer: Trainer) -> bool:
    """Whether a signal ends the run, in any process."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    received = any(isinstance(callback, StopOnSignal) and callback.received is not None for callback in callbacks)
    return trainer.strategy.reduce_boolean_decision(received, all=False)
