"""The networks of a checkpoint that ``train.py`` writes: the averaged generator, and the discriminator."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ..models import AliasFreeGenerator, Discriminator, Generator, StyleGenerator
from ._building import build_network, generator_class, with_current_names
from .networks import Networks
from .run_configuration import CONFIGURATION, read_configuration

ARGUMENTS = "arguments"  # checkpoint entry with the constructors' arguments
NETWORKS = "networks"  # checkpoint entry with the names of the networks' classes, which early versions lack
CLASS_NAMES = "class_names"  # checkpoint entry with the class names, which early versions lack
LABEL_KIND = "label_kind"  # checkpoint entry; early versions lack it, and knew classes only
_PREFIXES = {"generator": "average.module.", "discriminator": "discriminator."}
_COUNTERS = ("images_seen", "iterations", "skipped_steps")


def read_training_checkpoint(contents: Mapping[str, Any], path: Path) -> Networks:
    """Both networks of a checkpoint that ``torch.load(weights_only=True)`` has read from `path`.

    Raises:
        ValueError: tensors that are missing or do not fit, or no constructors' arguments.
    """
    arguments = stored_arguments(contents, path)
    tensors = {name: _without_prefix(contents["state_dict"], prefix) for name, prefix in _PREFIXES.items()}
    generator: StyleGenerator = build_network(stored_class(contents), arguments["generator"], tensors["generator"])
    generator.class_names, generator.label_kind = contents.get(CLASS_NAMES, ()), contents.get(LABEL_KIND)
    discriminator = build_network(Discriminator, arguments["discriminator"], tensors["discriminator"])
    notes = ("not kept: optimizers, counters and the rest of the training state",)
    return Networks("training checkpoint", generator, discriminator, training_summary(contents), notes)


def stored_arguments(contents: Mapping[str, Any], path: Path) -> dict[str, dict[str, Any]]:
    """Arguments of ``generator`` and ``discriminator``, from the checkpoint or else the run's ``config.yaml``.

    Raises:
        ValueError: neither has them.
    """
    arguments = contents.get(ARGUMENTS) or _from_configuration(path)
    if not isinstance(arguments, dict) or not all(isinstance(arguments.get(name), dict) for name in _PREFIXES):
        raise ValueError(f"expected the arguments of {' and '.join(_PREFIXES)}, got {type(arguments).__name__}")
    return {name: with_current_names(arguments[name]) for name in _PREFIXES}


def stored_class(contents: Mapping[str, Any]) -> type[Generator] | type[AliasFreeGenerator]:
    """The class of the generator.

    Raises:
        ValueError: one that this version does not have.
    """
    names = contents.get(NETWORKS, {})
    return generator_class(names.get("generator") if isinstance(names, Mapping) else names)


def training_summary(contents: Mapping[str, Any]) -> dict[str, int]:
    """The counters of a run."""
    return {name: contents[name] for name in _COUNTERS if isinstance(contents.get(name), int)}


def _without_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _from_configuration(path: Path) -> dict[str, dict[str, Any]]:
    """The networks' arguments in the run's configuration; classes that it names are not imported."""
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
        raise ValueError(f"{str(configuration)!r} has no readable arguments of the generator: {error}") from None
