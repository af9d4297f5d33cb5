"""``stylelayers convert``: convert files of trained networks."""

from pathlib import Path
from typing import Annotated

import typer

from ..checkpoints import convert as convert_file
from ..checkpoints.conversion import check_target
from .places import existing_path, file_to_write
from .support import failing_for_files

EXAMPLES = """
stylelayers convert official.pkl ours.safetensors
stylelayers convert faces.safetensors port.pt
"""


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            parser=existing_path,
            metavar="SOURCE",
            help="Generator file, run's folder, checkpoint, official pickle or the PyTorch port's file.",
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
    """Convert files of trained networks.

    No code in a file is run. Notes say what was not converted. Weights keep their licence.
    """
    check_target(source, target)
    with failing_for_files():
        result = convert_file(source, target)
    typer.echo(f"{result.target}: {' and '.join(result.networks)} of {_article(result.kind)} {result.kind}")
    for note in result.notes:
        typer.echo(f"  {note}")


def _article(kind: str) -> str:
    return "an" if kind[0] in "aeio" else "a"
