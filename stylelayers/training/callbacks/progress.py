"""A line that says how training goes: images, speed, losses, time left."""

from __future__ import annotations

import time
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import ProgressBar, Timer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..gan import GAN
from .limits import StopAfterImages

__all__ = ["TrainingProgress", "fraction_done"]

_SHOWN = {
    "speed/images_per_second": ("", " images/s", ".0f"),
    "loss/generator": ("G ", "", ".2f"),
    "loss/discriminator": ("D ", "", ".2f"),
    "penalty/r1": ("R1 ", "", ".3f"),
    "penalty/r2": ("R2 ", "", ".3f"),
    "penalty/gradient": ("GP ", "", ".3f"),
    "penalty/path_length": ("PL ", "", ".3f"),
    "quality/fid": ("FID ", "", ".1f"),
}


class TrainingProgress(ProgressBar):
    """A Rich progress bar on a terminal; elsewhere a line of text every so often.

    Args:
        line_seconds: time from one line to the next where there is no terminal.
    """

    def __init__(self, line_seconds: float = 30.0) -> None:
        super().__init__()
        self.line_seconds = line_seconds
        self._console = Console(soft_wrap=True)
        self._bar: Progress | None = None
        self._enabled = True
        self._started = self._shown = time.monotonic()

    def disable(self) -> None:
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._started = self._shown = time.monotonic()
        self._fraction_before = fraction_done(trainer, pl_module.images_seen) or 0.0
        if self._enabled and self._console.is_terminal:
            columns = (BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
            self._bar = Progress(*columns, console=self._console)
            self._bar.add_task("starting", total=None)
            self._bar.start()

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        now = time.monotonic()
        if not self._enabled or now - self._shown < (0.5 if self._bar else self.line_seconds):
            return
        self._shown = now
        fraction = fraction_done(trainer, pl_module.images_seen)
        text = self._text(trainer, pl_module.images_seen, fraction)
        if self._bar is None:
            self._console.print(text, highlight=False)
        else:
            total = None if fraction is None else 1.0
            self._bar.update(self._bar.task_ids[0], total=total, completed=fraction, description=text)

    def on_train_end(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _text(self, trainer: Trainer, images_seen: int, fraction: float | None) -> str:
        parts = [f"{images_seen:,} images"]
        for name, (before, after, form) in _SHOWN.items():
            if name in trainer.callback_metrics:
                parts.append(f"{before}{float(trainer.callback_metrics[name]):{form}}{after}")
        if fraction is not None and fraction > self._fraction_before:
            spent = time.monotonic() - self._started
            left = spent * (1 - fraction) / (fraction - self._fraction_before)
            parts.append(f"{int(left) // 60}:{int(left) % 60:02d} left")
        return " · ".join(parts)


def fraction_done(trainer: Trainer, images_seen: int) -> float | None:
    """How much of training is done, by the limit that will end it first; None where there is no limit."""
    fractions = []
    if trainer.max_steps > 0:
        fractions.append(trainer.global_step / trainer.max_steps)
    if trainer.max_epochs is not None and trainer.max_epochs > 0 and trainer.num_training_batches:
        batches = trainer.current_epoch * trainer.num_training_batches + trainer.fit_loop.batch_idx + 1
        fractions.append(batches / (trainer.max_epochs * trainer.num_training_batches))
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, StopAfterImages) and callback.max_images:
            fractions.append(images_seen / callback.max_images)
        if isinstance(callback, Timer) and callback.time_remaining() is not None:
            spent, left = callback.time_elapsed(), callback.time_remaining() or 0.0
            fractions.append(spent / max(spent + left, 1e-9))
    return min(1.0, max(fractions)) if fractions else None
