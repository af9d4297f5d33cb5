"""``stylelayers generate``: pictures of seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from ..explore import PICTURES, sample, save_each, save_picture, tile, to_pixels
from ..images.writing import check_ending
from .options import Batch, Cutoff, Device, Labels, Model, Noise, Psi, Seeds, Zoom
from .places import to_write
from .support import check_choice, classes_if_given, counted, load, numbers, square

EXAMPLES = """
stylelayers generate runs/RUN pictures.png
stylelayers generate runs/RUN pictures.webp --seeds 0-99 --columns 10 --psi 0.7
stylelayers generate runs/RUN folder --seeds 0,5,7-9 --noise random
"""


def generate(
    model: Model,
    output: Annotated[
        Path,
        typer.Argument(
            parser=to_write, metavar="OUTPUT", help="One .png or .webp for a grid, or a folder for a file a seed."
        ),
    ],
    seeds: Seeds = "0-63",
    labels: Labels = None,
    truncation_psi: Psi = 1.0,
    truncation_cutoff: Cutoff = None,
    noise: Noise = "const",
    columns: Annotated[int | None, typer.Option(min=1, help="Of the grid.", show_default="square")] = None,
    file_format: Annotated[str, typer.Option("--format", help="Of a folder's files: png or webp.")] = "png",
    batch: Batch = None,
    zoom: Zoom = 1,
    device: Device = "auto",
) -> None:
    """Pictures of seeds.

    A seed has the same latent and noise in any batch.
    """
    wanted = numbers("--seeds", seeds)
    check_choice("--format", file_format, [ending[1:] for ending in PICTURES])
    one_file = bool(output.suffix) and not output.is_dir()
    if one_file:
        check_ending(output, PICTURES)
    elif output.is_file():
        raise ValueError(f"the output must be a .png, a .webp or a folder, got {str(output)!r}, which is another file")
    generator = load(model, device)
    images = sample(
        generator,
        wanted,
        labels=classes_if_given(generator, labels),
        truncation_psi=truncation_psi,
        truncation_cutoff=truncation_cutoff,
        noise=noise,
        batch=batch,
    )
    batches = map(to_pixels, counted(images, "generating", len(wanted)))
    if one_file:
        save_picture(tile(torch.cat(list(batches)), columns or square(len(wanted))), output, zoom=zoom)
    else:
        save_each(batches, [output / f"seed{seed:04d}.{file_format}" for seed in wanted], zoom=zoom)
    print(output)
