"""Show what each augmentation does to handwritten digits and colour pictures.

    python examples/augmentations.py --output runs/examples

Each row is an operation with probability 1 and the paper's strength, applied several times to the same four images. The
last rows combine operations: DiffAugment, and ADA's pipeline at probabilities 0.2 and 0.8. Prints the mean change of an
image. Saves `augmentations.png`. Takes a few seconds.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from stylelayers.augment import GROUPS, AugmentPipeline, DiffAugment

SIZE, DRAWS = 32, 3


def pictures() -> Tensor:
    """Two digits, ink +1 on -1, and two pictures of smooth colours; ``(4, 3, 32, 32)`` in [-1, 1]."""
    digits = torch.from_numpy(np.stack(load_digits().images[[4, 6]])).float().unsqueeze(1) / 8 - 1
    digits = torch.nn.functional.interpolate(digits, SIZE, mode="bicubic").clamp(-1, 1).expand(-1, 3, -1, -1)
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, SIZE)] * 2, indexing="ij")
    disc = (x**2 + y**2 < 0.5).float()
    colours = [torch.stack([x, y, 1 - 2 * disc]), torch.stack([2 * disc - 1, (4 * x).sin(), (5 * x * y).cos()])]
    return torch.cat([digits, torch.stack(colours)])


def operations() -> dict[str, Callable[[Tensor], Tensor]]:
    """Functions of a batch, by name."""
    rows: dict[str, Callable[[Tensor], Tensor]] = {"nothing": lambda images: images}
    for group, names in GROUPS.items():
        for name in names:
            shares = {other: float(other == name) for other in names}
            rows[f"{group}: {name}"] = AugmentPipeline((group,), probabilities=shares)
    rows |= {f"DiffAugment: {policy}": DiffAugment((policy,)) for policy in ("color", "translation", "cutout")}
    rows |= {"DiffAugment": DiffAugment()}
    return rows | {f"ADA, p = {p}": partial(AugmentPipeline(), p=p) for p in (0.2, 0.8)}


def draw(rows: dict[str, Tensor]) -> Figure:
    """Draw a strip of pictures per name."""
    figure = Figure(figsize=(6.8, 0.42 * len(rows)), layout="constrained")
    for axes, (name, images) in zip(figure.subplots(len(rows)), rows.items(), strict=True):
        strip = torch.cat(list(images), dim=2).permute(1, 2, 0).clamp(-1, 1) / 2 + 0.5
        axes.imshow(strip.numpy(), interpolation="nearest")
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
        axes.set(xticks=[], yticks=[])
    return figure


def main(folder: Path, seed: int = 1) -> dict[str, float]:
    """Draw the figure; return the mean absolute change of pixel values by operation."""
    images, rows, changes = pictures(), {}, {}
    images = images.repeat_interleave(DRAWS, 0)
    for name, operation in operations().items():
        torch.manual_seed(seed)
        rows[name] = operation(images)
        changes[name] = float((rows[name] - images).abs().mean())
        print(f"{name:24s} changes values by {changes[name]:.2f}")
    folder.mkdir(parents=True, exist_ok=True)
    draw(rows).savefig(buffer := BytesIO(), dpi=80)
    Image.open(buffer).convert("RGB").quantize(64).save(folder / "augmentations.png", optimize=True)
    return changes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/examples"), help="folder for the picture")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    main(arguments.output, arguments.seed)
