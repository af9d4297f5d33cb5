"""Values that change while training goes on, by the images that it has seen."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from lightning import Callback, Trainer

from ..._checks import check_choice
from ..gan import GAN
from ..optimizers import lazy_factor
from ..steps import mean_lazy_interval

_GAMMAS = {"r1_gamma", "r2_gamma"}
_WITHIN: dict[str, tuple[Callable[[float], bool], str]] = {
    "beta2": (lambda value: 0 <= value < 1, "in [0, 1)"),
    "average_half_life": (lambda value: value > 0, "above 0"),
}
Points = Sequence[tuple[float, float]]


class Schedules(Callback):
    """Set learning rates, beta2, gammas and the average's half-life before every iteration.

    Values depend on the images seen alone, so that a resumed run continues them. A schedule is a list of
    ``[images, value]`` points, interpolated between them and constant outside; None leaves the value as configured.
    Scheduled values are logged as ``schedule/<name>``.

    Args:
        learning_rate: a factor of both optimizers' configured rates, 0 or more.
        beta2: of both optimizers, which must have betas, before their correction for penalties; in [0, 1).
        r1_gamma, r2_gamma: 0 or more; the penalty must be enabled in the loss.
        average_half_life: of the averaged generator, in images, above 0.
        interpolation: ``"linear"`` or ``"cosine"``, which starts and ends slowly between two points.

    Raises:
        ValueError: points that are no pairs, are not in the order of their images, or have values out of range.

    Example:
        >>> from stylelayers.training import Schedules
        >>> Schedules(learning_rate=[(0, 0.0), (10_000, 1.0)]).interpolation
        'linear'
    """

    def __init__(
        self,
        *,
        learning_rate: Points | None = None,
        beta2: Points | None = None,
        r1_gamma: Points | None = None,
        r2_gamma: Points | None = None,
        average_half_life: Points | None = None,
        interpolation: str = "linear",
    ) -> None:
        check_choice("Schedules", "interpolation", interpolation, ("linear", "cosine"))
        points = {
            "learning_rate": learning_rate,
            "beta2": beta2,
            "r1_gamma": r1_gamma,
            "r2_gamma": r2_gamma,
            "average_half_life": average_half_life,
        }
        self.interpolation = interpolation
        self.points = {name: _checked(name, given) for name, given in points.items() if given is not None}
        self._rates: list[list[float]] = []  # of each optimizer's groups, as configured

    def check(self, model: GAN) -> None:
        """Raise a ValueError for what `model` cannot follow."""
        for name in self.points.keys() & _GAMMAS:
            if not model.loss.has(name):
                raise ValueError(f"Schedules: {name} needs the penalty, which the loss's {name}=0 switches off")
        groups = [group for optimizer in model.configure_optimizers() for group in optimizer.param_groups]
        if "beta2" in self.points and not all("betas" in group for group in groups):
            raise ValueError("Schedules: beta2 needs optimizers with betas, such as Adam")

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self.check(pl_module)
        self._rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in trainer.optimizers]

    def on_train_batch_start(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        values = {
            name: value_at(points, pl_module.images_seen, cosine=self.interpolation == "cosine")
            for name, points in self.points.items()
        }
        self._set(trainer, pl_module, values)
        pl_module.log_dict({f"schedule/{name}": value for name, value in values.items()})

    def _set(self, trainer: Trainer, model: GAN, values: dict[str, float]) -> None:
        networks = ("generator", "discriminator")
        for optimizer, rates, network in zip(trainer.optimizers, self._rates, networks, strict=True):
            c = lazy_factor(mean_lazy_interval(model.loss.steps, network))
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                if "learning_rate" in values:
                    group["lr"] = rate * values["learning_rate"]
                if "beta2" in values:
                    group["betas"] = (group["betas"][0], values["beta2"] ** c)
        for name in values.keys() & _GAMMAS:
            model.loss.set_weight(name, values[name])
        model.average.half_life = values.get("average_half_life", model.average.half_life)


def value_at(points: Points, images: float, *, cosine: bool = False) -> float:
    """The schedule's value after so many images.

    Example:
        >>> from stylelayers.training.callbacks.schedules import value_at
        >>> [value_at([(100, 0.0), (200, 1.0)], images) for images in (0, 100, 125, 300)]
        [0.0, 0.0, 0.25, 1.0]
    """
    if images <= points[0][0]:
        return points[0][1]
    for (start, before), (end, after) in pairwise(points):
        if images < end:
            share = (images - start) / (end - start)
            share = (1 - math.cos(math.pi * share)) / 2 if cosine else share
            return before + share * (after - before)
    return points[-1][1]


def _checked(name: str, points: Any) -> list[tuple[float, float]]:
    try:
        pairs = [(float(images), float(value)) for images, value in points]
    except (TypeError, ValueError):
        raise ValueError(f"Schedules: {name} must be a list of [images, value] points, got {points!r}") from None
    if not pairs or not pairs[0][0] >= 0 or not all(start < end for (start, _), (end, _) in pairwise(pairs)):
        raise ValueError(f"Schedules: {name} must have points of images that increase, 0 or more, got {points!r}")
    allowed, bounds = _WITHIN.get(name, (lambda value: value >= 0, "0 or more"))
    if not all(math.isfinite(value) and allowed(value) for _, value in pairs):
        raise ValueError(f"Schedules: {name} must have values {bounds}, got {points!r}")
    return pairs
