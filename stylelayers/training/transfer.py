"""Training that begins with the networks of an earlier one, some of whose layers may stay as they are."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor, nn

from ..checkpoints import load_networks
from ..checkpoints._building import fits
from ..checkpoints.loading import kind_of, read_torch_file
from .resuming import find_checkpoint

__all__ = ["freeze", "initialize"]

_PARTS = ("generator", "discriminator", "average.module", "loss")  # of a checkpoint's state
Tensors = Mapping[str, Tensor]


def freeze(model: nn.Module, prefixes: Iterable[str]) -> frozenset[str]:
    """Names of the parameters that are not trained: those below `prefixes`, and those that require no gradient as is.

    Freezing the first layers of a discriminator is FreezeD (arXiv:2002.10964).

    Args:
        model: has a ``generator`` and a ``discriminator``.
        prefixes: whole names of modules or parameters, such as ``generator.mapping`` or ``discriminator.blocks.0``.

    Raises:
        ValueError: a prefix without parameters, or nothing left to train in a network.
    """
    named = {name: p for name, p in model.named_parameters() if name.startswith(("generator.", "discriminator."))}
    for prefix in prefixes:
        below = [parameter for name, parameter in named.items() if f"{name}.".startswith(f"{prefix}.")]
        if not below:
            example = next(iter(named)).rpartition(".")[0]
            raise ValueError(f"model.freeze must hold names such as generator.mapping or {example}, got {prefix!r}")
        for parameter in below:
            parameter.requires_grad_(False)
    frozen = frozenset(name for name, parameter in named.items() if not parameter.requires_grad)
    for network in ("generator", "discriminator"):
        if all(name in frozen for name in named if name.startswith(network)):
            raise ValueError(f"model.freeze must leave something to train in the {network}, got all of it")
    return frozen


def initialize(model: nn.Module, path: str | os.PathLike[str], *, strict: bool = True) -> None:
    """Take the networks of a file, as far as it has them.

    Args:
        model: a :class:`GAN`.
        path: a checkpoint or a run's folder, whose newest checkpoint has everything; a generator file, which also
            becomes the averaged generator; an official StyleGAN2 pickle, or a checkpoint of the PyTorch port.
        strict: every tensor must fit. Otherwise those that do not are left as they are, and a warning tells them;
            blocks of a discriminator are matched from the smallest resolution up.

    Raises:
        ValueError: no such file, one of another kind, or tensors that do not fit.
    """
    fitting, left = dict[str, Tensor](), list[str]()
    own = model.state_dict()
    for part, source in _networks(Path(path)).items():
        tensors = {f"{part}.{name}": tensor for name, tensor in source.items()}
        here = {name: tensor for name, tensor in own.items() if name.startswith(f"{part}.")}
        tensors = tensors if strict else _aligned(tensors, here)
        left += [_difference(name, tensors, here) for name in {**here, **tensors} if not _fits(name, tensors, here)]
        fitting |= {name: tensor for name, tensor in tensors.items() if _fits(name, tensors, here)}
    listed = ", ".join(left[:3]) + (", ..." if left[3:] else "")
    if strict and left:
        raise ValueError(
            f"model.initialize_from={path} does not fit: {len(left)} tensors differ: {listed}; repeat the sizes of "
            f"its run, or take what fits with model.initialize_strict=false"
        )
    if not fitting:
        raise ValueError(f"model.initialize_from={path} has no tensor that fits: {listed}")
    model.load_state_dict(fitting, strict=False)
    if left:
        warnings.warn(f"model.initialize_from={path}: took {len(fitting)} tensors, not these: {listed}", stacklevel=2)


def _networks(path: Path) -> dict[str, Tensors]:
    """What a file holds, by the names that the parts have in a model."""
    if path.is_dir():
        checkpoints = any((path / "checkpoints").glob("*.ckpt"))
        path = (find_checkpoint(path, path) or path) if checkpoints else path / "generator.safetensors"
    if path.is_file() and kind_of(path) == "torch file":
        contents = read_torch_file(path)
        if "state_dict" in contents:
            return _of_checkpoint(contents["state_dict"], path)
    networks = load_networks(path, who="model.initialize_from")
    generator = networks.generator.state_dict()
    found: dict[str, Tensors] = {"generator": generator, "average.module": generator}
    return found if networks.discriminator is None else {**found, "discriminator": networks.discriminator.state_dict()}


def _of_checkpoint(state: Tensors, path: Path) -> dict[str, Tensors]:
    parts = {
        part: {name.removeprefix(f"{part}."): state[name] for name in state if name.startswith(f"{part}.")}
        for part in _PARTS
    }
    if not parts["generator"]:
        raise ValueError(f"model.initialize_from must be a checkpoint of train.py, got {path}, without a generator")
    return {part: tensors for part, tensors in parts.items() if tensors}


def _fits(name: str, there: Tensors, here: Tensors) -> bool:
    return name in there and name in here and fits(there[name], here[name].shape)


def _difference(name: str, there: Tensors, here: Tensors) -> str:
    shapes = [str(tuple(tensors[name].shape)) if name in tensors else "absent" for tensors in (there, here)]
    return f"{name} ({shapes[0]} there, {shapes[1]} here)"


def _aligned(there: Tensors, here: Tensors) -> dict[str, Tensor]:
    """A discriminator's blocks are counted from the largest resolution; count those of `there` as `here`."""
    shift = _blocks(here) - _blocks(there)
    block = re.compile(r"^discriminator\.blocks\.(\d+)")
    return {
        block.sub(lambda match: f"discriminator.blocks.{int(match[1]) + shift}", name): tensor
        for name, tensor in there.items()
    }


def _blocks(tensors: Tensors) -> int:
    return len({name.split(".")[2] for name in tensors if name.startswith("discriminator.blocks.")})
