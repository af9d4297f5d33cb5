"""``stylelayers inspect``: what a data set holds."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..images.writing import PICTURES, check_ending, save_picture, tile
from .places import file_to_write
from .support import FailedError, as_one_line

if TYPE_CHECKING:
    from ..data.inspecting import DataFacts
    from ..data.suggesting import Suggestion

EXAMPLES = """
stylelayers inspect images
stylelayers inspect images --sheet sheet.png --decode
stylelayers inspect digits --json
"""
_SHOWN = 10  # classes, duplicates and unreadable images that are named
_COLUMNS = 8


def inspect(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="Folder or zip archive of images, digits, torchvision:NAME or huggingface:NAME.",
            show_default=False,
        ),
    ],
    sheet: Annotated[
        Path | None,
        typer.Option(parser=file_to_write, help="A .png or .webp with small pictures of 64 images.", metavar="FILE"),
    ] = None,
    decode: Annotated[bool, typer.Option("--decode", help="Decode every image, to find damaged ones.")] = False,
    labels: Annotated[str, typer.Option(help="none, classes, vectors, or auto: as the data have.")] = "auto",
    split: Annotated[str, typer.Option(help="Of a named data set.")] = "train",
    root: Annotated[Path, typer.Option(help="Folder for torchvision's files.")] = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Sizes, modes, classes, duplicates and damaged files of a data set.

    Also shows the command that trains on it.
    """
    try:
        from ..data.inspecting import contact_sheet, inspect_data
        from ..data.opening import open_data
        from ..data.suggesting import suggest_training
    except ModuleNotFoundError as error:
        raise FailedError(f'data need {error.name}: pip install "stylelayers[train]"') from None
    if sheet is not None:
        check_ending(sheet, PICTURES)
    opened = open_data(data, labels=labels, split=split, root=root)
    facts = inspect_data(opened, decode=decode)
    training = suggest_training(opened, facts)
    if sheet is not None:
        save_picture(tile(contact_sheet(opened), _COLUMNS), sheet)
    if as_json:
        print(json.dumps({**asdict(facts), "training": asdict(training)}, indent=2))
    else:
        print("\n".join(as_one_line(line) if line.strip() else line for line in _lines(facts, training)))


def _lines(facts: "DataFacts", training: "Suggestion") -> Iterator[str]:
    yield f"images: {facts.images:,}"
    yield f"width: {facts.widths[0]:,} to {facts.widths[2]:,} pixels, median {facts.widths[1]:,}"
    yield f"height: {facts.heights[0]:,} to {facts.heights[2]:,} pixels, median {facts.heights[1]:,}"
    yield f"sizes: {_shares(facts.sizes, facts.images)}{_more(len(facts.sizes), facts.different_sizes)}"
    yield f"modes: {_shares(facts.modes, facts.images)}"
    if facts.classes:
        largest = dict(sorted(facts.classes.items(), key=lambda pair: -pair[1])[:_SHOWN])
        more = _more(len(largest), len(facts.classes))
        yield f"classes: {len(facts.classes):,}: {_shares(largest, facts.images)}{more}"
    elif facts.vector_length:
        yield f"labels: vectors of {facts.vector_length:,} numbers"
    else:
        yield "labels: none"
    copies = sum(len(group) - 1 for group in facts.duplicates)
    yield f"duplicates: {copies:,}" + "".join(f"; {' = '.join(group)}" for group in facts.duplicates[:_SHOWN])
    yield f"unreadable: {len(facts.unreadable):,}" + "".join(f"; {each}" for each in facts.unreadable[:_SHOWN])
    yield f"to train: {training.command}"
    yield f"at {_size(training.resolution)}, in batches of {training.batch_size} unless a preset says otherwise"
    yield from (f"note: {note}" for note in training.notes)


def _shares(counts: Mapping[str, int], total: int) -> str:
    return ", ".join(f"{name} {count:,} ({count / total:.1%})" for name, count in counts.items())


def _more(shown: int, total: int) -> str:
    return f" and {total - shown:,} more" if total > shown else ""


def _size(resolution: int | tuple[int, int]) -> str:
    height, width = resolution if isinstance(resolution, tuple) else (resolution, resolution)
    return f"{width}x{height}"
