"""The value of a run for a sweeper: that of a metric, or the worst one if the run diverged."""

import math
from collections.abc import Mapping
from typing import Any, cast

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf


def is_sweep() -> bool:
    """Whether this run is one of several that Hydra starts."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def sweep_direction() -> str:
    """``minimize`` or ``maximize`` of a sweeper such as Optuna; empty without one."""
    direction = OmegaConf.select(cast(Any, HydraConfig.get()), "sweeper.direction")
    name = getattr(direction, "name", direction)
    return name if isinstance(name, str) else ""


def swept_value(metrics: Mapping[str, float], metric: str | None) -> dict[str, float] | float:
    """All metrics or, where the configuration names one to optimize, its value."""
    return dict(metrics) if metric is None else metrics.get(metric, worst_value())


def worst_value() -> float:
    """The value of a run that measured nothing or diverged."""
    return -math.inf if sweep_direction() == "maximize" else math.inf
