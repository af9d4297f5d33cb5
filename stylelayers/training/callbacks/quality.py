"""Numbers of quality during training, and the best generator by one of them."""

import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning import Callback, Trainer

from ..._checks import check_choice, check_ints
from ...checkpoints import save_generator
from ...data import ImageDataModule
from ...metrics.meter import QualityMeter
from ...metrics.registry import DIRECTIONS
from ...metrics.report import QualityReport
from ..distributed import PreflightError
from ..gan import GAN
from ..watching import send_generator
from .stopping import StopOnSignal

BEST_GENERATOR = "best.safetensors"


class QualityMetrics(Callback):
    """Measure the averaged generator regularly and at the end, and log the numbers as ``quality/<name>``.

    Rank 0 measures; all ranks log its numbers. Training is not affected: random states, weights and the order of
    images stay as they are. A run that a signal stops is not measured again, so that its checkpoint is in time.

    Args:
        folder: the run's folder, for ``best.safetensors``.
        every_images: images seen between two measurements, at least 1.
        best: number by which the best generator is chosen; None keeps none.
        meter: makes a :class:`stylelayers.metrics.QualityMeter` of the run's data; a ``functools.partial`` with its
            settings.

    Raises:
        ValueError: an argument out of range.
        PreflightError: in ``on_fit_start``; settings that do not fit the data, or weights that cannot be fetched.

    Example:
        >>> from stylelayers.training import QualityMetrics
        >>> QualityMetrics("runs/RUN", every_images=50_000).best
        'fid'
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_images: int = 10_000,
        best: str | None = "fid",
        meter: Callable[[ImageDataModule], QualityMeter] = QualityMeter,
    ) -> None:
        check_ints("QualityMetrics", every_images=every_images)
        if best is not None:
            check_choice("QualityMetrics", "best", best, [name for name, better in DIRECTIONS.items() if better])
        self.path = Path(folder) / BEST_GENERATOR
        self.every_images, self.best, self.make_meter = every_images, best, meter
        self._meter: QualityMeter | None = None
        self._best = math.inf
        self._settings: dict[str, Any] = {}  # of the measurement of the best
        self._next = self._measured = 0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best, "measured": self._settings}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best, self._settings = state_dict["best"], state_dict.get("measured", {})

    def on_fit_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        failure = None
        if trainer.is_global_zero:
            try:
                self._meter = self._build_meter(trainer)
            except (ValueError, TypeError) as error:
                failure = PreflightError(f"QualityMetrics: meter: {error}")
        if not trainer.strategy.reduce_boolean_decision(failure is None):
            raise failure or PreflightError("QualityMetrics: meter: rank 0 failed; see its message")

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._measured = pl_module.images_seen
        self._next = (pl_module.images_seen // self.every_images + 1) * self.every_images

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        if pl_module.images_seen >= self._next:
            self._next += self.every_images
            self._measure(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        """Measure at the end of training: in ``on_train_end`` it would be too late for `log`."""
        ends = trainer.strategy.reduce_boolean_decision(trainer.fit_loop.done, all=False)
        if ends and self._measured < pl_module.images_seen and not _is_interrupted(trainer):
            self._measure(trainer, pl_module)

    def _build_meter(self, trainer: Trainer) -> QualityMeter:
        data = getattr(trainer, "datamodule", None)
        if not isinstance(data, ImageDataModule):
            raise ValueError(f"the data must be an ImageDataModule, got {type(data).__name__}")
        return self.make_meter(data)

    def _measure(self, trainer: Trainer, model: GAN) -> None:
        report = trainer.strategy.broadcast(self._compute_report(model) if trainer.is_global_zero else None)
        self._measured = model.images_seen
        if report is None:
            return
        numbers = {f"quality/{name}": value for name, value in report.numbers().items()}
        model.log_dict(numbers, logger=False)  # for checkpoints and sweeps; loggers would repeat it
        for logger in trainer.loggers:
            logger.log_metrics({**numbers, "progress/images": float(model.images_seen)}, step=model.iterations)
        self._keep_best(trainer, model, report)

    def _compute_report(self, model: GAN) -> QualityReport | None:
        assert self._meter is not None
        try:
            return self._meter(model.average.module)
        except ValueError as error:  # the generator's images are not finite
            warnings.warn(f"quality was not measured at {model.images_seen:,} images: {error}", stacklevel=2)
            return None

    def _keep_best(self, trainer: Trainer, model: GAN, report: QualityReport) -> None:
        if self.best is None or (value := report.numbers().get(self.best)) is None:
            return
        settings = {"best": self.best, **report.settings()}
        if self._settings and settings != self._settings:
            changed = (name for name in settings if settings[name] != self._settings.get(name))
            changes = ", ".join(f"{name} {settings[name]} (before: {self._settings.get(name)})" for name in changed)
            warnings.warn(
                f"quality is measured with {changes} from here on: the best generator is chosen anew, as the numbers "
                f"cannot be compared",
                stacklevel=2,
            )
            self._best = math.inf
        self._settings = settings
        score = value if DIRECTIONS[self.best] == "min" else -value
        if score < self._best:
            self._best = score
            if trainer.is_global_zero:
                self._save_generator(trainer, model, report)

    def _save_generator(self, trainer: Trainer, model: GAN, report: QualityReport) -> None:
        try:
            summary = {"images_seen": model.images_seen, "quality": report.as_dict()}
            save_generator(model.average.module, self.path, summary=summary)
        except OSError as error:
            warnings.warn(f"the best generator was not written ({error}); training goes on", stacklevel=2)
        else:
            send_generator(trainer, self.path, alias="best")


def _is_interrupted(trainer: Trainer) -> bool:
    """Whether a signal stops the run on any rank."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    received = any(isinstance(callback, StopOnSignal) and callback.received is not None for callback in callbacks)
    return trainer.strategy.reduce_boolean_decision(received, all=False)
