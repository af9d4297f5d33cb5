"""``stylelayers report``: a page about a run."""

from pathlib import Path
from typing import Annotated

import typer

from ..images.writing import check_ending
from ..report import write_report
from .places import existing_path, file_to_write
from .support import failing_for_files

EXAMPLES = """
stylelayers report runs/RUN
stylelayers report runs/RUN report.html --frames 48 --width 1600
stylelayers report runs runs.html
"""


def report(
    run: Annotated[
        Path,
        typer.Argument(
            parser=existing_path, metavar="RUN", help="A run's folder, or the folder of a sweep or of several runs."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Argument(
            parser=file_to_write, metavar="OUTPUT", help="A .html file.", show_default="report.html in the folder"
        ),
    ] = None,
    frames: Annotated[int, typer.Option(min=0, help="Most grids of samples in the page.")] = 24,
    width: Annotated[int, typer.Option(min=16, help="Largest width of a grid in pixels.")] = 1024,
) -> None:
    """A page about a run: curves, samples through time, metrics, settings, files.

    One file that opens in a browser without the internet. The run may still go on. No code in its folder is run.
    """
    if output is not None:
        check_ending(output, (".html", ".htm"))
    if not run.is_dir():
        raise ValueError(f"RUN must be a run's folder, got {str(run)!r}, which is a file")
    with failing_for_files():
        print(write_report(run, output, frames=frames, width=width))
