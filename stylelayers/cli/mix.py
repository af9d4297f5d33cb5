"""``stylelayers mix``: tables of style mixing."""

from itertools import chain
from pathlib import Path
from typing import Annotated

import torch
import typer

from ..explore import PICTURES, mixing_table, save_picture, styles_of_seeds, tile, to_pixels
from ..explore.mixing import check_layers
from ..images.writing import check_ending
from .options import Batch, Cutoff, Device, FixedNoise, Labels, Model, Psi, Zoom
from .places import file_to_write
from .support import check_picture_size, count_images, load, parse_labels, parse_numbers

EXAMPLES = """
stylelayers mix runs/RUN mix.png
stylelayers mix runs/RUN mix.webp --rows 0-3 --columns 10-15 --layers 0-1 --layers 2-3 --psi 0.7
"""


def mix(
    model: Model,
    output: Annotated[
        Path, typer.Argument(parser=file_to_write, metavar="OUTPUT", help="A .png or .webp file.", show_default=False)
    ],
    rows: Annotated[str, typer.Option(help="Seeds of the rows.")] = "0-3",
    columns: Annotated[str, typer.Option(help="Seeds of the columns, whose styles replace those of the rows.")] = "4-9",
    layers: Annotated[
        list[str] | None,
        typer.Option(help="Layers to replace, 0 the coarsest; repeat for more tables. [default: first half]"),
    ] = None,
    labels: Labels = None,
    truncation_psi: Psi = 1.0,
    truncation_cutoff: Cutoff = None,
    noise: FixedNoise = None,
    batch: Batch = None,
    zoom: Zoom = 1,
    device: Device = "auto",
) -> None:
    """Tables of style mixing.

    The picture of each row, with the styles of each column in some layers.
    """
    seeds = parse_numbers("--rows", rows), parse_numbers("--columns", columns)
    replaced = [parse_numbers("--layers", each) for each in layers or []]
    check_ending(output, PICTURES)
    generator = load(model, device)
    classes = parse_labels(generator, labels)
    replaced = replaced or [list(range(generator.num_ws // 2))]
    for each in replaced:
        check_layers("mix", each, generator.num_ws)
    count = len(replaced) * (len(seeds[0]) + 1) * (len(seeds[1]) + 1)
    check_picture_size(generator, count, len(seeds[1]) + 1, zoom)
    options = {"labels": classes, "truncation_psi": truncation_psi, "truncation_cutoff": truncation_cutoff}
    left, above = (styles_of_seeds(generator, each, **options) for each in seeds)  # type: ignore[arg-type]
    tables = (mixing_table(generator, left, above, each, noise=noise, batch=batch) for each in replaced)
    images = count_images(chain.from_iterable(tables), "mixing", count)
    save_picture(tile(torch.cat([to_pixels(each) for each in images]), len(above) + 1), output, zoom=zoom)
    print(output)
