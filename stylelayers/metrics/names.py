"""The numbers that a quality meter will report, known before it is made."""

from collections.abc import Callable
from functools import partial
from typing import Any

from ..data import ImageDataModule
from .feature_space import FeatureSpace
from .meter import QualityMeter
from .registry import DIRECTIONS, METRICS, default_metrics


def numbers_of(make_meter: Callable[[ImageDataModule], QualityMeter], data: ImageDataModule) -> tuple[str, ...]:
    """Names of the numbers that a meter of the data will report; all, unless it is a partial of `QualityMeter`."""
    if getattr(make_meter, "func", make_meter) is not QualityMeter:
        return tuple(DIRECTIONS)
    settings: dict[str, Any] = make_meter.keywords if isinstance(make_meter, partial) else {}
    classifies = _has_classifier(settings.get("features", "auto"), data)
    chosen = settings.get("metrics") or default_metrics(with_classifier=classifies)
    metrics = [METRICS[name] for name in chosen if name in METRICS]
    numbers = [number for m in metrics if classifies or not m.needs_classifier for number in m.numbers]
    return tuple(number for number in numbers if number != "asked_recognised" or data.label_kind == "classes")


def _has_classifier(features: Any, data: ImageDataModule) -> bool:
    """Whether the feature space of the setting `features` will be that of a classifier."""
    if isinstance(features, FeatureSpace):
        return features.head is not None
    name = getattr(data.dataset, "own_features", "inception") if features == "auto" else features
    return name in ("classifier", "digits")
