"""Configurations of runs from before names changed: the same values under the names of today."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["with_names_of_today"]

_KEYS = {
    "model.generator.latent_dim": "model.generator.z_dim",
    "model.generator.style_dim": "model.generator.w_dim",
    "model.initialize_from": "initialize_from",
    "model.initialize_strict": "initialize_strict",
    "objective": "optimized_metric",
}
_TARGETS = (
    (r"^stylelayers\.training\.(data|metrics)\.", r"stylelayers.\1."),
    (r"^stylelayers\.training\.Preflight$", "stylelayers.training.run.Preflight"),
    (r"^stylelayers\.training\.StyleGAN2Objective$", "stylelayers.training.StyleGAN2Loss"),
)


def with_names_of_today(values: Mapping[str, Any]) -> dict[str, Any]:
    """The dotted keys and values of a configuration, renamed where it is of an earlier version.

    Example:
        >>> with_names_of_today({"model.generator.style_dim": 64, "seed": 0})
        {'model.generator.w_dim': 64, 'seed': 0}
    """
    return {_KEYS.get(key, key): _target(value) if key.endswith("_target_") else value for key, value in values.items()}


def _target(name: Any) -> Any:
    for early, today in _TARGETS:
        name = re.sub(early, today, str(name))
    return name
