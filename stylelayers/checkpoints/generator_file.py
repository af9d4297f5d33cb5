"""A trained generator as one safetensors file with the constructor's arguments in its metadata: no code, no pickle.

Metadata, all text, the last four as JSON: ``format``, ``version``, ``writer`` (this package and its version),
``network`` (name of the generator's class), ``label_kind`` (``none``, ``classes`` or ``vectors``), ``arguments`` (of
the constructor), ``class_names`` (a list, empty if they are not known), ``resolution`` (height and width), ``summary``
(of the training). Every version stays readable; arguments newer than a file have their defaults.

- Version 4: no ``network`` before, when all were of the class ``Generator``, and no ``label_kind``, when labels were
  classes.
- Version 3: ``z_dim`` and ``w_dim`` were ``latent_dim`` and ``style_dim`` before.
- Version 2: early files lack ``class_names`` and have scalar noise strengths rather than ``(1,)``.
- Version 1: no ``writer`` and no ``resolution``.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .._version import __version__
from .._whole_files import save_tensors
from ..models import AliasFreeGenerator, Generator, StyleGenerator
from ._building import arguments_of, build_network, generator_class, network_name, with_current_names
from .networks import Networks

GENERATOR_FILE = "generator.safetensors"
"""Name of the averaged generator's file in a run's folder."""
_FORMAT, _VERSION = "stylelayers.generator", 4
_OBJECTS = ("arguments", "summary")
_READABLE = tuple(str(version) for version in range(1, _VERSION + 1))


class Header(NamedTuple):
    """Metadata of a generator file.

    Attributes:
        version: of the format.
        writer: the program that wrote the file; empty for version 1.
        network: the class of the generator.
        arguments: of the constructor.
        summary: of the training.
        class_names: in class order; empty if they are not known.
        label_kind: of the generator's labels; None if the file does not say.
        tensors: names of the tensors.
    """

    version: int
    writer: str
    network: type[Generator] | type[AliasFreeGenerator]
    arguments: dict[str, Any]
    summary: dict[str, Any]
    class_names: list[str]
    label_kind: str | None
    tensors: list[str]


def save_generator(
    generator: StyleGenerator, path: str | os.PathLike[str], *, summary: Mapping[str, Any] | None = None
) -> Path:
    """Write `generator` to one file, atomically.

    Args:
        generator: its constructor's arguments, its state, the kind of its labels and their names are stored.
        path: the file; missing folders are created, an existing file is replaced at the end.
        summary: any JSON values to store with it, such as the images seen in training.

    Returns:
        The path.

    Raises:
        ValueError: a network of another class.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from stylelayers import Generator
        >>> from stylelayers.checkpoints import save_generator
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_generator(generator, f"{folder}/generator.safetensors", summary={"images_seen": 0}).name
        'generator.safetensors'
    """
    metadata = {
        "format": _FORMAT,
        "version": str(_VERSION),
        "writer": f"stylelayers {__version__}",
        "network": network_name(generator),
        "label_kind": generator.label_kind,
        "arguments": json.dumps(arguments_of(generator)),
        "class_names": json.dumps(generator.class_names),
        "resolution": json.dumps(generator.resolution),
        "summary": json.dumps(dict(summary or {})),
    }
    return save_tensors(generator.state_dict(), path, metadata=metadata)


def read_generator_file(path: Path) -> Networks:
    """Read the generator from a file of :func:`save_generator`.

    Raises:
        ValueError: another kind of file, a newer format, or tensors that do not fit.
    """
    from safetensors import safe_open

    header = read_header(path)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in header.tensors}
    try:
        generator = build_network(header.network, header.arguments, tensors)
        generator.class_names, generator.label_kind = header.class_names, header.label_kind
    except ValueError as error:
        raise ValueError(f"tensors of {str(path)!r} do not fit its arguments: {error}") from None
    return Networks("generator file", generator, summary=header.summary)


def read_header(path: Path) -> Header:
    """Read the metadata and the names of the tensors.

    Raises:
        ValueError: another kind of file, or a newer format.
    """
    from safetensors import SafetensorError, safe_open  # so that the layers need torch alone

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
    try:
        network = generator_class(metadata.get("network"))
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: {error}") from None
    version, writer = int(metadata["version"]), metadata.get("writer", "")
    kind = metadata.get("label_kind")
    return Header(version, writer, network, with_current_names(arguments), summary, class_names, kind, tensors)


def _json(path: Path, name: str, text: str, kind: type, what: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} has no readable {name} in its metadata: {error}") from None
    if not isinstance(value, kind):
        raise ValueError(f"{str(path)!r} must have {what} as its {name}, got {type(value).__name__}")
    return value
