"""Optimizers of networks with lazy penalties, and which parameters they train."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]


def lazy_optimizer(optimizer: OptimizerFactory, interval: float | None) -> OptimizerFactory:
    """Correct a partial optimizer for one step of penalties in every `interval` iterations.

    With ``c = interval / (interval + 1)`` the learning rate becomes ``lr * c`` and each beta ``beta ** c``, so that
    the further steps change neither the speed nor the memory of the optimizer (arXiv:1912.04958, appendix B).

    Args:
        optimizer: makes an optimizer from parameters; a ``functools.partial`` with ``lr`` if there is an interval.
        interval: iterations from one step of penalties to the next, on average; None without penalties.

    Returns:
        A partial of the optimizer with the corrected rate and betas.

    Raises:
        ValueError: an interval for an optimizer that is no partial with ``lr``.

    Example:
        >>> from functools import partial
        >>> import torch
        >>> from stylelayers.training import lazy_optimizer
        >>> lazy_optimizer(partial(torch.optim.Adam, lr=0.002), interval=4).keywords["lr"]
        0.0016
    """
    settings = getattr(optimizer, "keywords", {})
    changed: dict[str, Any] = {}
    c = lazy_factor(interval)
    if "betas" in settings:
        changed["betas"] = tuple(float(beta) ** c for beta in settings["betas"])
    if interval is not None:
        if "lr" not in settings:
            raise ValueError("lazy_optimizer: optimizer must be a functools.partial with lr, got one without")
        changed["lr"] = settings["lr"] * c
    return partial(optimizer, **changed)


def lazy_factor(interval: float | None) -> float:
    """``c`` of :func:`lazy_optimizer`, 1 without an interval."""
    return 1.0 if interval is None else interval / (interval + 1)


def keep_own_settings(optimizer: Optimizer) -> Optimizer:
    """Have an optimizer load state from a state dict, but keep the arguments of its constructor."""
    optimizer.register_load_state_dict_pre_hook(_with_own_settings)
    return optimizer


def _with_own_settings(optimizer: Optimizer, saved: dict[str, Any]) -> dict[str, Any]:
    """Groups also hold state, which is loaded: some optimizers keep an estimated step size there."""
    constructors = (vars(kind).get("__init__") for kind in type(optimizer).__mro__)
    signatures = [inspect.signature(constructor) for constructor in constructors if inspect.isfunction(constructor)]
    arguments = {name for signature in signatures for name in signature.parameters} - {"params"}
    groups = [
        {**theirs, **{name: value for name, value in ours.items() if name in arguments}}
        for ours, theirs in zip(optimizer.param_groups, saved["param_groups"], strict=True)
    ]
    return {**saved, "param_groups": groups}


def clip_gradients(optimizer: Optimizer, max_norm: float, *, scale: float = 1.0) -> Tensor:
    """Shorten the gradient of all parameters of an optimizer, taken as one vector, to a norm of `max_norm`.

    Args:
        max_norm: above 0.
        scale: by which all gradients are multiplied, as a gradient scaler has it.

    Returns:
        The norm before, without the scale; in float32, or float64 for gradients of it.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    norms = [torch.linalg.vector_norm(p.grad, dtype=torch.promote_types(p.dtype, torch.float32)) for p in parameters]
    norm = torch.linalg.vector_norm(torch.stack(norms))
    torch.nn.utils.clip_grads_with_norm_(parameters, max_norm * scale, norm)
    return norm / scale


@contextmanager
def without_gradients(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Set ``requires_grad=False`` inside the block: gradients flow through the parameters' layers, not into them."""
    parameters = list(parameters)
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def freeze_parameters(model: nn.Module, prefixes: Iterable[str]) -> frozenset[str]:
    """Freeze the parameters below `prefixes`, and return the names of all that require no gradient.

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
            raise ValueError(f"GAN: freeze must hold names such as generator.mapping or {example}, got {prefix!r}")
        for parameter in below:
            parameter.requires_grad_(False)
    frozen = frozenset(name for name, parameter in named.items() if not parameter.requires_grad)
    for network in ("generator", "discriminator"):
        if all(name in frozen for name in named if name.startswith(network)):
            raise ValueError(f"GAN: freeze must leave something to train in the {network}, got all of it")
    return frozen
