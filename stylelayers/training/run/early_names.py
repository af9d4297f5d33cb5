"""Configurations of runs from before names changed: the same values under the names of today."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

_KEYS = {
    "model.generator.latent_dim": "model.generator.z_dim",
    "model.generator.style_dim": "model.generator.w_dim",
    "model.initialize_from": "initialize_from",
    "model.initialize_strict": "initialize_strict",
    "objective": "optimized_metric",
}
_VALUES: dict[str, dict[Any, Any]] = {
    "data.labels": {True: "classes", False: "none"},
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


_ADDED_TO_DATA = {  # keys that early runs lack, with what they did
    "resize_filter": "lanczos",
    "vertical_flip": False,
    "balance_classes": False,
    "max_images": None,
    "subset_seed": 0,
    "on_error": "raise",
    "verify": "header",
}
_ADDED_TO_LOSS = {"r1_form": "exact", "mismatch_weight": 0.0, "mismatch_interval": 4}
_ADDED_TO_MODEL = {"model.blur_sigma": 0.0, "model.blur_images": 200_000}
_ADDED_TO_CALLBACKS = {"every_images": None, "widths": [0.05, 0.1]}

_OPTIONS = {"data=image_folder": "data=folder"}


def arguments_of_today(arguments: Sequence[str]) -> list[str]:
    """A command line with the options of groups under today's names."""
    return [_OPTIONS.get(argument, argument) for argument in arguments]


def with_names_of_today(values: Mapping[str, Any]) -> dict[str, Any]:
    """The dotted keys and values of a configuration, renamed and completed where it is of an earlier version."""
    named = {_KEYS.get(key, key): _with_value_of_today(key, value) for key, value in values.items()}
    source = str(named.get("data._target_"))
    if source.startswith("stylelayers.data."):
        named = {"data.images_per_class": 1} | named
    if source.endswith((".image_folder", ".torchvision_dataset")):
        named = {f"data.{key}": value for key, value in _ADDED_TO_DATA.items()} | named
    losses = [key.removesuffix("r1_gamma") for key in named if key.endswith("loss.r1_gamma")]
    plain = {f"{loss}{key}": value for loss in losses for key, value in _ADDED_TO_LOSS.items()}
    sharp = _ADDED_TO_MODEL if "model.average_half_life" in named else {}
    return plain | sharp | _without_snapshots(named) | named


def _without_snapshots(named: Mapping[str, Any]) -> dict[str, Any]:
    """The callback ``averages``, off, of a run that wrote a generator file and had no such callback."""
    if "callbacks.generator.folder" not in named or "callbacks.averages._target_" in named:
        return {}
    added = {"_target_": "stylelayers.training.PostHocAverages", "folder": named["callbacks.generator.folder"]}
    return {f"callbacks.averages.{key}": value for key, value in {**added, **_ADDED_TO_CALLBACKS}.items()}


def _with_value_of_today(key: str, value: Any) -> Any:
    if key.endswith("_target_"):
        for early, today in _TARGETS:
            value = re.sub(early, today, str(value))
    names = _VALUES.get(key, {})
    if isinstance(value, list):
        return [names.get(item, item) for item in value] if names else value
    return names.get(value, value) if names else value
