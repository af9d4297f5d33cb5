"""Arguments and options that commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ..layers.noise import NOISE_MODES
from .places import existing_path, folder_to_write
from .support import check_choice


def _among(*modes: str) -> Callable[[str | None], str | None]:
    return lambda noise: noise if noise is None else check_choice("--noise", noise, modes)


Model = Annotated[
    Path,
    typer.Argument(
        parser=existing_path,
        metavar="MODEL",
        help="Generator file, run's folder, checkpoint or official pickle.",
        show_default=False,
    ),
]
Folder = Annotated[
    Path, typer.Argument(parser=folder_to_write, metavar="OUTPUT", help="Folder for the files.", show_default=False)
]
Seeds = Annotated[str, typer.Option(help="Numbers and ranges: 0-63 or 0,5,7-9.")]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        help="Classes, repeated along the seeds: dogs,cats or 0-9; or a label vector: 0.2,0.8 or smile+young=0.5. "
        "Repeat for more. [default: all classes in turn]"
    ),
]
Psi = Annotated[
    float, typer.Option("--truncation-psi", "--psi", help="Pulls styles towards their mean: 1 not at all, 0 fully.")
]
Cutoff = Annotated[int | None, typer.Option("--truncation-cutoff", help="Truncate this many layers, coarsest first.")]
_STORED = "const, or none without noise inputs"
Noise = Annotated[
    str | None,
    typer.Option(
        callback=_among(*NOISE_MODES), help="const (stored), random (of the seed) or none.", show_default=_STORED
    ),
]
FixedNoise = Annotated[
    str | None,
    typer.Option("--noise", callback=_among("const", "none"), help="const (stored) or none.", show_default=_STORED),
]
Batch = Annotated[int | None, typer.Option(min=1, help="Images per batch; halved when memory runs out.")]
Zoom = Annotated[int, typer.Option(min=1, help="Side in file pixels of one image pixel.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps; auto takes a GPU if there is one.")]
