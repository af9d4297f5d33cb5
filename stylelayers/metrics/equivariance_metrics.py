"""Equivariance among a meter's metrics: what it needs, and its numbers."""

from collections.abc import Iterable
from typing import Any

from ..models import AliasFreeGenerator, StyleGenerator
from .equivariance import eq_r, eq_t, eq_t_frac
from .registry import METRICS

MAX_SAMPLES = 256  # each is generated twice, and filtered
_MEASURES = {"eq_t": eq_t, "eq_t_frac": eq_t_frac, "eq_r": eq_r}
_LEAST_SIDE = {"eq_t": 1, "eq_t_frac": 24, "eq_r": 24}  # pixels, so that low-pass filters fit into what both show


def measure_equivariance(
    generator: StyleGenerator, metrics: Iterable[str], *, samples: int, seed: int, batch_size: int
) -> dict[str, Any]:
    """The numbers of those metrics that need motion, over `samples` latents and motions, at most 256."""
    settings: dict[str, Any] = {"samples": min(samples, MAX_SAMPLES), "seed": seed, "batch_size": batch_size}
    numbers: dict[str, Any] = {name: _MEASURES[name](generator, **settings) for name in _moved(metrics)}
    return numbers | ({"equivariance_samples": settings["samples"]} if numbers else {})


def check_settings(metrics: Iterable[str], resolution: tuple[int, int], truncation_psi: float) -> None:
    """Raise a ValueError for metrics that truncation or the size of the images does not allow."""
    for name in _moved(metrics):
        if truncation_psi != 1:
            raise ValueError(f"QualityMeter: truncation_psi must be 1 for {name}, got {truncation_psi}")
        least, (height, width) = _LEAST_SIDE[name], resolution
        if min(height, width) < least:
            raise ValueError(f"QualityMeter: metrics: {name} needs images of {least}x{least}, got {height}x{width}")


def check_movable(generator: StyleGenerator, metrics: Iterable[str]) -> None:
    """Raise a ValueError for metrics that need to move the input of a generator which cannot be moved."""
    for name in _moved(metrics):
        if not isinstance(generator, AliasFreeGenerator):
            raise ValueError(
                f"QualityMeter: metrics: {name} needs an alias-free generator, whose input can be moved, got "
                f"{type(generator).__name__}"
            )


def _moved(metrics: Iterable[str]) -> list[str]:
    return [name for name in metrics if METRICS[name].needs_motion]
