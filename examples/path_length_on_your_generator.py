"""The path-length penalty (arXiv:1912.04958, equation 4) on a generator that is not ours, in a plain PyTorch loop.

    python examples/path_length_on_your_generator.py --output runs/examples

A stack of transposed convolutions begins with latents of which a few move the image and most hardly do. A loss that
asks for contrast stands for your adversarial loss. Prints the spread of path lengths (deviation / mean), without the
penalty and with it: from 0.20 to 0.16, and to 0.12 of at least 0.09. Saves `path_length.png`. Takes ten seconds.
"""

from __future__ import annotations

import argparse
from math import sqrt
from pathlib import Path

import torch
from matplotlib.figure import Figure
from torch import nn

from stylelayers.losses import PathLengthPenalty, path_lengths

LATENT, BATCH = 64, 32


def make_generator() -> nn.Module:
    """``(N, 64)`` → ``(N, 3, 8, 8)``, nothing of stylelayers in it; the first latent moves images 100 x the last."""
    first = nn.ConvTranspose2d(LATENT, 32, 4)
    with torch.no_grad():
        first.weight.mul_(torch.logspace(1, -1, LATENT).view(LATENT, 1, 1, 1))
    return nn.Sequential(
        nn.Unflatten(1, (LATENT, 1, 1)),
        first,
        nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1),
    )


def spread(generator: nn.Module) -> float:
    """Deviation of path lengths over their mean; latents and noise are the same at every call."""
    fixed = torch.Generator().manual_seed(1)
    z = torch.randn(512, LATENT, generator=fixed).requires_grad_()
    images = generator(z)
    lengths = path_lengths(images, z, torch.randn(images.shape, generator=fixed)).detach()
    return float(lengths.std() / lengths.mean())


def train(weight: float, steps: int) -> tuple[list[tuple[int, float]], float]:
    """The spread on the way, and the images' contrast at the end."""
    torch.manual_seed(0)
    generator, penalty = make_generator(), PathLengthPenalty(decay=0.1)
    optimizer = torch.optim.Adam(generator.parameters(), lr=3e-3)
    spreads = [(0, spread(generator))]
    for step in range(1, steps + 1):
        z = torch.randn(BATCH, LATENT, requires_grad=True)  # before the generator is called
        images = generator(z)
        loss = (images.std(0) - 0.5).square().mean()
        if weight:
            loss = loss + weight * penalty(path_lengths(images, z))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % (steps // 10) == 0:
            spreads.append((step, spread(generator)))
    return spreads, float(images.detach().std(0).mean())


def main(folder: Path, steps: int = 200) -> dict[str, tuple[list[tuple[int, float]], float]]:
    runs = {"without the penalty": train(0.0, steps), "with the penalty": train(2.0, steps)}
    axes = (figure := Figure(figsize=(6, 3.6), layout="constrained")).subplots()
    for name, (spreads, contrast) in runs.items():
        print(f"{name}: spread {spreads[0][1]:.3f} → {spreads[-1][1]:.3f}, contrast {contrast:.2f}")
        axes.plot(*zip(*spreads, strict=True), marker=".", label=name)
    least = 1 / sqrt(2 * LATENT)  # of the length of a normal vector
    axes.axhline(least, color="grey", linestyle=":", label="least possible: all latents equal")
    axes.set(xlabel="step", ylabel="deviation / mean", title="spread of path lengths", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend(loc="lower left")
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "path_length.png", dpi=110)
    return runs


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/examples"), help="folder for the picture")
    parser.add_argument("--steps", type=int, default=200)
    arguments = parser.parse_args()
    main(arguments.output, arguments.steps)
