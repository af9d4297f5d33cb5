"""Length and speed of training, in images; and how far training has come towards any of its limits."""

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from lightning import Callback, Trainer
from lightning.pytorch.callbacks import Timer

from ..._checks import check_ints
from ..gan import GAN


class StopAfterImages(Callback):
    """End training once so many real images have been seen.

    Args:
        max_images: at least 1; None leaves the length to the trainer.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> from stylelayers.training import StopAfterImages
        >>> StopAfterImages(1_000_000).max_images
        1000000
    """

    def __init__(self, max_images: int | None = None) -> None:
        if max_images is not None:
            check_ints("StopAfterImages", max_images=max_images)
        self.max_images = max_images

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._stop_if_reached(trainer, pl_module)  # a resumed run may have seen them

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        self._stop_if_reached(trainer, pl_module)

    def _stop_if_reached(self, trainer: Trainer, model: GAN) -> None:
        if self.max_images is not None and model.images_seen >= self.max_images:
            trainer.should_stop = True


class Throughput(Callback):
    """Log ``speed/images_per_second``, over the last `window` iterations.

    Args:
        window: iterations, at least 2.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> from stylelayers.training import Throughput
        >>> callback = Throughput(window=100)
    """

    def __init__(self, window: int = 50) -> None:
        check_ints("Throughput", 2, window=window)
        self._marks: deque[tuple[float, int]] = deque(maxlen=window)

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._marks.clear()

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        self._marks.append((time.perf_counter(), pl_module.images_seen))
        if len(self._marks) > 1:
            (start, images_before), (now, images) = self._marks[0], self._marks[-1]
            pl_module.log("speed/images_per_second", (images - images_before) / max(now - start, 1e-9))


def limits(trainer: Trainer) -> dict[str, float]:
    """Where training ends at the latest, for each of its limits: ``steps``, ``epochs``, ``images``, ``seconds``.

    A trainer that takes no batches has the limit ``batches``, 0.
    """
    found: dict[str, float] = {}
    if trainer.max_steps >= 0:
        found["steps"] = trainer.max_steps
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        found["epochs"] = trainer.max_epochs
    if trainer.limit_train_batches == 0:
        found["batches"] = 0
    if images := [stop.max_images for stop in find_callbacks(trainer, StopAfterImages) if stop.max_images is not None]:
        found["images"] = min(images)
    if (timer := _timer(trainer)) is not None:
        found["seconds"] = timer.time_elapsed() + (timer.time_remaining() or 0.0)
    return found


def progress(trainer: Trainer, images_seen: int) -> dict[str, float]:
    """How far a training that runs has come, by the names of :func:`limits`; epochs in fractions."""
    done: dict[str, float] = {"steps": trainer.global_step, "images": images_seen}
    if trainer.num_training_batches:
        done["epochs"] = trainer.current_epoch + (trainer.fit_loop.batch_idx + 1) / trainer.num_training_batches
    if (timer := _timer(trainer)) is not None:
        done["seconds"] = timer.time_elapsed()
    return done


def progress_of_checkpoint(trainer: Trainer, state: Mapping[str, Any]) -> dict[str, float]:
    """How far a training from a checkpoint has come before it begins; an empty `state` is one from the start."""
    timer = _timer(trainer)
    spent = {} if timer is None else state.get("callbacks", {}).get(timer.state_key, {}).get("time_elapsed", {})
    return {
        "steps": state.get("global_step", 0),
        "epochs": state.get("epoch", 0),
        "images": state.get("images_seen", 0),
        "seconds": spent.get("train", 0.0),
        "batches": 0,
    }


def find_callbacks(trainer: Trainer, kind: type[Any]) -> list[Any]:
    """A trainer's callbacks of a class."""
    return [callback for callback in getattr(trainer, "callbacks", ()) if isinstance(callback, kind)]


def _timer(trainer: Trainer) -> Timer | None:
    """The timer of ``max_time``, if there is such a limit."""
    return next((timer for timer in find_callbacks(trainer, Timer) if timer.time_remaining() is not None), None)
