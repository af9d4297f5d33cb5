"""``stylelayers generate``: pictures of seeds."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from ..explore import PICTURES, sample, save_each, save_picture, tile, to_pixels
from ..images.writing import check_ending, grid_columns
from .options import Batch, Cutoff, Device, Labels, Model, Noise, Psi, Seeds, Zoom
from .places import path_to_write
from .support import check_choice, check_picture_size, count_images, load, parse_labels, parse_numbers

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
            parser=path_to_write, metavar="OUTPUT", help="A .png or .webp grid, or a folder for one file per seed."
        ),
    ],
    seeds: Seeds = "0-63",
    labels: Labels = None,
    truncation_psi: Psi = 1.0,
    truncation_cutoff: Cutoff = None,
    noise: Noise = None,
    columns: Annotated[int | None, typer.Option(min=1, help="Columns of the grid.", show_default="square")] = None,
    file_format: Annotated[str, typer.Option("--format", help="Format of the files in a folder: png or webp.")] = "png",
    batch: Batch = None,
    zoom: Zoom = 1,
    device: Device = "auto",
) -> None:
    """Pictures of seeds.

    The latent and noise of a seed do not depend on the batch.
    """
    chosen = parse_numbers("--seeds", seeds)
    check_choice("--format", file_format, [ending[1:] for ending in PICTURES])
    one_file = bool(output.suffix) and not output.is_dir()
    if one_file:
        check_ending(output, PICTURES)
    elif output.is_file():
        raise ValueError(f"the output must be a .png, a .webp or a folder, got {str(output)!r}, which is another file")
    generator = load(model, device)
    columns = columns or grid_columns(len(chosen), *generator.resolution)
    if one_file:
        check_picture_size(generator, len(chosen), columns, zoom)
    images = sample(
        generator,
        chosen,
        labels=parse_labels(generator, labels),
        truncation_psi=truncation_psi,
        truncation_cutoff=truncation_cutoff,
        noise=noise,
        batch=batch,
    )
    batches = map(to_pixels, count_images(images, "generating", len(chosen)))
    if one_file:
        save_picture(tile(torch.cat(list(batches)), columns), output, zoom=zoom)
    else:
        save_each(batches, (output / f"seed{seed:04d}.{file_format}" for seed in chosen), zoom=zoom)
    print(output)
