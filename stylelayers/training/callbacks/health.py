"""Warnings, in plain words, of training that goes wrong."""

from __future__ import annotations

import warnings
from collections import deque
from typing import Any

from lightning import Callback, Trainer

from ..gan import GAN

__all__ = ["Health"]


class Health(Callback):
    """Warn of divergence, of a discriminator that has won and of images that are all alike: once, until it has passed.

    Reads the logged metrics of one iteration in `every`; logs ``steps/skipped`` once a step has been skipped.

    Args:
        every: iterations from one look at the metrics to the next, at least 1.
        window: iterations over which the looks at ``samples/diversity`` are averaged, at least `every`.
        max_logit: of the mean logits, without their sign; above 0.
        max_loss: of the losses, without their sign; above 0.
        max_gap: from the mean logit of generated images to that of real ones; above 0.
        min_diversity: of generated images, where 1 is that of the real ones; 0 or more. Needs batches of two images.
    """

    def __init__(
        self,
        *,
        every: int = 50,
        window: int = 200,
        max_logit: float = 100.0,
        max_loss: float = 1000.0,
        max_gap: float = 20.0,
        min_diversity: float = 0.1,
    ) -> None:
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"callbacks.health.every must be an int of at least 1, got {every!r}")
        if not isinstance(window, int) or window < every:
            raise ValueError(f"callbacks.health.window must be an int of at least every={every}, got {window!r}")
        for name, limit in (("max_logit", max_logit), ("max_loss", max_loss), ("max_gap", max_gap)):
            if not limit > 0:
                raise ValueError(f"callbacks.health.{name} must be above 0, got {limit}")
        if not min_diversity >= 0:
            raise ValueError(f"callbacks.health.min_diversity must be 0 or more, got {min_diversity}")
        self.every, self.window = every, window
        self.max_logit, self.max_loss, self.max_gap = max_logit, max_loss, max_gap
        self.min_diversity = min_diversity
        self._diversities: deque[float] = deque(maxlen=window // every)
        self._present: set[str] = set()

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._diversities.clear()
        self._present.clear()

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: GAN, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if pl_module.skipped_steps:
            pl_module.log("steps/skipped", float(pl_module.skipped_steps))
        if pl_module.iterations % self.every == 0:
            metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
            if len(batch[0]) > 1 and "samples/diversity" in metrics:
                self._diversities.append(metrics["samples/diversity"])
            where = f"iteration {pl_module.iterations:,}, {pl_module.images_seen:,} images"
            self._look(metrics, where if trainer.is_global_zero else None)

    def _look(self, metrics: dict[str, float], where: str | None) -> None:
        """Warn of the trouble that the last look did not find, saying where; nothing is said without a place."""
        found = {
            "divergence": self._divergence(metrics),
            "victory": self._victory(metrics),
            "collapse": self._collapse(),
        }
        for trouble, text in found.items():
            if text is not None and trouble not in self._present and where is not None:
                warnings.warn(f"{where}: {text}", stacklevel=2)
        self._present = {trouble for trouble, text in found.items() if text is not None}

    def _divergence(self, metrics: dict[str, float]) -> str | None:
        for name, value in metrics.items():
            key = {"logits": "max_logit", "loss": "max_loss"}.get(name.partition("/")[0])
            limit = getattr(self, key) if key else float("inf")
            if key and not abs(value) <= limit:  # not finite, too
                return (
                    f"{name} is {value:g}, beyond callbacks.health.{key}={limit:g}. Training diverges: the "
                    f"discriminator's answers grow without bound and no longer guide the generator. Start again, or "
                    f"from a checkpoint that still had good images, with a higher loss.r1_gamma or a lower "
                    f"model.discriminator_optimizer.lr and model.generator_optimizer.lr"
                )
        return None

    def _victory(self, metrics: dict[str, float]) -> str | None:
        gap = metrics.get("logits/real", 0.0) - metrics.get("logits/fake", 0.0)
        if not gap > self.max_gap:
            return None
        return (
            f"logits/real is {gap:g} above logits/fake, beyond callbacks.health.max_gap={self.max_gap:g}. The "
            f"discriminator has won: it is certain of every image, and the generator learns little from it. Raise "
            f"loss.r1_gamma or lower model.discriminator_optimizer.lr; with few real images, which the discriminator "
            f"comes to know by heart, train with more of them or for a shorter time"
        )

    def _collapse(self) -> str | None:
        if len(self._diversities) < self.window // self.every:
            return None
        mean = sum(self._diversities) / len(self._diversities)
        if not mean < self.min_diversity:
            return None
        return (
            f"samples/diversity is {mean:g} on average over {self.window} iterations, below "
            f"callbacks.health.min_diversity={self.min_diversity:g}. The generator has collapsed: its images are "
            f"nearly all alike, where 1 is as different as the real ones. It seldom recovers: start again with "
            f"a higher loss.r1_gamma or data.batch_size, or a lower model.generator_optimizer.lr"
        )
