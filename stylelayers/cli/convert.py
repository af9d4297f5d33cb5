"""``stylelayers convert``: trained networks of one kind of file as another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..checkpoints import convert as convert_file
from ..checkpoints.conversion import check_target
from .places import existing, file_to_write
from .support import failing

EXAMPLES = """
stylelayers convert official.pkl ours.safetensors
stylelayers convert faces.safetensors port.pt
"""


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            parser=existing,
            metavar="SOURCE",
            help="Generator file, run's folder, checkpoint, official StyleGAN2 pickle or the PyTorch port's file.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            parser=file_to_write,
            metavar="TARGET",
            help=".safetensors for ours, .pt for the PyTorch port's checkpoint.",
            show_default=False,
        ),
    ],
) -> None:
    """Trained networks of one kind of file as another.

    Nothing in a file is run. What was not understood or not kept is told. Weights keep the licence that they came with.
    """
    check_target(source, target)
    with failing():
        done = convert_file(source, target)
    typer.echo(f"{done.target}: {' and '.join(done.networks)} of {_article(done.kind)} {done.kind}")
    for note in done.notes:
        typer.echo(f"  {note}")


def _article(kind: str) -> str:
    return "an" if kind[0] in "aeio" else "a"
