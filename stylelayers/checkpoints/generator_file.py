"""A trained generator as one safetensors file, whose metadata hold what rebuilds it: no code, no pickle."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..models import Generator
from .whole_files import whole_file

__all__ = ["GENERATOR_FILE", "load_generator", "save_generator"]

GENERATOR_FILE = "generator.safetensors"
_FORMAT, _VERSION = "stylelayers.generator", 1
_READABLE = tuple(str(version) for version in range(1, _VERSION + 1))


def save_generator(
    generator: Generator, path: str | os.PathLike[str], *, summary: Mapping[str, Any] | None = None
) -> Path:
    """Write `generator` to one file, whole or not at all.

    Args:
        generator: its constructor's arguments and its state are stored.
        path: the file; missing folders are made, an existing file is replaced at the end.
        summary: anything JSON-like to keep beside it, such as images seen in training.

    Returns:
        The path.
    """
    path = Path(path)
    names = [n for n in inspect.signature(Generator).parameters if n not in ("device", "dtype")]
    metadata = {
        "format": _FORMAT,
        "version": str(_VERSION),
        "arguments": json.dumps({name: getattr(generator, name) for name in names}),
        "summary": json.dumps(dict(summary or {})),
    }
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in generator.state_dict().items()}
    with whole_file(path) as unfinished:
        save_file(tensors, unfinished, metadata)
    return path


def load_generator(path: str | os.PathLike[str], *, device: torch.device | str = "cpu") -> Generator:
    """Read a generator, in evaluation mode, that :func:`save_generator` wrote.

    Args:
        path: the file, or a run's folder, whose averaged generator is read.
        device: where its tensors go.

    Raises:
        ValueError: no such file, another kind of file, a newer format, or tensors that do not fit.
    """
    path = Path(path)
    path = path / GENERATOR_FILE if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"load_generator: path must be a generator file or a run's folder, got {str(path)!r}")
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"load_generator: {str(path)!r} is not a readable safetensors file: {error}") from None
    if metadata.get("format") != _FORMAT or metadata.get("version") not in _READABLE:
        raise ValueError(
            f"load_generator: {str(path)!r} must be of format {_FORMAT}, version {_VERSION} or older, "
            f"got {metadata.get('format')}, version {metadata.get('version')}"
        )
    try:
        generator = Generator(**json.loads(metadata.get("arguments", "")), device=device)
    except (TypeError, ValueError) as error:
        raise ValueError(f"load_generator: {str(path)!r} holds arguments that make no generator: {error}") from None
    try:
        generator.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(f"load_generator: tensors of {str(path)!r} do not fit its arguments: {error}") from None
    return generator.eval()
