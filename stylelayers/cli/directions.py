"""``stylelayers directions``: directions of w that change pictures most."""

from __future__ import annotations

from math import sqrt
from typing import Annotated

import torch
import typer

from ..explore import (
    factorize,
    save_directions,
    save_picture,
    strips,
    style_statistics,
    styles_of_seeds,
    synthesize,
    tile,
    to_pixels,
)
from .options import Batch, Cutoff, Device, FixedNoise, Folder, Labels, Model, Psi, Zoom
from .support import classes_if_given, counted, load, numbers_if_given

EXAMPLES = """
stylelayers directions runs/RUN folder
stylelayers directions runs/RUN folder --layers 0-1 --count 4 --strength 10 --columns 9 --seed 3 --psi 0.7
"""


def directions(
    model: Model,
    output: Folder,
    layers: Annotated[str | None, typer.Option(help="Layers that are moved, 0 the coarsest. [default: all]")] = None,
    count: Annotated[int, typer.Option(min=1, help="Directions, strongest first.")] = 8,
    strength: Annotated[float, typer.Option(help="Farthest move, in deviations of one number of w.")] = 6.0,
    columns: Annotated[int, typer.Option(min=2, help="Pictures of a strip.")] = 7,
    seed: Annotated[int, typer.Option(min=0, help="Of the picture that is changed.")] = 0,
    labels: Labels = None,
    truncation_psi: Psi = 1.0,
    truncation_cutoff: Cutoff = None,
    noise: FixedNoise = "const",
    batch: Batch = None,
    zoom: Zoom = 1,
    device: Device = "auto",
) -> None:
    """Directions that change pictures most.

    They follow from the weights alone. The folder gets directions.safetensors, and directions.png: a direction a row,
    from one end to the other.
    """
    if not torch.tensor(strength).isfinite():
        raise ValueError(f"--strength must be a finite number of 32 bits, got {strength}")
    chosen = numbers_if_given("--layers", layers)
    generator = load(model, device)
    classes = classes_if_given(generator, labels)
    found = factorize(generator, layers=chosen, count=min(count, generator.w_dim))
    options = {"labels": classes, "truncation_psi": truncation_psi, "truncation_cutoff": truncation_cutoff}
    ws = styles_of_seeds(generator, [seed], **options)[0]  # type: ignore[arg-type]
    deviation = float(style_statistics(generator, labels=classes)[1]) / sqrt(generator.w_dim)
    moved = strips(ws, found, torch.linspace(-strength, strength, columns) * deviation).flatten(0, 1)
    images = counted(synthesize(generator, moved, noise=noise, batch=batch), "moving", len(moved))
    pixels = torch.cat([to_pixels(each) for each in images])
    save_directions(found, output / "directions.safetensors")
    save_picture(tile(pixels, columns), output / "directions.png", zoom=zoom)
    print(output)
