"""Training that begins with the networks of a file: a run, a checkpoint, a generator file or a published network."""

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ...checkpoints import arguments_of, describe, load_networks
from ...checkpoints._building import has_shape, network_name
from ...checkpoints.loading import kind_of, read_torch_file
from ...checkpoints.training_checkpoint import stored_arguments, stored_class
from ...models.class_names import difference
from ..gan import GAN
from ..saved_state import MEANING, NetworkArguments, differing, network_arguments
from .overrides import overrides
from .program import program_name
from .resuming import find_checkpoint

_PARTS = ("generator", "discriminator", "average.module", "loss")  # of a checkpoint's state
Tensors = Mapping[str, Tensor]


def initialize(
    model: GAN,
    path: str | os.PathLike[str],
    *,
    strict: bool = True,
    class_names: Sequence[str] = (),
    label_kind: str | None = None,
) -> None:
    """Load the networks of a file into a model, as far as the file has them.

    Args:
        model: the averages that it gets have no ramp-up: they follow the generator by their half-life at once.
        path: a checkpoint or a run's folder, whose newest checkpoint has everything; a generator file, which also
            becomes the averaged generator; an official StyleGAN2 pickle, or a checkpoint of the PyTorch port.
        strict: every tensor must fit. Otherwise the others stay as they are, and a warning counts them by part of the
            networks; blocks of a discriminator are matched from the smallest resolution up.
        class_names, label_kind: of the data; a warning tells if the file's are different.

    Raises:
        ValueError: no such file, one of another kind, or tensors that do not fit.
    """
    if model.generator.num_labels:
        _warn_of_other_labels(path, class_names, label_kind)
    source = _networks(Path(path))
    if strict:
        _check_class(path, source.generator, network_name(model.generator))
    fitting, left, own = dict[str, Tensor](), dict[str, str](), model.state_dict()
    for part, found in source.tensors.items():
        tensors = {f"{part}.{name}": tensor for name, tensor in found.items()}
        here = {name: tensor for name, tensor in own.items() if name.startswith(f"{part}.")}
        tensors = tensors if strict else _aligned(tensors, here)
        left |= {n: _difference(n, tensors, here) for n in {**here, **tensors} if not _fits(n, tensors, here)}
        fitting |= {name: tensor for name, tensor in tensors.items() if _fits(name, tensors, here)}
    _check(path, source.arguments, network_arguments(model), fitting, left, strict)
    model.load_state_dict(fitting, strict=False)
    taken = {name.removeprefix("average.module.") for name in fitting if name.startswith("average.module.")}
    model.average.given = frozenset(taken & {name for name, _ in model.average.module.named_parameters()})


def _warn_of_other_labels(path: str | os.PathLike[str], names: Sequence[str], kind: str | None) -> None:
    """Warn if the networks were trained on labels of another kind than the data's, or on other classes."""
    try:
        initial = describe(path)
    except ValueError:
        return
    theirs = initial.class_names
    if kind is not None and initial.label_kind and initial.label_kind != kind:
        warnings.warn(
            f"initialize_from: the labels of its networks are {initial.label_kind}, and the data's are {kind}; what a "
            f"label means is learned anew",
            stacklevel=3,
        )
    elif theirs and names and list(theirs) != list(names):
        what = "a number of a label vector" if kind == "vectors" else "a class number"
        warnings.warn(
            f"initialize_from: its networks were trained on other classes than the data's, "
            f"{difference(theirs, names)}; {what} does not mean what they learned",
            stacklevel=3,
        )


@dataclass(frozen=True)
class _Source:
    """Contents of a file: tensors by the parts of a model, the networks' arguments, and the generator's class."""

    tensors: Mapping[str, Tensors]
    arguments: NetworkArguments
    generator: str


def _check_class(path: str | os.PathLike[str], there: str, here: str) -> None:
    """Raise a ValueError for another class of generators, none of whose tensors mean the same."""
    if there != here:
        models = {"Generator": "stylegan2", "AliasFreeGenerator": "stylegan3"}
        raise ValueError(
            f"initialize_from={path} has a generator of class {there}, and here it is {here}; use "
            f"model={models.get(there, there)}, or take what fits with initialize_strict=false"
        )


def _check(
    path: str | os.PathLike[str],
    there: NetworkArguments,
    here: NetworkArguments,
    fitting: Tensors,
    left: Mapping[str, str],
    strict: bool,
) -> None:
    """Raise a ValueError if nothing fits or, under `strict`, not all; warn of tensors left and of other meanings."""
    listed = ", ".join(list(left.values())[:3]) + (", ..." if len(left) > 3 else "")
    sizes = overrides(there, here)
    if strict and left:
        raise ValueError(
            f"initialize_from={path} does not fit: {len(left)} tensors differ: {listed}; "
            + (f"set its sizes, {sizes}" if sizes else "repeat the sizes of its run")
            + ", or take what fits with initialize_strict=false"
        )
    if not fitting:
        raise ValueError(f"initialize_from={path} has no tensor that fits: {listed}")
    if left:
        warnings.warn(
            f"initialize_from={path}: took {len(fitting)} tensors, not these: {listed}; by part of the networks, "
            f"taken and left: {_counts(fitting, left)}",
            stacklevel=4,
        )
    others = [f"model.{network}.{name}" for network, name in differing(there, here) if name in MEANING]
    if others:
        warnings.warn(
            f"initialize_from={path}: its weights were trained with another {' and '.join(others)}; as there: {sizes}",
            stacklevel=4,
        )


def _counts(fitting: Iterable[str], left: Iterable[str]) -> str:
    taken, remaining = Counter(map(_part, fitting)), Counter(map(_part, left))
    return ", ".join(f"{part} {taken[part]} and {remaining[part]}" for part in sorted(taken | remaining))


def _part(name: str) -> str:
    return ".".join(name.replace("average.module", "average").split(".")[:2])


def _networks(path: Path) -> _Source:
    if path.is_dir():
        checkpoints = any((path / "checkpoints").glob("*.ckpt"))
        path = (find_checkpoint(path, path) or path) if checkpoints else path / "generator.safetensors"
    if path.is_file() and kind_of(path) == "torch file":
        contents = read_torch_file(path)
        if "state_dict" in contents:
            return _of_checkpoint(contents, path)
    networks = load_networks(path, caller="initialize_from")
    generator, arguments = networks.generator.state_dict(), {"generator": arguments_of(networks.generator)}
    tensors: dict[str, Tensors] = {"generator": generator, "average.module": generator}
    if networks.discriminator is not None:
        tensors["discriminator"] = networks.discriminator.state_dict()
        arguments["discriminator"] = arguments_of(networks.discriminator)
    return _Source(tensors, arguments, network_name(networks.generator))


def _of_checkpoint(contents: Mapping[str, Any], path: Path) -> _Source:
    state: Tensors = contents["state_dict"]
    parts: dict[str, Tensors] = {
        part: {name.removeprefix(f"{part}."): state[name] for name in state if name.startswith(f"{part}.")}
        for part in _PARTS
    }
    if not parts["generator"]:
        raise ValueError(f"initialize_from must be a checkpoint of {program_name()}, got {path}, without a generator")
    parts["average.module"] = parts["average.module"] or parts["generator"]
    try:
        arguments = stored_arguments(contents, path)
    except ValueError:  # written by an earlier version, and without its run
        arguments = {}
    parts = {part: tensors for part, tensors in parts.items() if tensors}
    return _Source(parts, arguments, stored_class(contents).__name__)


def _fits(name: str, there: Tensors, here: Tensors) -> bool:
    return name in there and name in here and has_shape(there[name], here[name].shape)


def _difference(name: str, there: Tensors, here: Tensors) -> str:
    shapes = [str(tuple(tensors[name].shape)) if name in tensors else "absent" for tensors in (there, here)]
    return f"{name} ({shapes[0]} there, {shapes[1]} here)"


def _aligned(there: Tensors, here: Tensors) -> dict[str, Tensor]:
    """Number a discriminator's blocks of `there` as those of `here`, which count from the largest resolution."""
    shift = _blocks(here) - _blocks(there)
    block = re.compile(r"^discriminator\.blocks\.(\d+)")
    return {
        block.sub(lambda match: f"discriminator.blocks.{int(match[1]) + shift}", name): tensor
        for name, tensor in there.items()
    }


def _blocks(tensors: Tensors) -> int:
    return len({name.split(".")[2] for name in tensors if name.startswith("discriminator.blocks.")})
