"""Does every value of a configuration fit the argument that it becomes? Asked before anything is built."""

from __future__ import annotations

import inspect
import os
import pydoc
import typing
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
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

__all__ = ["check_values"]

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
    "objective": str | None,
    "output": os.PathLike,
}
_OF_HYDRA = frozenset({"_target_", "_partial_", "_args_", "_recursive_", "_convert_"})


def check_values(config: DictConfig) -> None:
    """Compare every value with its argument's annotation, and write in its place what the argument takes.

    Args:
        config: of a run; of a key that no object has, something else must make use: ``${key}``.

    Raises:
        ValueError: names the first key that is no argument or whose value does not fit, and what is expected.
    """
    text = OmegaConf.to_yaml(config)
    used = {key: Any for key in map(str, config) if f"${{{key}" in text}
    _check(config, "", {**used, **_RUN}, "of the configuration; python train.py --help lists all")
    if not 0 <= config.seed < 2**32:
        raise ValueError(f"seed must be in [0, 2**32), got {config.seed}")
    for group, kind in (("callbacks", Callback | None), ("logger", Logger | None)):
        members = config.get(group) or OmegaConf.create({})
        _check(members, f"{group}.", dict.fromkeys(members, kind), f"of {group}")
    for name, node in _objects(config):
        kinds = _arguments(name, node)
        _check(node, f"{name}.", kinds, f"of {node._target_}, which takes {', '.join(kinds)}")
    for optimizer in ("generator_optimizer", "discriminator_optimizer"):
        _try(f"model.{optimizer}", config.model[optimizer])
    OmegaConf.to_container(config, resolve=True)  # what refers to nothing is named


def _check(node: DictConfig, prefix: str, kinds: Mapping[str, Any], where: str) -> None:
    """The keys of a mapping and their values, those of references to other keys included."""
    for key in (str(key) for key in node if key not in _OF_HYDRA):
        if key not in kinds:
            near = get_close_matches(key, list(kinds), n=1)
            suggestion = (
                f"; did you mean {prefix}{near[0]}?" if near else f"; leave it out (~{prefix}{key} if a preset has it)"
            )
            raise ValueError(f"{prefix}{key} is not a key {where}{suggestion}")
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
    """Whether the class that is named, or the one that a function is annotated with, is one that the argument takes."""
    if typing.get_origin(kind) is Callable:  # whose arguments and result are no classes of it
        return
    target = _located(name, node._target_)
    made: Any = target if inspect.isclass(target) else _annotations(target).get("return")
    classes = tuple(part for part in (kind, *typing.get_args(kind)) if inspect.isclass(part) and part is not type(None))
    if inspect.isclass(made) and classes and not node.get("_partial_") and not issubclass(made, classes):
        raise ValueError(f"{name} must be {describe_type(kind)}, got _target_={node._target_}")


def _try(name: str, optimizer: DictConfig) -> None:
    """Make an optimiser, which alone knows its ranges, for a number."""
    try:
        instantiate(optimizer, _convert_="all")([nn.Parameter(torch.zeros(1))])
    except CONFIGURATION_ERRORS as error:
        raise ValueError(f"{name}: {explain(error)}") from None


def _plain(value: Any) -> Any:
    """Without OmegaConf's types; what Hydra makes is not looked into."""
    if isinstance(value, DictConfig) and "_target_" in value:
        return {"_target_": value._target_}
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _objects(config: DictConfig, prefix: str = "") -> Iterator[tuple[str, DictConfig]]:
    """Every mapping with a ``_target_`` and its place, the outer ones first."""
    for key in map(str, config):
        node = config._get_node(key)
        if isinstance(node, DictConfig) and not node._is_none() and not node._is_interpolation():
            if "_target_" in node:
                yield f"{prefix}{key}", node
            yield from _objects(node, f"{prefix}{key}.")


def _arguments(name: str, node: DictConfig) -> dict[str, Any]:
    """The types of the arguments of what a node makes; all keys if it takes any."""
    made = _located(name, node._target_)
    try:
        parameters = inspect.signature(made).parameters
    except ValueError:  # of some that are written in C
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
    except (NameError, TypeError, AttributeError):  # of names that are imported for type checkers alone
        return {}
