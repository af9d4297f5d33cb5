"""The registry of metrics: the numbers of each, which direction is better, and what each needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .distances import DENSITY_NEIGHBOURS, NEIGHBOURS


@dataclass(frozen=True)
class Metric:
    """An entry of the registry.

    Attributes:
        numbers: names of the reported numbers → the better direction, ``"min"`` or ``"max"``; None for a number that
            only qualifies another one.
        min_images: smallest number of real and of generated images.
        is_default: measured unless metrics are chosen.
        needs_classifier: measured only in the feature space of a classifier.
        needs_motion: measured only of alias-free generators, whose input can be moved.
    """

    numbers: Mapping[str, str | None]
    min_images: int
    is_default: bool = True
    needs_classifier: bool = False
    needs_motion: bool = False


METRICS: dict[str, Metric] = {
    "fid": Metric({"fid": "min"}, min_images=2),
    "kid": Metric({"kid": "min", "kid_deviation": None}, min_images=2),
    "precision_recall": Metric({"precision": "max", "recall": "max"}, min_images=NEIGHBOURS + 1),
    "density_coverage": Metric({"density": "max", "coverage": "max"}, min_images=DENSITY_NEIGHBOURS + 1),
    "perceptual_path_length": Metric({"ppl": "min"}, min_images=3, is_default=False),
    "recognised": Metric(
        {"recognised": "max", "asked_recognised": "max", "smallest_class": "max"}, min_images=1, needs_classifier=True
    ),
    "eq_t": Metric({"eq_t": "max"}, min_images=1, is_default=False, needs_motion=True),
    "eq_t_frac": Metric({"eq_t_frac": "max"}, min_images=1, is_default=False, needs_motion=True),
    "eq_r": Metric({"eq_r": "max"}, min_images=1, is_default=False, needs_motion=True),
}
"""The metrics by name: the numbers that each reports, and what it needs."""
DIRECTIONS = {number: better for metric in METRICS.values() for number, better in metric.numbers.items()}
"""All numbers by name, and the better direction of each: ``"min"``, ``"max"``, or None if it only qualifies another."""


def default_metrics(*, with_classifier: bool) -> tuple[str, ...]:
    """The metrics that are measured unless others are chosen."""
    metrics = ((name, metric) for name, metric in METRICS.items() if metric.is_default)
    return tuple(name for name, metric in metrics if with_classifier or not metric.needs_classifier)


def min_images(metrics: Iterable[str]) -> int:
    """The smallest number of images that all of the given metrics can be computed from."""
    return max(METRICS[name].min_images for name in metrics)
