"""Resolvers of the configuration: published values that depend on the resolution, the batch and the processes.

What is no resolution, batch or number of devices counts as 1 here: it is refused by its own key later.
"""

import os
from collections.abc import Sequence
from typing import Any

import torch
from omegaconf import OmegaConf

_HALF_LIFE = 10_000 / 32  # images per image of a batch
_PIXELS, _LEAST_BATCH, _LARGEST_BATCH = 4096, 4, 32  # a process trains on 4096 / side images per step


def published(name: str, resolution: int | Sequence[int]) -> float:
    """A value of the automatic configuration published with StyleGAN2-ADA (arXiv:2006.06676).

    Args:
        name: ``batch_size`` (of a process), ``channel_base`` or ``lr``.
        resolution: side in pixels, or ``(height, width)``, of which the larger one counts.
    """
    side = max(map(_count, resolution if isinstance(resolution, Sequence) else [resolution]), default=1)
    return {
        "batch_size": max(min(_PIXELS // side, _LARGEST_BATCH), _LEAST_BATCH),
        "channel_base": 32768 if side >= 512 else 16384,
        "lr": 0.002 if side >= 1024 else 0.0025,
    }[name]


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
    """Make ``${published:name,resolution}`` and ``${half_life:batch_size,devices,num_nodes}`` known to OmegaConf."""
    for resolver in (published, half_life):
        OmegaConf.register_new_resolver(resolver.__name__, resolver, replace=True)


def _count(value: Any) -> int:
    try:
        return max(int(value), 1)
    except (TypeError, ValueError, OverflowError):
        return 1
