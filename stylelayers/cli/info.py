"""``stylelayers info``: describe a file or folder."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from ..checkpoints import describe, load_generator
from ..report import read_table
from .places import existing_path
from .support import as_one_line, failing_for_files

EXAMPLES = """
stylelayers info runs/RUN
stylelayers info official.pkl
stylelayers info generator.safetensors --json
stylelayers info generator.safetensors --layers
"""


def info(
    path: Annotated[
        Path,
        typer.Argument(
            parser=existing_path,
            metavar="PATH",
            help="Generator file, run's folder, checkpoint, official pickle or the PyTorch port's file.",
        ),
    ],
    layers: Annotated[bool, typer.Option("--layers", help="Add a table of the generator's layers.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Describe a file or folder of networks.

    Architecture, sizes, parameters, training state. No code in it is run.
    """
    with failing_for_files():
        facts = {name: value for name, value in asdict(describe(path)).items() if value not in (None, "", (), {})}
        metrics = path / "metrics.csv"
        if metrics.is_file():
            facts["last_metrics"] = _last_values(metrics)
        summary = load_generator(path).summary() if layers else None
    if as_json:
        rows = {} if summary is None else {"layers": [asdict(layer) for layer in summary.layers]}
        print(json.dumps(facts | rows, indent=2, default=str))
    else:
        print("\n".join(_format_lines(facts)), *([] if summary is None else ["", summary]), sep="\n")


def _last_values(path: Path) -> dict[str, float]:
    """The last value of each metric of a run."""
    values: dict[str, float] = {}
    for row in read_table(path):
        values.update(row)
    return values


def _format_lines(facts: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    width = max((len(name) for name, value in facts.items() if not isinstance(value, Mapping)), default=0)
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}:"
            yield from _format_lines(value, indent + "  ")
        else:
            yield f"{indent}{name:<{width}}  {_format_value(value)}"


def _format_value(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else as_one_line(str(value))
