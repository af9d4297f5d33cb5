"""Plot the curves of a healthy and a failing run, and fit the memory growth of the healthy one.

    python -m benchmarks.curves runs/HEALTHY runs/FAILING picture.png [--memory memory.txt]

``memory.txt`` has lines of "seconds KiB", which this loop writes during a run with process id PID:

    while kill -0 $PID; do echo $(date +%s) $(awk '/VmRSS/{print $2}' /proc/$PID/status); sleep 10; done > memory.txt
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import linregress

PANELS = {
    "losses": ("loss/generator", "loss/discriminator"),
    "mean logits": ("logits/real", "logits/fake"),
    "penalties": ("r1/gradient_square_norm", "path_length/mean"),
    "diversity of images, real = 1": ("samples/diversity",),
}
WINDOW = 5  # logged values in the moving average


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("healthy", type=Path)
    parser.add_argument("failing", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--memory", type=Path)
    options = parser.parse_args()
    figure, axes = plt.subplots(len(PANELS), 2, figsize=(11, 11), squeeze=False)
    for column, (word, run) in enumerate((("healthy", options.healthy), ("failing", options.failing))):
        metrics = read_metrics(run)
        for axis, (title, names) in zip(axes[:, column], PANELS.items(), strict=True):
            draw(axis, metrics, f"{word}: {title}", names)
    if options.memory:
        print(draw_memory(axes[-1, 0], options.memory))
    figure.tight_layout()
    figure.savefig(options.picture, dpi=72)


def read_metrics(run: Path) -> dict[str, np.ndarray]:
    """Read all logged metrics of a run, including those from before it was resumed."""
    parts = sorted(run.glob("metrics.*.csv"), key=lambda path: int(path.suffixes[0][1:]))
    rows = [row for path in [*parts, run / "metrics.csv"] for row in csv.DictReader(path.open())]
    names = sorted({name for row in rows for name in row})
    return {name: np.array([float(row.get(name) or "nan") for row in rows]) for name in names}


def draw(axis: Any, metrics: dict[str, np.ndarray], title: str, names: tuple[str, ...]) -> None:
    known = [name for name in names if name in metrics]
    for name in known:
        axis.plot(metrics["progress/images"] / 1000, smooth(metrics[name]), label=name, linewidth=1)
    if not known:
        return axis.set_axis_off()
    axis.set_title(title)
    axis.set_xlabel("thousand images")
    axis.legend()
    return None


def smooth(values: np.ndarray) -> np.ndarray:
    """Moving average over `WINDOW` values, of the same length."""
    window = min(WINDOW, len(values))
    padded = np.pad(values, (window // 2, window - 1 - window // 2), mode="edge")
    return np.convolve(padded, np.ones(window) / window, mode="valid")


def draw_memory(axis: Any, path: Path) -> str:
    """Plot resident memory over time; return its growth after the first tenth, with the standard error."""
    seconds, kibibytes = np.loadtxt(path, usecols=(0, 1)).T
    hours, mebibytes = (seconds - seconds[0]) / 3600, kibibytes / 1024
    axis.set_axis_on()
    axis.plot(60 * hours, mebibytes, linewidth=1)
    axis.set(title="healthy: resident memory, MiB", xlabel="minutes", ylim=(0, 1.2 * mebibytes.max()))
    later = slice(len(hours) // 10, None)
    fit: Any = linregress(hours[later], mebibytes[later])
    level = mebibytes[later].mean()
    return f"{hours[-1]:.2f} hours at {level:.0f} MiB, growing by {fit.slope:.1f} +- {fit.stderr:.1f} MiB an hour"


if __name__ == "__main__":
    main()
