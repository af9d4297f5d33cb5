"""The path-length penalty (arXiv:1912.04958, equation 4) on a plain PyTorch generator in a plain loop.

    python examples/path_length_on_your_generator.py --output runs/examples

The generator is a stack of transposed convolutions; at first few latents move its images much. A contrast loss replaces
your adversarial loss. Prints the spread of path lengths (standard deviation / mean): it falls from 0.20 to 0.16 without
the penalty and to 0.12 with it, where 0.09 is the minimum. Saves `path_length.png`. Takes ten seconds.
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
    """``(N, 64)`` → ``(N, 3, 8, 8)``, plain torch; the first latent moves images 100 times as far as the last."""
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
    """Standard deviation of path lengths over their mean, for fixed latents and noise."""
    fixed = torch.Generator().manual_seed(1)
    z = torch.randn(512, LATENT, generator=fixed).requires_grad_()
    images = generator(z)
    lengths = path_lengths(images, z, torch.randn(images.shape, generator=fixed)).detach()
    return float(lengths.std() / lengths.mean())


def train(weight: float, steps: int) -> tuple[list[tuple[int, float]], float]:
    """Train a generator; return the spread during training, and the final contrast of its images."""
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
    least = 1 / sqrt(2 * LATENT)  # spread of the length of a normal vector
    axes.axhline(least, color="grey", linestyle=":", label="minimum: all latents equal")
    axes.set(xlabel="step", ylabel="standard deviation / mean", title="spread of path lengths", ylim=(0, None))
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
