"""Draw what aliasing is, and what an alias-free generator does about it.

    python examples/alias_free.py --output runs/examples

Saves `alias_filters`, `alias_spectrum`, `alias_plan` and `alias_film` as .png, and prints how exactly images of a
network with random weights move, with the filtered leaky ReLU and with a plain one. Takes ten seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from stylelayers import AliasFreeGenerator
from stylelayers.explore import motion_path, styles_of_seeds, synthesize
from stylelayers.functional import filtered_act, filtered_lrelu, lowpass_filter
from stylelayers.metrics.equivariance import eq_t_frac
from stylelayers.models import AliasFreePlan

FILTER: dict[str, Any] = {"taps": 12, "cutoff": 0.25, "width": 0.5, "rate": 2.0}  # stopband: 0.25 + 0.5 / 2
TONE = 0.11  # cycles per pixel
FRAMES, SHOWN, MAGNIFIED = 64, 6, 200


def decibels(values: Tensor) -> Tensor:
    return 20 * values.clamp(min=1e-5).log10()


def filters_figure() -> Figure:
    """The responses of StyleGAN2's filter and of a windowed sinc; in two dimensions separable and radial."""
    sinc, radial = lowpass_filter(**FILTER), lowpass_filter(**FILTER, radial=True)
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    line, *maps = figure.subplots(1, 3, width_ratios=(2, 1, 1))
    for label, taps in (("(1, 3, 3, 1), StyleGAN2", torch.tensor([1, 3, 3, 1]) / 8), ("12 taps, StyleGAN3", sinc)):
        line.plot(torch.fft.rfftfreq(1024) * FILTER["rate"], decibels(torch.fft.rfft(taps, 1024).abs()), label=label)
    line.axvspan(0.5, 1, color="grey", alpha=0.15)
    line.text(0.75, -3, "aliases when\nthe rate is halved", ha="center", va="top")
    line.set(title="response in decibels", xlabel="frequency (cycles per pixel)", xlim=(0, 1), ylim=(-80, 3))
    line.legend(loc="lower left")
    for axes, title, kernel in zip(maps, ("separable", "radial"), (torch.outer(sinc, sinc), radial), strict=True):
        response = torch.fft.fftshift(torch.fft.fft2(kernel, (128, 128)).abs())
        axes.imshow(decibels(response), vmin=-60, vmax=0, extent=(-1, 1, -1, 1), cmap="magma")
        axes.set(title=title, xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    return figure


def spectrum(*, is_filtered: bool) -> tuple[Tensor, Tensor]:
    """Frequencies in cycles per pixel, and decibels, of the leaky ReLU of a sine wave."""
    wave = torch.sin(2 * torch.pi * TONE * torch.arange(4096, dtype=torch.float64)).view(1, 1, -1)
    if is_filtered:
        taps = lowpass_filter(**FILTER)
        options: dict[str, Any] = {"up_filter": taps, "down_filter": taps, "up": 2, "down": 2, "padding": (11, 10)}
        signal = filtered_act(wave, activation="lrelu", gain=1.0, **options).flatten()[32:-32]
    else:
        signal = F.leaky_relu(wave, 0.2).flatten()
    magnitudes = torch.fft.rfft((signal - signal.mean()) * torch.hann_window(len(signal), dtype=signal.dtype)).abs()
    return torch.fft.rfftfreq(len(signal)), decibels(magnitudes / magnitudes.max())


def spectrum_figure() -> Figure:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    titles = ("leaky ReLU at every pixel", "the same between two filters, at twice the rate")
    for axes, title, is_filtered in zip(figure.subplots(1, 2, sharey=True), titles, (False, True), strict=True):
        axes.plot(*spectrum(is_filtered=is_filtered), linewidth=0.8)
        for harmonic in (1, 2, 4):
            axes.axvline(harmonic * TONE, color="tab:green", alpha=0.35, linewidth=4)
        axes.set(title=title, xlabel="frequency (cycles per pixel)", xlim=(0, 0.5), ylim=(-100, 3))
    figure.axes[0].set_ylabel("decibels")
    return figure


def plan_figure(resolution: int = 256) -> Figure:
    layers = AliasFreePlan.of("AliasFreePlan", resolution).layers
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes, numbers = figure.subplots(), range(len(layers))
    axes.step(numbers, [each.sampling.rate / 2 for each in layers], "k", where="mid", label="half the sampling rate")
    axes.plot(numbers, [each.stopband for each in layers], "r.--", label="stopband: nothing above it is kept")
    axes.plot(numbers, [each.sampling.cutoff for each in layers], "b.-", label="cutoff: everything below it is kept")
    names = ["RGB" if each.to_rgb else f"L{number}" for number, each in enumerate(layers)]
    sizes = (f"{each.sampling.size[0]}\n{each.channels}" for each in layers)
    axes.set_xticks(list(numbers), [f"{name}\n{size}" for name, size in zip(names, sizes, strict=True)])
    axes.set_yscale("log", base=2)
    axes.set(title=f"layers at {resolution}x{resolution}: name, pixels, channels", ylabel="cycles per image")
    axes.legend()
    axes.grid(alpha=0.3)
    return figure


def plain_lrelu(x: Tensor, bias: Tensor, *, gain: float, slope: float, clamp: float | None, **options: Any) -> Tensor:
    """In place of `filtered_lrelu`: the same change of size and rate, then a leaky ReLU at every pixel."""
    return F.leaky_relu(filtered_lrelu(x, bias, gain=1.0, slope=1.0, **options), slope) * gain


def film(generator: AliasFreeGenerator, **motion: Any) -> Tensor:
    """Frames ``(FRAMES, H, W)`` of one picture that moves."""
    ws = styles_of_seeds(generator, [1]).expand(FRAMES, -1, -1)
    return torch.cat(list(synthesize(generator, ws, transform=motion_path(generator, FRAMES, **motion))))[:, 0]


def random_generator() -> AliasFreeGenerator:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"channel_base": 1024, "channel_max": 32, "image_channels": 1, "magnitude_half_life": 1}
    generator = AliasFreeGenerator(64, z_dim=32, w_dim=32, num_layers=10, configuration="R", **sizes)
    with torch.no_grad():
        generator(torch.randn(16, 32))  # sets the running magnitudes
    return generator.eval()


def stuck(rows: Tensor, pixels: float) -> Tensor:
    """A row of pixels over time, minus its first one moved by `pixels` meanwhile, through one low-pass filter."""
    columns = torch.arange(rows.shape[1], dtype=torch.float64)
    moved = torch.linspace(0, pixels, len(rows), dtype=torch.float64)
    apart = columns[:, None] - columns - moved[:, None, None]  # (time, to, from)
    window = torch.special.i0(8 * (1 - (apart / 8).square()).clamp(min=0).sqrt()) * (apart.abs() < 8)
    weights = torch.sinc(0.8 * apart) * window
    weights = weights / weights.sum(-1, keepdim=True)
    return (rows.double() @ weights[0].T - weights @ rows[0].double())[:, 16:-8]


def main(folder: Path) -> dict[str, float]:
    """Draw all figures; return EQ-T for fractions of pixels, in dB, with either activation."""
    folder.mkdir(parents=True, exist_ok=True)
    generator, rows, exactness = random_generator(), {}, {}
    films = {"moving": film(generator, shift=(0.5, 0.0)), "turning": film(generator, turn=90)}
    for name, activation in (("filtered", filtered_lrelu), ("plain", plain_lrelu)):
        with patch("stylelayers.layers.alias_free.filtered_lrelu", activation):
            generator = random_generator()
            rows[name], exactness[name] = film(generator, shift=(0.125, 0.0))[:, 32], eq_t_frac(generator, samples=8)
        print(f"EQ-T for fractions of pixels, {name} leaky ReLU: {exactness[name]:.1f} dB")
    film_drawn = film_figure(films, rows)
    drawn = {"filters": filters_figure(), "spectrum": spectrum_figure(), "plan": plan_figure(), "film": film_drawn}
    for name, figure in drawn.items():
        figure.savefig(folder / f"alias_{name}.png", dpi=75)
    return exactness


def film_figure(films: dict[str, Tensor], rows: dict[str, Tensor]) -> Figure:
    """Frames of the films; a row of pixels over time, and what of it does not move, magnified."""
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    grid = figure.add_gridspec(3, SHOWN, height_ratios=(1, 1, 1.5))
    for row, (name, frames) in enumerate(films.items()):
        for column, frame in enumerate(frames[torch.linspace(0, FRAMES - 1, SHOWN).long()]):
            axes = figure.add_subplot(grid[row, column], xticks=(), yticks=(), ylabel="" if column else name)
            axes.imshow(frame, cmap="gray", interpolation="nearest")
    panels = {"a row of pixels over time": rows["filtered"]}
    panels |= {f"what sticks, x{MAGNIFIED}: {name}": stuck(rows[name], 8) * MAGNIFIED for name in ("plain", "filtered")}
    for column, (title, pixels) in enumerate(panels.items()):
        limit = float(rows["filtered"].abs().max())
        axes = figure.add_subplot(grid[2, 2 * column : 2 * column + 2], xticks=(), yticks=(), title=title)
        axes.imshow(pixels, cmap="gray", aspect="auto", interpolation="nearest", vmin=-limit, vmax=limit)
        axes.set(xlabel="x", ylabel="" if column else "time")
    return figure


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/examples"), help="folder for the pictures")
    main(parser.parse_args().output)
