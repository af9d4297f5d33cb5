"""The states of all random number generators: saved as plain values, restored, preserved and seeded."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import distributed

from ._ranks import rank_count

try:
    import numpy as np
except ModuleNotFoundError:  # the layers and losses need torch alone; training brings NumPy
    np = None  # type: ignore[assignment]


def gather_random_states() -> list[dict[str, Any]]:
    """The states of all ranks of the process group in their order; of this process alone without a group."""
    state = _capture_random_state()
    if rank_count() == 1:
        return [state]
    states: list[Any] = [None] * rank_count()
    distributed.all_gather_object(states, state)
    return states


def restore_random_state(state: dict[str, Any]) -> None:
    """Set all generators to one of :func:`gather_random_states`; GPUs that are not in both are left alone."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys.tolist(), dtype=np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    for device, gpu in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(gpu, device)


def resume_random_state(saved: list[dict[str, Any]], rank: int, processes: int, iteration: int) -> None:
    """Restore the state that this rank saved or, if another number of processes saved theirs, seed it anew.

    Args:
        saved: of :func:`gather_random_states`; empty at the start of a training.
        rank, processes: of this process and how many there are. A rank without a saved state is seeded from torch's
            seed, which all ranks share, its rank and the iteration: no other rank has this sequence, nor had any
            before. A single process for which nothing was saved is left alone.
        iteration: iterations done so far.
    """
    if len(saved) == processes:
        restore_random_state(saved[rank])
    elif saved or processes > 1:
        seed = derive_seed(torch.initial_seed(), rank, processes, iteration)
        seed_cpu_generators(seed)
        torch.manual_seed(seed)  # GPUs too


@contextmanager
def preserve_random_state(device: torch.device | None = None) -> Iterator[None]:
    """Restore Python's, NumPy's and torch's CPU generator, and that of the given CUDA device, after the block."""
    states = random.getstate(), np and np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[device] if device is not None and device.type == "cuda" else []):
            yield
    finally:
        random.setstate(states[0])
        if np:
            np.random.set_state(states[1])


def derive_seed(seed: int, *place: int) -> int:
    """A seed of 32 bits from non-negative numbers, the same on every platform and version."""
    return int(np.random.SeedSequence(seed, spawn_key=place).generate_state(1)[0])


def seed_cpu_generators(seed: int) -> None:
    """Seed Python's, NumPy's and torch's CPU generator with a number of 32 bits."""
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)


def _capture_random_state() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (name, torch.tensor(keys.astype(np.int64)), *rest),  # type: ignore[union-attr]
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
    }
