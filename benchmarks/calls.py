"""Count the aten calls of an iteration of ``python train.py``: of the usual one, the worst one, and on average.

    python -m benchmarks.calls [data=digits ...]

Counted twice: all calls that `torch.profiler` records, which includes those that operators make of each other, and
the calls that autograd and Python make, which a dispatch mode sees.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import hydra
import torch
from lightning import Callback, Trainer
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

import train
from stylelayers.training import GAN
from stylelayers.training.run.building import build
from stylelayers.training.run.rehearsal import amortize

from .timing import print_table


class Profiled(profile):
    """Counts every call of an aten operator."""

    def __init__(self) -> None:
        super().__init__(activities=[ProfilerActivity.CPU])

    @property
    def count(self) -> int:
        return sum(event.name.startswith("aten::") for event in self.events())


class Dispatched(TorchDispatchMode):
    """Counts the calls of aten operators that are not made by others."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += func.namespace == "aten"
        return func(*args, **(kwargs or {}))


class Calls(Callback):
    """The calls of iterations of these numbers, in their order; the latest count of a number stays."""

    def __init__(self, numbers: Sequence[int], counter: Callable[[], AbstractContextManager[Any]]) -> None:
        self.numbers, self.counter, self.counts = numbers, counter, dict[int, int]()

    def on_train_batch_start(self, trainer: Trainer, model: Any, batch: object, batch_idx: int) -> None:
        model.iterations = self.numbers[batch_idx]
        self.running = self.counter()
        self.running.__enter__()

    def on_train_batch_end(self, trainer: Trainer, model: Any, outputs: object, batch: object, batch_idx: int) -> None:
        self.running.__exit__(None, None, None)
        self.counts[self.numbers[batch_idx]] = self.running.count  # type: ignore[attr-defined]
        trainer.should_stop = batch_idx + 1 == len(self.numbers)


def count_calls(overrides: Sequence[str], counter: Callable[[], Any] = Profiled) -> tuple[int, int, float]:
    """Calls of an iteration without penalties of an interval, of one with all of them, and of the mean iteration."""
    with hydra.initialize_config_dir(train.CONFIGS, version_base="1.3"), tempfile.TemporaryDirectory() as folder:
        fixed = ["trainer.accelerator=cpu", "trainer.devices=1", "~callbacks", "~logger", f"output={folder}"]
        trainer, model, data = build(hydra.compose("train", [*fixed, *overrides]))
        intervals = _intervals(model)
        calls = Calls([0, 1, *_multiples(intervals), 0], counter)  # the first makes what only the first has to make
        trainer.callbacks.insert(0, calls)  # type: ignore[attr-defined]
        if trainer.progress_bar_callback is not None:
            trainer.progress_bar_callback.disable()
        trainer.fit(model, datamodule=data)
    return calls.counts[1], calls.counts[0], amortize(calls.counts.__getitem__, intervals)


def _intervals(model: GAN) -> list[int]:
    return [step.interval for step in model.loss.steps if step.interval > 1]


def _multiples(intervals: Sequence[int]) -> list[int]:
    """The numbers that `amortize` asks for, beside 0 and 1."""
    shortest_first = sorted(intervals)
    return [math.lcm(*shortest_first[:count]) for count in range(1, len(shortest_first))]


def main() -> None:
    overrides, sys.argv[1:] = sys.argv[1:], []
    kinds: dict[str, Callable[[], Any]] = {"aten calls": Profiled, "not made by others": Dispatched}
    found = {name: count_calls(overrides, counter) for name, counter in kinds.items()}
    rows = [[name, usual, worst, round(mean)] for name, (usual, worst, mean) in found.items()]
    print_table(
        f"Calls of an iteration, train.py {' '.join(overrides)}", ("", "usual", "with all penalties", "mean"), rows
    )


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
