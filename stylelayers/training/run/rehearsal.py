"""An iteration of training on a copy, before the first: its memory, its time, and whether it is finite."""

import math
import sys
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from lightning import Trainer
from torch import Tensor
from torch.utils.data import default_collate

from ..._random_state import preserve_random_state
from ..distributed import PreflightError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from ..gan import GAN
from ..guard import NonFiniteGuard

_NO_MEMORY = ("allocate memory", "out of memory", "not enough memory", "Storage size calculation overflowed")


def rehearse(trainer: Trainer, model: GAN) -> tuple[float, int]:
    """Seconds per iteration, its penalties spread over their intervals, and the peak memory in bytes (0: unknown).

    Raises:
        PreflightError: too little memory, or what is not finite.
    """
    with preserve_random_state(model.device):
        try:
            return _rehearse(trainer, model)
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, MemoryError) and not any(text in str(error) for text in _NO_MEMORY):
                raise
            raise PreflightError(
                f"pre-flight: too little memory for an iteration with its penalties: lower data.batch_size or "
                f"model.generator.channel_max, or raise model.micro_batches or loss.path_length_batch_shrink "
                f"(~callbacks.preflight leaves the rehearsal out); {str(error).splitlines()[0]}"
            ) from error


def amortize(seconds: Callable[[int], float], intervals: Sequence[int]) -> float:
    """Mean seconds of an iteration from those of a few, asked for by their number.

    Iteration 1 is without penalties unless they are due at all, the first after it has that of the shortest interval,
    the next one those of the two shortest, and iteration 0 has all.
    """
    shortest_first = sorted(intervals)
    multiples = [math.lcm(*shortest_first[:count]) for count in range(1, len(shortest_first))]
    mean = before = seconds(1)
    for interval, iteration in zip(shortest_first, [*multiples, 0], strict=False):
        now = seconds(iteration)
        mean, before = mean + (now - before) / interval, now
    return mean


def _rehearse(trainer: Trainer, model: GAN) -> tuple[float, int]:
    images, labels = _batch(trainer)
    if model.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(model.device)
    scratch = _copy(model)
    optimizers = scratch.configure_optimizers()

    def seconds(iteration: int) -> float:
        scratch.iterations = iteration
        start = _now(model.device)
        with trainer.precision_plugin.train_step_context():
            scratch.iterate(images, labels, optimizers, Tensor.backward)
        return _now(model.device) - start

    seconds(0)  # the worst iteration for memory, and what only the first one has to do
    intervals = [step.interval for step in model.loss.steps if step.interval > 1]
    mean, memory = amortize(seconds, intervals), _peak_memory(model.device)
    _check_finite(scratch)
    return mean, memory


def _copy(model: GAN) -> GAN:
    """A model to train for a moment on this rank alone; the average, which no step reads, is not copied."""
    scratch = deepcopy(model, {id(model.average): model.average})
    scratch.guard, scratch.logged = NonFiniteGuard(sys.maxsize), {}
    scratch.loss.path_length_penalty.eval()  # keeps its mean, which is one over all ranks
    return scratch


def _batch(trainer: Trainer) -> Any:
    """The first images of the data set, over and over again if it has fewer, where and how training has them."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    count = min(data.batch_size, len(data.dataset))
    parts = default_collate([data.dataset[index] for index in range(count)])
    rounds = math.ceil(data.batch_size / count)
    batch = [part.repeat(rounds, *[1] * (part.ndim - 1))[: data.batch_size] for part in parts]
    return trainer.strategy.batch_to_device(trainer.precision_plugin.convert_input(batch))


def _check_finite(scratch: GAN) -> None:
    values = [name for name, value in scratch.logged.items() if not value.isfinite().all()]
    if values or scratch.skipped_steps:
        raise PreflightError(
            f"pre-flight: {', '.join(values) or 'a gradient'} not finite before training has begun; look at the "
            f"images, which must be in [-1, 1], lower model.*_optimizer.lr, or set model.*.clamp=256 or "
            f"trainer.precision=32-true"
        )


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _peak_memory(device: torch.device) -> int:
    """Bytes: of tensors on a GPU, else of the process since it was started; 0 where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    if resource is None:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
