"""Warnings of training that goes wrong: divergence, a discriminator that has won, mode collapse."""

import warnings
from collections import deque
from typing import Any

from lightning import Callback, Trainer

from ..._checks import check_ints, check_number
from ..gan import GAN


class Health(Callback):
    """Warn of divergence, of a discriminator that has won and of mode collapse; once, and again after it has passed.

    Reads the logged metrics every `every` iterations; logs ``steps/skipped`` once a step has been skipped.

    Args:
        every: iterations between two looks at the metrics, at least 1.
        window: iterations over which ``samples/diversity`` is averaged, at least `every`.
        max_logit: largest absolute value of the mean logits, above 0.
        max_loss: largest absolute value of the losses, above 0.
        max_gap: largest difference of the mean logits of real and generated images, above 0.
        min_diversity: least diversity of generated images, at least 0; that of real images is 1. Not measured with
            batches of one image.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> from stylelayers.training import Health
        >>> Health(every=100, window=400).max_gap
        20.0
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
        check_ints("Health", every=every)
        check_ints("Health", every, window=window)
        check_number("Health", above=0, max_logit=max_logit, max_loss=max_loss, max_gap=max_gap)
        check_number("Health", least=0, min_diversity=min_diversity)
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
        """Warn of trouble that was not there at the last look; silent without a place."""
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
            limit = {"logits": "max_logit", "loss": "max_loss"}.get(name.partition("/")[0])
            if limit and not abs(value) <= getattr(self, limit):  # also not finite
                return (
                    f"{name} is {value:g}, beyond Health's {limit}={getattr(self, limit):g}. Training diverges: the "
                    f"discriminator's logits grow without bound and no longer guide the generator. Start again, or "
                    f"from a checkpoint that still had good images, with a higher r1_gamma or a lower lr of both "
                    f"optimizers"
                )
        return None

    def _victory(self, metrics: dict[str, float]) -> str | None:
        gap = metrics.get("logits/real", 0.0) - metrics.get("logits/fake", 0.0)
        if not gap > self.max_gap:
            return None
        return (
            f"logits/real is {gap:g} above logits/fake, beyond Health's max_gap={self.max_gap:g}. The "
            f"discriminator has won: it is certain of every image, and the generator learns little from it. Raise "
            f"r1_gamma or lower the discriminator_optimizer's lr; with few real images, which the discriminator "
            f"comes to know by heart, train with more of them or for a shorter time"
        )

    def _collapse(self) -> str | None:
        if len(self._diversities) < self.window // self.every:
            return None
        mean = sum(self._diversities) / len(self._diversities)
        if not mean < self.min_diversity:
            return None
        return (
            f"samples/diversity is {mean:g} on average over {self.window} iterations, below Health's "
            f"min_diversity={self.min_diversity:g}, where real images have 1. The generator has collapsed: its images "
            f"are nearly all alike. It seldom recovers: start again with a higher r1_gamma or batch_size, or a lower "
            f"lr of the generator_optimizer"
        )
