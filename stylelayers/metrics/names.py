"""The numbers of quality: which of them are measured, known before a meter is made, and which way is better."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..data import ImageDataModule
from .feature_space import FeatureSpace
from .meter import DEFAULT, QualityMeter

__all__ = ["HIGH_IS_GOOD", "LOW_IS_GOOD", "numbers_of"]

LOW_IS_GOOD = ("fid", "kid", "path_length")
HIGH_IS_GOOD = ("precision", "recall", "recognised", "asked_recognised", "smallest_class")
_NUMBERS = {
    "fid": ("fid",),
    "kid": ("kid", "kid_deviation"),
    "precision_recall": ("precision", "recall"),
    "path_length": ("path_length",),
    "recognised": ("recognised", "asked_recognised", "smallest_class"),
}


def numbers_of(meter: Callable[[ImageDataModule], QualityMeter], data: ImageDataModule) -> tuple[str, ...]:
    """The numbers that a meter will give for data; all where it is not a `QualityMeter` with its settings."""
    settings: dict[str, Any] = meter.keywords if isinstance(meter, partial) and meter.func is QualityMeter else {}
    if not settings and meter is not QualityMeter:
        return (*LOW_IS_GOOD, *HIGH_IS_GOOD)
    metrics = settings.get("metrics") or (*DEFAULT, "recognised")
    numbers = [number for metric in metrics for number in _NUMBERS.get(metric, ())]
    if "recognised" in numbers and not _classifies(settings.get("features", "auto"), data):
        numbers = [number for number in numbers if number not in _NUMBERS["recognised"]]
    return tuple(number for number in numbers if number != "asked_recognised" or data.num_labels)


def _classifies(features: Any, data: ImageDataModule) -> bool:
    if isinstance(features, FeatureSpace):
        return features.head is not None
    name = getattr(data.dataset, "own_features", "inception") if features == "auto" else features
    return name in ("classifier", "digits")
