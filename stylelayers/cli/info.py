"""``stylelayers info``: what a file holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..explore import describe
from .support import FailedError

EXAMPLES = """
stylelayers info runs/RUN
stylelayers info runs/RUN/checkpoints/last.ckpt
stylelayers info generator.safetensors --json
"""


def info(
    path: Annotated[
        Path, typer.Argument(exists=True, help="Generator file, checkpoint, official pickle, or a run's folder.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """What a file or a folder holds.

    Architecture, sizes, parameters, training state. Nothing that is in it is run.
    """
    try:
        facts = describe(path)
    except ValueError as error:
        raise FailedError(str(error)) from None
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        print("\n".join(_lines(facts)))


def _lines(facts: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    width = max((len(name) for name, value in facts.items() if not isinstance(value, Mapping)), default=0)
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}{name:<{width}}  {_text(value)}"


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
