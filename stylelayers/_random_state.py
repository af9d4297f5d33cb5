"""The states of all random number generators: as plain values, which checkpoints hold, and kept around other work."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import distributed

__all__ = ["preserved_random_state", "random_states", "set_random_state", "start_random_state"]


def random_states() -> list[dict[str, Any]]:
    """The state of every process of the group, in the order of their ranks; of this one without a group."""
    state = _random_state()
    if not (distributed.is_available() and distributed.is_initialized()):
        return [state]
    states: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(states, state)
    return states


def set_random_state(state: dict[str, Any]) -> None:
    """Continue the sequences of one of :func:`random_states`, on as many GPUs as there are in both."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys.tolist(), dtype=np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    for device, gpu in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(gpu, device)


def start_random_state(saved: list[dict[str, Any]], rank: int, processes: int, iteration: int) -> None:
    """Continue the sequences of a process from those saved or, if others saved them, begin new ones.

    Args:
        saved: what :func:`random_states` gave; empty at the start of a training.
        rank, processes: the number of this process and how many there are. Where so many saved, each goes on with its
            own. Else each begins sequences that no other has, nor any had before: from torch's seed, which all have in
            common, the rank and the iteration. A single process that nothing was saved for goes on as it is.
        iteration: how many were done.
    """
    if len(saved) == processes:
        set_random_state(saved[rank])
    elif saved or processes > 1:
        seed = hash((torch.initial_seed(), rank, processes, iteration)) % 2**32
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)


@contextmanager
def preserved_random_state(device: torch.device | None = None) -> Iterator[None]:
    """Afterwards Python, NumPy, torch on the CPU and on the given CUDA device go on where they were."""
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device is not None and device.type == "cuda" else []):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _random_state() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (name, torch.tensor(keys.astype(np.int64)), *rest),  # type: ignore[union-attr]
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }
