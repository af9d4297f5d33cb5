"""Checks that every value of a configuration fits the argument that it becomes, before anything is built."""

import inspect
import os
import pydoc
import typing
from collections.abc import Callable, Mapping
from typing import Any

import torch
from hydra.utils import instantiate
from lightning import Callback, Trainer
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ..._kinds import ConversionError, convert_value, describe_type
from ...data import ImageDataModule
from ..gan import GAN
from ..loss import StyleGAN2Loss
from .errors import CONFIGURATION_ERRORS, explain
from .keys import did_you_mean, objects_of
from .program import program_command

_RUN: dict[str, Any] = {
    "data": ImageDataModule,
    "model": GAN,
    "loss": StyleGAN2Loss,
    "augment": nn.Module | None,
    "trainer": Trainer,
    "callbacks": Mapping | None,
    "logger": Mapping | None,
    "seed": int,
    "resume": str | os.PathLike | None,
    "initialize_from": str | os.PathLike | None,
    "initialize_strict": bool,
    "keep_freed_memory": bool,
    "optimized_metric": str | None,
    "output": os.PathLike,
}
_OF_HYDRA = frozenset({"_target_", "_partial_", "_args_", "_recursive_", "_convert_"})


def check_values(config: DictConfig) -> None:
    """Compare every value with its argument's annotation, and replace it by the value that the argument takes.

    Args:
        config: of a run; a key that is no argument must be referred to by another one: ``${key}``.

    Raises:
        ValueError: names the first key that is no argument or has a value of another kind, and the kind expected.
    """
    text = OmegaConf.to_yaml(config)
    used = {key: Any for key in map(str, config) if f"${{{key}" in text}
    _check(config, "", {**used, **_RUN}, f"of the configuration; {program_command()} --help lists all")
    if not 0 <= config.seed < 2**32:
        raise ValueError(f"seed must be in [0, 2**32), got {config.seed}")
    for group, kind in (("callbacks", Callback | None), ("logger", Logger | None)):
        members = config.get(group) or OmegaConf.create({})
        _check(members, f"{group}.", dict.fromkeys(members, kind), f"of {group}")
    for name, node in objects_of(config):
        kinds = _arguments(name, node)
        _check(node, f"{name}.", kinds, f"of {node._target_}, which takes {', '.join(kinds)}")
    for optimizer in ("generator_optimizer", "discriminator_optimizer"):
        _try(f"model.{optimizer}", config.model[optimizer])
    OmegaConf.to_container(config, resolve=True)  # raises for references to nothing


def _check(node: DictConfig, prefix: str, kinds: Mapping[str, Any], where: str) -> None:
    """Check the keys of a mapping and their values, also of references to other keys."""
    for key in (str(key) for key in node if key not in _OF_HYDRA):
        if key not in kinds:
            suggestion = did_you_mean(key, {kind: prefix + kind for kind in kinds})
            suggestion = suggestion or f"leave it out (~{prefix}{key} if a preset has it)"
            raise ValueError(f"{prefix}{key} is not a key {where}; {suggestion}")
        plain = _plain(node[key])
        try:
            fit = convert_value(plain, kinds[key])
        except ConversionError:
            raise ValueError(f"{prefix}{key} must be {describe_type(kinds[key])}, got {plain!r}") from None
        if isinstance(node[key], DictConfig) and "_target_" in node[key]:
            _check_made(f"{prefix}{key}", node[key], kinds[key])
        elif type(fit) is not type(plain) or fit != plain:
            node[key] = fit


def _check_made(name: str, node: DictConfig, kind: Any) -> None:
    """Check that the argument takes the class of a ``_target_``, or the class that a function returns."""
    if typing.get_origin(kind) is Callable:  # its arguments and result are no classes of the value
        return
    target = _located(name, node._target_)
    made: Any = target if inspect.isclass(target) else _annotations(target).get("return")
    classes = tuple(part for part in (kind, *typing.get_args(kind)) if inspect.isclass(part) and part is not type(None))
    if inspect.isclass(made) and classes and not node.get("_partial_") and not issubclass(made, classes):
        raise ValueError(f"{name} must be {describe_type(kind)}, got _target_={node._target_}")


def _try(name: str, optimizer: DictConfig) -> None:
    """Make an optimizer of one number: only the optimizer knows the ranges of its arguments."""
    try:
        instantiate(optimizer, _convert_="all")([nn.Parameter(torch.zeros(1))])
    except CONFIGURATION_ERRORS as error:
        raise ValueError(f"{name}: {explain(error)}") from None


def _plain(value: Any) -> Any:
    """The value without OmegaConf's types; of an object its ``_target_`` alone."""
    if isinstance(value, DictConfig) and "_target_" in value:
        return {"_target_": value._target_}
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _arguments(name: str, node: DictConfig) -> dict[str, Any]:
    """The types of a target's arguments; all keys of the node if it takes any argument."""
    made = _located(name, node._target_)
    try:
        parameters = inspect.signature(made).parameters
    except ValueError:  # of some callables in C
        return {str(key): Any for key in node}
    kinds = _annotations(made)
    others = node if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()) else ()
    return {**{str(key): Any for key in others}, **{argument: kinds.get(argument, Any) for argument in parameters}}


def _located(name: str, target: Any) -> Callable[..., Any]:
    try:
        made = pydoc.locate(str(target))
    except pydoc.ErrorDuringImport as error:
        raise ValueError(f"{name}._target_={target} cannot be imported: {error.value}") from None
    if not callable(made):
        raise ValueError(f"{name}._target_ must name what can be called, got {target!r}")
    return made


def _annotations(made: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(made.__init__ if inspect.isclass(made) else made)
    except (NameError, TypeError, AttributeError):  # of names imported under TYPE_CHECKING
        return {}
