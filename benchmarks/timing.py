"""Interleaved timing, and its tables.

Variants take turns, so that variations of the machine affect all alike; the median of the turns counts.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.benchmark import Timer

__all__ = ["arguments", "interleaved", "machine", "print_table"]


def interleaved(
    variants: Mapping[str, Callable[[], object]],
    *,
    rounds: int = 9,
    seconds: float = 0.1,
    clock: Callable[[], float] | None = None,
) -> dict[str, float]:
    """Median milliseconds of one call of each variant.

    Args:
        variants: functions by name; each is called twice before timing.
        rounds: number of turns.
        seconds: approximate duration of a turn, which calls the function at least once.
        clock: seconds; None for the time of the wall, `time.thread_time` for processor time on a busy machine, of one
            thread.
    """
    clocks: dict[str, Any] = {} if clock is None else {"timer": clock}
    timers = {
        name: Timer("run()", globals={"run": run}, num_threads=torch.get_num_threads(), **clocks)
        for name, run in variants.items()
    }
    repeats = {}
    for name, timer in timers.items():
        timer.timeit(1)
        repeats[name] = max(1, round(seconds / max(timer.timeit(1).mean, 1e-9)))
    turns: dict[str, list[float]] = {name: [] for name in timers}
    for _ in range(rounds):
        for name, timer in timers.items():
            turns[name].append(1000 * timer.timeit(repeats[name]).mean)
    return {name: median(times) for name, times in turns.items()}


def arguments(text: str, **extra: Any) -> argparse.Namespace:
    """Parse the options that all benchmarks share, and `extra` ones with their defaults."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default=extra.pop("device", "cpu"), help="cpu, cuda or mps")
    parser.add_argument("--rounds", type=int, default=extra.pop("rounds", 9), help="number of turns of each variant")
    parser.add_argument("--peers", type=Path, help="folder with checkouts of other code: stylegan3/, rosinality/")
    for name, default in extra.items():
        kind = {"action": "store_true"} if default is False else {"type": type(default), "default": default}
        parser.add_argument("--" + name.replace("_", "-"), **kind)
    return parser.parse_args()


def machine(device: str = "cpu") -> str:
    """Processor, threads and versions, for the caption of a table."""
    if device == "cuda":
        where = torch.cuda.get_device_name()
    else:
        where = f"{_processor()}, {torch.get_num_threads()} threads"
    return f"{where}; Python {platform.python_version()}, torch {torch.__version__}"


def print_table(title: str, header: Iterable[str], rows: Iterable[Iterable[object]], device: str = "cpu") -> None:
    """Print a Markdown table with its title, the machine and the command."""
    cells = [list(header), *([f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    cells.insert(1, ["-" * width for width in widths])
    module = sys.modules["__main__"].__spec__
    command = " ".join(["python -m", module.name if module else "?", *_without_folders(sys.argv[1:])])
    print(f"\n### {title}\n\n{machine(device)}; `{command}`\n")
    for row in cells:
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
    print(flush=True)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _without_folders(options: list[str]) -> list[str]:
    return [
        "FOLDER" if before == "--peers" else option for before, option in zip(["", *options], options, strict=False)
    ]
