"""Optimisers of networks whose penalties are steps of their own now and then."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.optim import Optimizer

from .steps import Penalty, lazy_intervals

__all__ = [
    "OptimizerFactory",
    "at_rest",
    "correction",
    "freeze",
    "keeping_settings",
    "lazy_optimizer",
    "mean_interval",
]

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]


def lazy_optimizer(optimizer: OptimizerFactory, interval: float | None) -> OptimizerFactory:
    """Correct a partial optimiser for one penalty step in every `interval` iterations.

    With ``c = interval / (interval + 1)`` the learning rate becomes ``lr * c`` and each beta ``beta ** c``, so that
    the further steps change neither the speed nor the memory of the optimiser (arXiv:1912.04958, appendix B).

    Raises:
        ValueError: an interval for an optimiser that is no partial with ``lr``.
    """
    settings = getattr(optimizer, "keywords", {})
    changed: dict[str, Any] = {}
    if "betas" in settings:
        changed["betas"] = tuple(float(beta) for beta in settings["betas"])
    if interval is not None:
        if "lr" not in settings:
            raise ValueError("lazy_optimizer: the optimiser must be a functools.partial with lr, got one without")
        c = correction(interval)
        changed["lr"] = settings["lr"] * c
        if "betas" in changed:
            changed["betas"] = tuple(beta**c for beta in changed["betas"])
    return partial(optimizer, **changed)


def correction(interval: float | None) -> float:
    """``c`` of :func:`lazy_optimizer`."""
    return 1.0 if interval is None else interval / (interval + 1)


def mean_interval(penalties: Iterable[Penalty]) -> float | None:
    """Iterations from one step of penalties to the next, of whichever; None if they have no steps of their own."""
    steps = sum(1 / interval for interval in lazy_intervals(penalties))
    return 1 / steps if steps else None


def keeping_settings(optimizer: Optimizer) -> Optimizer:
    """Have an optimiser take its state from a state dict, but no argument of its constructor: those stay its own."""
    optimizer.register_load_state_dict_pre_hook(_with_own_settings)
    return optimizer


def _with_own_settings(optimizer: Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """What else a group holds is state: some optimisers estimate their step size there."""
    constructors = (vars(kind).get("__init__") for kind in type(optimizer).__mro__)
    signatures = [inspect.signature(constructor) for constructor in constructors if inspect.isfunction(constructor)]
    arguments = {name for signature in signatures for name in signature.parameters} - {"params"}
    groups = [
        {**theirs, **{name: value for name, value in ours.items() if name in arguments}}
        for ours, theirs in zip(optimizer.param_groups, saved["param_groups"], strict=True)
    ]
    return {**saved, "param_groups": groups}


@contextmanager
def at_rest(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Gradients pass these parameters, which get none, until the end of the block."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


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
