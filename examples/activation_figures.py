"""Plot every activation of bias_act, and the frequency responses of the FIR filters.

    python examples/activation_figures.py --output runs/examples

Saves `activation_<name>` (function, first and second derivative, ours and torch's) and `fir_responses`, each as .png
and .svg, and prints the largest differences from torch, which are rounding errors. Takes half a minute.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from stylelayers.functional import activation_names, bias_act, upfirdn2d

TORCH: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda x: x,
    "relu": torch.relu,
    "lrelu": partial(F.leaky_relu, negative_slope=0.2),
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "elu": F.elu,
    "selu": F.selu,
    "softplus": F.softplus,
    "swish": F.silu,
}
TITLES = ("function", "first derivative", "second derivative")
FILTERS: dict[str, Sequence[float]] = {
    "box (1, 1): nearest neighbour": (1, 1),
    "(1, 2, 1): bilinear, centres kept": (1, 2, 1),
    "(1, 3, 3, 1): bilinear, centres between": (1, 3, 3, 1),
    "(1, 4, 6, 4, 1): binomial": (1, 4, 6, 4, 1),
    "box (1, 1, 1, 1)": (1, 1, 1, 1),
}


def derivatives(function: Callable[[Tensor], Tensor], x: Tensor) -> list[Tensor]:
    """Value, first and second derivative of an elementwise function; zeros if autograd has no graph."""
    x = x.detach().requires_grad_()
    results = [function(x)]
    for _ in range(2):
        last = results[-1].sum()
        graph = last.requires_grad
        slope = torch.autograd.grad(last, x, create_graph=True, materialize_grads=True)[0] if graph else x.new_zeros(())
        results.append(slope.expand_as(x))
    return [result.detach() for result in results]


def activation_figure(name: str) -> tuple[Figure, float]:
    """Plot ours over torch's (if it has one); return the largest difference of value and derivatives too."""
    x = torch.linspace(-5, 5, 1001, dtype=torch.float64)
    ours = derivatives(lambda x: bias_act(x[None], activation=name, gain=1.0)[0], x)
    theirs = derivatives(TORCH[name], x) if name in TORCH else None
    figure = Figure(figsize=(9, 2.8), layout="constrained")
    figure.suptitle(name)
    for i, axes in enumerate(figure.subplots(1, 3)):
        if theirs is not None:
            axes.plot(x, theirs[i], color="tab:orange", linewidth=5, alpha=0.5, label="torch")
        axes.plot(x, ours[i], color="tab:blue", linewidth=1.5, label="stylelayers")
        axes.set(title=TITLES[i], xlabel="x")
        axes.margins(y=0.1)
        axes.grid(alpha=0.3)
        if ours[i].max() - ours[i].min() < 1e-12:  # do not magnify rounding errors of a constant
            axes.set_ylim(float(ours[i][0]) - 1, float(ours[i][0]) + 1)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    difference = max(float((a - b).abs().max()) for a, b in zip(ours, theirs or ours, strict=True))
    return figure, difference


def frequency_response(taps: Sequence[float], size: int = 512) -> tuple[Tensor, Tensor]:
    """Frequencies in cycles per pixel, 0 to 1/2, and the gain of our operator at each."""
    impulse = torch.zeros(1, 1, 1, size, dtype=torch.float64)
    impulse[..., size // 2] = 1
    kernel = torch.tensor([taps], dtype=torch.float64) / sum(taps)  # (1, taps): along the rows
    out = upfirdn2d(impulse, kernel, padding=(len(taps) - 1, 0, 0, 0))[0, 0, 0]
    return torch.fft.rfftfreq(size, dtype=torch.float64), torch.fft.rfft(out).abs()


def responses_figure() -> Figure:
    figure = Figure(figsize=(9, 4), layout="constrained")
    linear, decibels = figure.subplots(1, 2)
    for label, taps in FILTERS.items():
        frequency, response = frequency_response(taps)
        linear.plot(frequency, response, label=label)
        decibels.plot(frequency, 20 * response.clamp(min=1e-5).log10())
    for axes in (linear, decibels):
        axes.axvspan(0.25, 0.5, color="grey", alpha=0.15)
        axes.set(xlabel="frequency (cycles per pixel)", xlim=(0, 0.5))
        axes.grid(alpha=0.3)
    linear.set(title="response", ylim=(0, 1.02))
    decibels.set(title="response in decibels", ylim=(-60, 1))
    linear.text(0.375, 0.96, "aliases\nwhen halved", ha="center", va="top")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


def save(figure: Figure, folder: Path, name: str) -> None:
    for suffix in ("png", "svg"):
        figure.savefig(folder / f"{name}.{suffix}", dpi=90)


def main(folder: Path, names: Sequence[str] | None = None) -> dict[str, float]:
    """Draw `names`, or all registered activations; return the largest difference from torch of each."""
    folder.mkdir(parents=True, exist_ok=True)
    differences = {}
    for name in activation_names() if names is None else names:
        figure, differences[name] = activation_figure(name)
        save(figure, folder, f"activation_{name}")
        print(f"{name:10} largest difference from torch {differences[name]:.1e}")
    save(responses_figure(), folder, "fir_responses")
    return differences


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/examples"), help="folder for the pictures")
    main(parser.parse_args().output)
