"""The networks of a checkpoint that ``train.py`` writes: the averaged generator, and the discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..models import Discriminator, Generator
from ._building import assembled, renamed
from .networks import Networks
from .run_configuration import CONFIGURATION, read_configuration

__all__ = ["ARGUMENTS", "CLASS_NAMES", "read_training_checkpoint", "stored_arguments", "training_summary"]

ARGUMENTS = "arguments"  # the checkpoint's entry that holds the constructors' arguments
CLASS_NAMES = "class_names"  # and the one with the names of the classes, which earlier versions did not write
_PREFIXES = {"generator": "average.module.", "discriminator": "discriminator."}
_COUNTERS = ("images_seen", "iterations", "skipped_steps")


def read_training_checkpoint(contents: Mapping[str, Any], path: Path) -> Networks:
    """Both networks of what ``torch.load(weights_only=True)`` has read from `path`.

    Raises:
        ValueError: no tensors of both networks, tensors that do not fit, or no constructor's arguments.
    """
    arguments = stored_arguments(contents, path)
    tensors = {name: _below(contents["state_dict"], prefix) for name, prefix in _PREFIXES.items()}
    generator = assembled(Generator, arguments["generator"], tensors["generator"])
    generator.class_names = contents.get(CLASS_NAMES, ())
    discriminator = assembled(Discriminator, arguments["discriminator"], tensors["discriminator"])
    notes = ("not kept: optimisers, counters and what else a run goes on from",)
    return Networks("training checkpoint", generator, discriminator, training_summary(contents), notes)


def stored_arguments(contents: Mapping[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    """Arguments of ``generator`` and ``discriminator``: of the checkpoint, or else of its run's ``config.yaml``.

    Raises:
        ValueError: neither has them.
    """
    arguments = contents.get(ARGUMENTS) or _from_configuration(path)
    if not isinstance(arguments, dict) or not all(isinstance(arguments.get(name), dict) for name in _PREFIXES):
        raise ValueError(f"expected the arguments of {' and '.join(_PREFIXES)}, got {type(arguments).__name__}")
    return {name: renamed(arguments[name]) for name in _PREFIXES}


def training_summary(contents: Mapping[str, Any]) -> dict[str, int]:
    """The counters of a run."""
    return {name: contents[name] for name in _COUNTERS if isinstance(contents.get(name), int)}


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _from_configuration(path: Path) -> dict[str, dict[str, Any]]:
    """The networks' sections of the run's configuration, as plain YAML: no class that it names is looked at."""
    candidates = [folder / CONFIGURATION for folder in (path.parent.parent, path.parent)]
    configuration = next((file for file in candidates if file.is_file()), None)
    if configuration is None:
        raise ValueError(
            "the checkpoint has no constructor's arguments (an earlier version wrote it), and there is no config.yaml "
            "of its run beside or above it; copy it there"
        )
    try:
        model = read_configuration(configuration)["model"]
        return {name: {k: v for k, v in model[name].items() if k != "_target_"} for name in _PREFIXES}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{str(configuration)!r} has no readable model.generator: {error}") from None
