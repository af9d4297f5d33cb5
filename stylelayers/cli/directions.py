"""``stylelayers directions``: directions of w that change pictures most."""

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
from .support import check_picture_size, count_images, load, parse_labels, parse_numbers

EXAMPLES = """
stylelayers directions runs/RUN folder
stylelayers directions runs/RUN folder --layers 0-1 --count 4 --strength 10 --columns 9 --seed 3 --psi 0.7
"""


def directions(
    model: Model,
    output: Folder,
    layers: Annotated[str | None, typer.Option(help="Layers to move, 0 the coarsest. [default: all]")] = None,
    count: Annotated[int, typer.Option(min=1, help="Number of directions, strongest first.")] = 8,
    strength: Annotated[float, typer.Option(help="Largest move, in standard deviations of a component of w.")] = 6.0,
    columns: Annotated[int, typer.Option(min=2, help="Pictures per direction.")] = 7,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the picture to change.")] = 0,
    labels: Labels = None,
    truncation_psi: Psi = 1.0,
    truncation_cutoff: Cutoff = None,
    noise: FixedNoise = None,
    batch: Batch = None,
    zoom: Zoom = 1,
    device: Device = "auto",
) -> None:
    """Directions of w that change pictures most.

    They are computed from the weights alone. Writes directions.safetensors, and directions.png with one direction per
    row.
    """
    if not torch.tensor(strength).isfinite():
        raise ValueError(f"--strength must be a finite number of 32 bits, got {strength}")
    chosen = None if layers is None else parse_numbers("--layers", layers)
    generator = load(model, device)
    count = min(count, generator.w_dim)
    check_picture_size(generator, count * columns, columns, zoom)
    classes = parse_labels(generator, labels)
    found = factorize(generator, layers=chosen, count=count)
    options = {"labels": classes, "truncation_psi": truncation_psi, "truncation_cutoff": truncation_cutoff}
    ws = styles_of_seeds(generator, [seed], **options)[0]  # type: ignore[arg-type]
    deviation = float(style_statistics(generator, labels=classes)[1]) / sqrt(generator.w_dim)
    moved = strips(ws, found, torch.linspace(-strength, strength, columns) * deviation).flatten(0, 1)
    images = count_images(synthesize(generator, moved, noise=noise, batch=batch), "moving", len(moved))
    pixels = torch.cat([to_pixels(each) for each in images])
    save_directions(found, output / "directions.safetensors")
    save_picture(tile(pixels, columns), output / "directions.png", zoom=zoom)
    print(output)
