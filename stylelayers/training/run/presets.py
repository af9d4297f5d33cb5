"""Resolvers of the configuration: published values that depend on the resolution, the batch and the processes.

What is no resolution, batch or number of devices counts as 1 here: it is refused by its own key later.
"""

import os
import pydoc
from collections.abc import Sequence
from typing import Any

import torch
from omegaconf import OmegaConf

from ...data.source import CLASSES, NONE
from ...models import AliasFreeGenerator
from .program import program_command, program_name

_HALF_LIFE = 10_000 / 32  # images per image of a batch
_PIXELS, _LEAST_BATCH, _LARGEST_BATCH = 4096, 4, 32  # a process trains on 4096 / side images per step


def published(name: str, resolution: int | Sequence[int], generator: Any = None) -> float:
    """A value of the automatic configuration of StyleGAN2-ADA (arXiv:2006.06676), or of StyleGAN3 (arXiv:2106.12423).

    Args:
        name: ``batch_size`` (of a process), ``channel_base``, ``lr``, ``path_length_weight`` or ``style_mixing``.
        resolution: side in pixels, or ``(height, width)``, of which the larger one counts.
        generator: name of the generator's class; one of alias-free generators has the values of StyleGAN3.
    """
    side = max(map(_count, resolution if isinstance(resolution, Sequence) else [resolution]), default=1)
    alias_free = _is_alias_free(generator)
    return {
        "batch_size": max(min(_PIXELS // side, _LARGEST_BATCH), _LEAST_BATCH),
        "channel_base": 32768 if alias_free or side >= 512 else 16384,
        "lr": 0.002 if side >= 1024 and not alias_free else 0.0025,
        "path_length_weight": 0.0 if alias_free else 2.0,
        "style_mixing": 0.0 if alias_free else 0.9,
    }[name]


def times(value: Any, factor: float) -> Any:
    """The product, an int for an int; what is no number stays, and is refused by its own key later."""
    return type(value)(value * factor) if isinstance(value, int | float) else value


def in_configuration(configuration: Any, translation: Any, rotation: Any) -> Any:
    """The one value for configuration T of an alias-free generator, the other one for R."""
    return rotation if configuration == "R" else translation


def if_labelled(labels: Any, value: Any) -> Any:
    """The value for data with labels, 0 without."""
    return 0.0 if labels in (NONE, False, None) else value


def class_group(labels: Any, batch_size: Any, group_size: Any, micro_batches: Any) -> int:
    """Images of one class side by side: the discriminator's groups; 1 without classes or whole groups."""
    group = _count(group_size)
    whole = _count(micro_batches) == 1 and _count(batch_size) % group == 0
    return group if labels in (CLASSES, True) and whole else 1


def half_life(batch_size: int, devices: int | str | Sequence[int], num_nodes: int = 1) -> float:
    """Half-life of the averaged generator in images, for `batch_size` images per step and process.

    Args:
        batch_size, devices, num_nodes: as the trainer takes them; ``"auto"`` and -1 are all GPUs of this machine.
    """
    if devices in ("auto", -1, "-1"):
        devices = torch.cuda.device_count()
    elif isinstance(devices, Sequence) and not isinstance(devices, str):
        devices = len(devices)
    processes = int(os.environ.get("WORLD_SIZE") or _count(devices) * _count(num_nodes))
    return _HALF_LIFE * _count(batch_size) * processes


def register_resolvers() -> None:
    """Make the functions above known to OmegaConf: ``${published:name,resolution,generator}`` and so on."""
    of_values = (published, times, in_configuration, if_labelled, class_group, half_life)
    for resolver in (*of_values, program_name, program_command):
        OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)


def _is_alias_free(generator: Any) -> bool:
    try:
        kind = pydoc.locate(str(generator))
    except pydoc.ErrorDuringImport:  # refused later, with its reason
        return False
    return isinstance(kind, type) and issubclass(kind, AliasFreeGenerator)


def _count(value: Any) -> int:
    try:
        return max(int(value), 1)
    except (TypeError, ValueError, OverflowError):
        return 1
