"""A line of progress: images, speed, losses, time left."""

import time
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import ProgressBar
from rich.console import Console

from ..gan import GAN
from .limits import limits, progress
from .outputs import Output, open_output

_SHOWN = {  # beside the penalties
    "speed/images_per_second": "{:.0f} images/s",
    "loss/generator": "G {:.2f}",
    "loss/discriminator": "D {:.2f}",
    "quality/fid": "FID {:.1f}",
}


class TrainingProgress(ProgressBar):
    """A Rich progress bar on a terminal, one text in a notebook's cell; elsewhere a line of text every so often.

    Args:
        line_seconds: time from one line to the next where there is neither a terminal nor a notebook.

    Example:
        >>> from stylelayers.training import TrainingProgress
        >>> TrainingProgress(line_seconds=60).line_seconds
        60
    """

    def __init__(self, line_seconds: float = 30.0) -> None:
        super().__init__()
        self.line_seconds = line_seconds
        self._console = Console(soft_wrap=True)
        self._output: Output | None = None
        self._enabled = True
        self._started = self._shown = time.monotonic()

    def disable(self) -> None:
        self._enabled = False

    def enable(self) -> None:
        self._enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._started = self._shown = time.monotonic()
        self._fraction_before = fraction_done(trainer, pl_module.images_seen) or 0.0
        self._output = open_output(self._console, self.line_seconds) if self._enabled else None

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        now = time.monotonic()
        if self._output is None or now - self._shown < self._output.seconds:
            return
        self._shown = now
        fraction = fraction_done(trainer, pl_module.images_seen)
        self._output.show(self._describe(trainer, pl_module, fraction), fraction)

    def on_train_end(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        if self._output is not None and not self._output.keeps:
            fraction = fraction_done(trainer, pl_module.images_seen)
            self._output.show(self._describe(trainer, pl_module, None), fraction)
        self._close()

    def on_exception(self, trainer: Trainer, pl_module: Any, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self._output is not None:
            self._output.close()
            self._output = None

    def _describe(self, trainer: Trainer, model: GAN, fraction: float | None) -> str:
        *first, fid = _SHOWN.items()
        penalties = [(penalty.logs[0], f"{penalty.name} {{:.3f}}") for penalty in model.loss.penalties]
        parts = [f"{model.images_seen:,} images"]
        if fraction is not None and fraction > self._fraction_before:
            spent = time.monotonic() - self._started
            left = spent * (1 - fraction) / (fraction - self._fraction_before)
            parts.append(f"{int(left) // 60}:{int(left) % 60:02d} left")
        for name, form in (*first, *penalties, fid):
            if name in trainer.callback_metrics:
                parts.append(form.format(float(trainer.callback_metrics[name])))
        return " · ".join(parts)


def fraction_done(trainer: Trainer, images_seen: int) -> float | None:
    """How much of training is done, by the limit that will end it first; None where there is no limit."""
    done = progress(trainer, images_seen)
    fractions = [done[name] / limit for name, limit in limits(trainer).items() if limit > 0 and name in done]
    return min(1.0, max(fractions)) if fractions else None
