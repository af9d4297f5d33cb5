"""Configurations of runs from before names changed: the same values under the names of today."""

import re
from collections.abc import Mapping
from typing import Any

_KEYS = {
    "model.generator.latent_dim": "model.generator.z_dim",
    "model.generator.style_dim": "model.generator.w_dim",
    "model.initialize_from": "initialize_from",
    "model.initialize_strict": "initialize_strict",
    "objective": "optimized_metric",
}
_VALUES = {
    "callbacks.quality.meter.metrics": {"path_length": "perceptual_path_length"},
    "callbacks.quality.best": {"path_length": "ppl"},
    "callbacks.checkpoint.monitor": {
        "quality/path_length": "quality/ppl",
        "penalty/gradient": "penalty/gradient_penalty",
    },
}
_TARGETS = (
    (r"^stylelayers\.training\.(data|metrics)\.", r"stylelayers.\1."),
    (r"^stylelayers\.training\.Preflight$", "stylelayers.training.run.Preflight"),
    (r"^stylelayers\.training\.StyleGAN2Objective$", "stylelayers.training.StyleGAN2Loss"),
)


def with_names_of_today(values: Mapping[str, Any]) -> dict[str, Any]:
    """The dotted keys and values of a configuration, renamed and completed where it is of an earlier version."""
    named = {_KEYS.get(key, key): _with_value_of_today(key, value) for key, value in values.items()}
    exact = {key.replace("r1_gamma", "r1_form"): "exact" for key in named if key.endswith("loss.r1_gamma")}
    return exact | named  # before there was a choice, R1 was exact


def _with_value_of_today(key: str, value: Any) -> Any:
    if key.endswith("_target_"):
        for early, today in _TARGETS:
            value = re.sub(early, today, str(value))
    names = _VALUES.get(key, {})
    if isinstance(value, list):
        return [names.get(item, item) for item in value] if names else value
    return names.get(value, value) if names else value
