"""What a file or a run's folder holds, read from headers as far as they go, without running any of its code."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from math import prod
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..checkpoints import GENERATOR_FILE
from ..checkpoints._records import Record, read_records
from ..models import Generator

__all__ = ["describe"]

_GENERATOR = "stylelayers.generator"
_DEEPEST = 2  # nested dicts of tensors in a checkpoint


def describe(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Architecture, sizes, parameters and training state, as plain data that JSON can hold.

    Args:
        path: a generator file or another safetensors file, of which only the header is read; a checkpoint of
            Lightning or another ``torch.save`` file, read without its tensors' values; an official network pickle;
            or a run's folder.

    Raises:
        ValueError: no such file, or one that is none of these.
    """
    path = Path(path)
    if path.is_dir():
        return {"path": str(path), **_run(path)}
    if not path.is_file():
        raise ValueError(f"{str(path)!r} is neither a file nor a folder")
    with path.open("rb") as file:
        start = file.read(2)
    read = _checkpoint if start == b"PK" else _pickle if start[:1] == b"\x80" else _safetensors
    return {"path": str(path), "bytes": path.stat().st_size, **read(path)}


def _run(folder: Path) -> dict[str, Any]:
    checkpoints = sorted((folder / "checkpoints").glob("*.ckpt"))
    found: dict[str, Any] = {"kind": "a run's folder"}
    if (folder / GENERATOR_FILE).is_file():
        found["generator"] = describe(folder / GENERATOR_FILE)
    if last := next((each for each in checkpoints if each.name == "last.ckpt"), None):
        found["checkpoint"] = describe(last)
    if (folder / "metrics.csv").is_file():
        found["last_metrics"] = _last_metrics(folder / "metrics.csv")
    if len(found) == 1:
        raise ValueError(f"{str(folder)!r} is no run's folder: it holds no generator, checkpoint or metrics")
    return found


def _last_metrics(path: Path) -> dict[str, float]:
    """The last value of each metric."""
    found: dict[str, float] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            found.update({name: float(value) for name, value in row.items() if name and value})
    return found


def _safetensors(path: Path) -> dict[str, Any]:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} is no file that is known here: {error}") from None
    facts = {name: _parsed(value) for name, value in sorted(metadata.items())}
    if metadata.get("format") != _GENERATOR:
        return {"kind": "safetensors", **facts, "tensors": _shapes(shapes)}
    try:
        generator = Generator(**facts.get("arguments", {}), device="meta")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{str(path)!r} holds arguments that make no generator: {error}") from None
    return {"kind": "a generator", **facts, "num_ws": generator.num_ws, **_sizes(generator)}


def _sizes(generator: Generator) -> dict[str, Any]:
    parts = {"mapping": generator.mapping, "synthesis": generator.synthesis}
    counts = {name: sum(each.numel() for each in part.parameters()) for name, part in parts.items()}
    buffers = sum(each.numel() for each in generator.buffers())
    return {"parameters": {**counts, "all": sum(counts.values())}, "buffers": buffers}


def _checkpoint(path: Path) -> dict[str, Any]:
    try:
        contents = torch.load(path, map_location="meta", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ValueError(f"{str(path)!r} is no checkpoint of plain data: {str(error).splitlines()[0]}") from None
    if not isinstance(contents, Mapping):
        raise ValueError(f"{str(path)!r} must hold a dict, got a {type(contents).__name__}")
    lightning = "pytorch-lightning_version" in contents
    state = contents["state_dict"] if lightning and isinstance(contents.get("state_dict"), Mapping) else contents
    scalars = {str(name): value for name, value in contents.items() if isinstance(value, (bool, int, float, str))}
    return {
        "kind": "a Lightning checkpoint" if lightning else "a torch.save file",
        "values": _by_part(_tensors(state)),
        "state": scalars,
    }


def _tensors(tree: Mapping[Any, Any], prefix: str = "", depth: int = _DEEPEST) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors of nested dicts by their joined names."""
    found: dict[str, tuple[int, ...]] = {}
    for name, value in tree.items():
        if isinstance(value, Tensor):
            found[f"{prefix}{name}"] = tuple(value.shape)
        elif isinstance(value, Mapping) and depth:
            found |= _tensors(value, f"{prefix}{name}.", depth - 1)
    return found


def _pickle(path: Path) -> dict[str, Any]:
    try:
        networks = read_records(path.read_bytes())
        found = {str(name): _network(each) for name, each in networks.items() if isinstance(each, Record)}
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from None
    return {"kind": "an official StyleGAN2 pickle", "networks": found}


def _network(record: Record) -> dict[str, Any]:
    """The class that the file names, the numbers that it keeps, and what its tensors add up to."""
    sizes = {name: value for name, value in record.state.items() if type(value) is int and not name.startswith("_")}
    shapes = {name: tuple(tensor.shape) for name, tensor in record.tensors().items()}
    return {"class": record.class_name, **sizes, "values": _by_part(shapes)}


def _by_part(shapes: Mapping[str, Iterable[int]]) -> dict[str, int]:
    """How many numbers the tensors of each top-level name hold, and all of them."""
    counts: dict[str, int] = {}
    for name, shape in shapes.items():
        part = name.partition(".")[0]
        counts[part] = counts.get(part, 0) + prod(shape)
    return {**counts, "all": sum(counts.values())}


def _shapes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, list[int]]:
    return {name: list(shape) for name, shape in sorted(shapes.items())}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
