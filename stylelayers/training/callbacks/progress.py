"""A line of progress: images, speed, losses, time left."""

import time
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..gan import GAN
from .limits import limits, progress

_SHOWN = {  # beside the penalties
    "speed/images_per_second": "{:.0f} images/s",
    "loss/generator": "G {:.2f}",
    "loss/discriminator": "D {:.2f}",
    "quality/fid": "FID {:.1f}",
}


class TrainingProgress(ProgressBar):
    """A Rich progress bar on a terminal; elsewhere a line of text every so often.

    Args:
        line_seconds: seconds from one line to the next where there is no terminal.

    Example:
        >>> from stylelayers.training import TrainingProgress
        >>> TrainingProgress(line_seconds=60).line_seconds
        60
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
        text = self._describe(trainer, pl_module, fraction)
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

    def _describe(self, trainer: Trainer, model: GAN, fraction: float | None) -> str:
        *first, fid = _SHOWN.items()
        penalties = [(penalty.logs[0], f"{penalty.name} {{:.3f}}") for penalty in model.loss.penalties]
        parts = [f"{model.images_seen:,} images"]
        for name, form in (*first, *penalties, fid):
            if name in trainer.callback_metrics:
                parts.append(form.format(float(trainer.callback_metrics[name])))
        if fraction is not None and fraction > self._fraction_before:
            spent = time.monotonic() - self._started
            left = spent * (1 - fraction) / (fraction - self._fraction_before)
            parts.append(f"{int(left) // 60}:{int(left) % 60:02d} left")
        return " · ".join(parts)


def fraction_done(trainer: Trainer, images_seen: int) -> float | None:
    """How much of training is done, by the limit that will end it first; None where there is no limit."""
    done = progress(trainer, images_seen)
    fractions = [done[name] / limit for name, limit in limits(trainer).items() if limit > 0 and name in done]
    return min(1.0, max(fractions)) if fractions else None
