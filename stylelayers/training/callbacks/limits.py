"""Length and speed of training, counted in images."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from lightning import Callback, Trainer

from ..gan import GAN

__all__ = ["StopAfterImages", "Throughput"]


class StopAfterImages(Callback):
    """End training once so many real images have been seen.

    Args:
        max_images: at least 1; None leaves the length to the trainer.
    """

    def __init__(self, max_images: int | None = None) -> None:
        if max_images is not None and max_images < 1:
            raise ValueError(f"callbacks.stop.max_images must be at least 1, got {max_images}")
        self.max_images = max_images

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._look(trainer, pl_module)  # a resumed run may have seen them

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        self._look(trainer, pl_module)

    def _look(self, trainer: Trainer, pl_module: GAN) -> None:
        if self.max_images is not None and pl_module.images_seen >= self.max_images:
            trainer.should_stop = True


class Throughput(Callback):
    """Log ``speed/images_per_second``, over the last `window` iterations.

    Args:
        window: iterations, at least 2.
    """

    def __init__(self, window: int = 50) -> None:
        if window < 2:
            raise ValueError(f"callbacks.throughput.window must be at least 2, got {window}")
        self._marks: deque[tuple[float, int]] = deque(maxlen=window)

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._marks.clear()

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        self._marks.append((time.perf_counter(), pl_module.images_seen))
        if len(self._marks) > 1:
            (start, images_before), (now, images) = self._marks[0], self._marks[-1]
            pl_module.log("speed/images_per_second", (images - images_before) / max(now - start, 1e-9))
