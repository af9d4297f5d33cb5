"""The names that a run will log, known before it starts, and checks of settings that refer to them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import Timer

from ...augment import AdaptiveAugment
from ...data import ImageDataModule
from ...metrics.names import numbers_of
from ...metrics.registry import DIRECTIONS, METRICS
from ...models import AliasFreeGenerator
from ..callbacks import DataSummary, Health, LatestCheckpoint, QualityMetrics, Schedules, Throughput
from ..gan import GAN
from .keys import did_you_mean

_ALWAYS = ("samples/diversity", "progress/images")
_DIRECTIONS = {f"quality/{name}": better for name, better in DIRECTIONS.items() if better is not None}
_OF_CALLBACKS: dict[type[Any], Callable[[Any, ImageDataModule], Iterator[str]]] = {
    DataSummary: lambda callback, data: iter(() if data.unreadable is None else ("data/unreadable",)),
    Throughput: lambda callback, data: iter(("speed/images_per_second",)),
    Health: lambda callback, data: iter(("steps/skipped",)),
    Schedules: lambda callback, data: (f"schedule/{name}" for name in callback.points),
    QualityMetrics: lambda callback, data: (f"quality/{name}" for name in numbers_of(callback.make_meter, data)),
}


def check_choices(trainer: Trainer, model: GAN, data: ImageDataModule) -> None:
    """Check that the best state and the best generator are chosen by a number that is logged, at its better end."""
    for callback in getattr(trainer, "callbacks", []):
        if isinstance(callback, LatestCheckpoint) and callback.monitor is not None:
            key = "callbacks.checkpoint.monitor"
            check_name(key, callback.monitor, trainer, logged_names(trainer, model, data))
            check_direction("callbacks.checkpoint.mode", key, callback.monitor, callback.mode)
        if isinstance(callback, QualityMetrics):
            _check_motion(getattr(callback.make_meter, "keywords", {}).get("metrics"), model)
        if isinstance(callback, QualityMetrics) and callback.best is not None:
            measured = numbers_of(callback.make_meter, data)
            if measured and callback.best not in measured:
                raise ValueError(
                    f"callbacks.quality.best must be one of what is measured, {', '.join(measured)}, or null, got "
                    f"{callback.best}; see callbacks.quality.meter.metrics"
                )


def _check_motion(metrics: Sequence[str] | None, model: GAN) -> None:
    moved = [name for name in metrics or () if name in METRICS and METRICS[name].needs_motion]
    if moved and not isinstance(model.generator, AliasFreeGenerator):
        raise ValueError(
            f"callbacks.quality.meter.metrics: {moved[0]} needs an alias-free generator, whose input can be moved, "
            f"such as model=stylegan3, got {type(model.generator).__name__}"
        )


def check_direction(key: str, choice: str, name: str, direction: str) -> None:
    """Check that a direction, ``"min..."`` or ``"max..."``, is the better one of a metric."""
    better = _DIRECTIONS.get(name, direction[:3])
    if better != direction[:3]:
        raise ValueError(f"{key} must be {better + direction[3:]} for {choice}={name}, got {direction}")


def check_name(key: str, name: str, trainer: Trainer, names: set[str]) -> None:
    """Check that a name is logged; callbacks of a user may log any."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    if name in _DIRECTIONS and not any(isinstance(callback, QualityMetrics) for callback in callbacks):
        raise ValueError(f"{key}={name} is measured by callbacks=metrics, which is not among the callbacks")
    ours = all(type(c).__module__.startswith("stylelayers.") or isinstance(c, Timer) for c in callbacks)
    if ours and name not in names:
        near = did_you_mean(name, names)
        run = f"{near} This run" if near else "this run"
        raise ValueError(f"{key}={name} is not logged; {run} logs {', '.join(sorted(names))}")


def logged_names(trainer: Trainer, model: GAN, data: ImageDataModule) -> set[str]:
    """The names that the model and the package's callbacks log."""
    names = {*_ALWAYS, *(name for step in model.loss.steps for term in step.losses for name in term.logs)}
    if isinstance(model.augment, AdaptiveAugment):
        names |= {"augment/p", "augment/sign"}
    if model.blur is not None:
        names |= {"blur/sigma"}
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        for kind, names_of in _OF_CALLBACKS.items():
            if isinstance(callback, kind):
                names |= set(names_of(callback, data))
    return names
