"""A trained generator as one safetensors file, whose metadata hold what rebuilds it: no code, no pickle.

Metadata, all text, the last four as JSON: ``format``, ``version``, ``writer`` (this package and its version),
``arguments`` (of the constructor), ``class_names`` (a list, empty where they are not known), ``resolution`` (height and
width), ``summary`` (of the training). A version stays readable for ever; an argument that a file lacks, because it is
younger than the file, has its default.

- Version 3 has ``z_dim`` and ``w_dim``, which were ``latent_dim`` and ``style_dim``.
- Version 2 lacks ``class_names`` in early files, and has noise strengths that are scalars rather than ``(1,)``.
- Version 1 has neither ``writer`` nor ``resolution``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open

from .._version import __version__
from .._whole_files import save_tensors
from ..models import Generator
from ._building import arguments_of, assembled, renamed
from .networks import Networks

__all__ = ["GENERATOR_FILE", "Header", "read_generator_file", "read_header", "save_generator"]

GENERATOR_FILE = "generator.safetensors"
_FORMAT, _VERSION = "stylelayers.generator", 3
_OBJECTS = ("arguments", "summary")
_READABLE = tuple(str(version) for version in range(1, _VERSION + 1))


class Header(NamedTuple):
    """What a generator file says about itself.

    Attributes:
        version: of the format.
        writer: what wrote the file; empty for version 1.
        arguments: of the constructor.
        summary: of the training.
        class_names: in the order of their numbers; empty where they are not known.
        tensors: names of the tensors.
    """

    version: int
    writer: str
    arguments: dict[str, Any]
    summary: dict[str, Any]
    class_names: list[str]
    tensors: list[str]


def save_generator(
    generator: Generator, path: str | os.PathLike[str], *, summary: Mapping[str, Any] | None = None
) -> Path:
    """Write `generator` to one file, whole or not at all.

    Args:
        generator: its constructor's arguments, its state and the names of its classes are stored.
        path: the file; missing folders are made, an existing file is replaced at the end.
        summary: anything JSON-like to keep beside it, such as images seen in training.

    Returns:
        The path.
    """
    metadata = {
        "format": _FORMAT,
        "version": str(_VERSION),
        "writer": f"stylelayers {__version__}",
        "arguments": json.dumps(arguments_of(generator)),
        "class_names": json.dumps(generator.class_names),
        "resolution": json.dumps(generator.resolution),
        "summary": json.dumps(dict(summary or {})),
    }
    return save_tensors(generator.state_dict(), path, metadata=metadata)


def read_generator_file(path: Path) -> Networks:
    """The generator of a file that :func:`save_generator` wrote.

    Raises:
        ValueError: another kind of file, a newer format, or tensors that do not fit.
    """
    header = read_header(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in header.tensors}
    try:
        generator = assembled(Generator, header.arguments, tensors)
        generator.class_names = header.class_names
    except ValueError as error:
        raise ValueError(f"tensors of {str(path)!r} do not fit its arguments: {error}") from None
    return Networks("generator file", generator, summary=header.summary)


def read_header(path: Path) -> Header:
    """Metadata and names of the tensors, which are not read.

    Raises:
        ValueError: another kind of file, or a newer format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata, tensors = file.metadata() or {}, list(file.keys())
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} is not a readable safetensors file: {error}") from None
    if metadata.get("format") != _FORMAT or metadata.get("version") not in _READABLE:
        raise ValueError(
            f"{str(path)!r} must be of format {_FORMAT}, version {_VERSION} or older, "
            f"got {metadata.get('format')}, version {metadata.get('version')}"
        )
    arguments, summary = (_json(path, name, metadata.get(name, ""), dict, "an object") for name in _OBJECTS)
    class_names = _json(path, "class_names", metadata.get("class_names", "[]"), list, "a list")
    return Header(
        int(metadata["version"]), metadata.get("writer", ""), renamed(arguments), summary, class_names, tensors
    )


def _json(path: Path, name: str, text: str, kind: type, what: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} has no readable {name} in its metadata: {error}") from None
    if not isinstance(value, kind):
        raise ValueError(f"{str(path)!r} must have {what} as its {name}, got {type(value).__name__}")
    return value
