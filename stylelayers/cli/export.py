"""``stylelayers export``: export a generator to a file that runs without this package."""

from pathlib import Path
from typing import Annotated

import typer

from ..export import export_onnx, export_program
from .options import FixedNoise, Model
from .places import file_to_write
from .support import check_choice, load

EXAMPLES = """
stylelayers export runs/RUN generator.onnx
stylelayers export runs/RUN generator.pt2 --format pt2 --half --noise none
"""
_FORMATS = {"onnx": export_onnx, "pt2": export_program}


def export(
    model: Model,
    output: Annotated[
        Path, typer.Argument(parser=file_to_write, metavar="OUTPUT", help="The file.", show_default=False)
    ],
    format: Annotated[
        str | None,
        typer.Option(help="onnx, or pt2 (a torch.export program).", show_default="the file's ending, or onnx"),
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Compute images in float16.")] = False,
    noise: FixedNoise = None,
) -> None:
    """Export a generator to a file that runs without this package.

    The file takes any batch size; its inputs are z, truncation_psi and, for conditional generators, labels. It is run
    and compared with the generator before it is kept.
    """
    result = _FORMATS[_choose_format(output, format)](load(model, "cpu"), output, noise=noise, half=half)
    typer.echo(f"{result.path}: inputs {', '.join(result.inputs)}; images differ by at most {result.difference:.1e}")


def _choose_format(output: Path, given: str | None) -> str:
    """The given format, or that of the file's ending; they must not contradict each other."""
    ending = output.suffix.lower()[1:]
    chosen = check_choice("--format", given or (ending if ending in _FORMATS else "onnx"), _FORMATS)
    if ending in _FORMATS and ending != chosen:
        raise ValueError(f"--format {chosen} must have another ending than .{ending}, got {str(output)!r}")
    return chosen
