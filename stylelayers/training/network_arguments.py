"""The constructors' arguments of a model's networks, and how those of two models differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..checkpoints import arguments_of
from ..models import Discriminator, Generator

__all__ = ["MEANING", "NetworkArguments", "differing", "network_arguments", "plain"]

NetworkArguments = Mapping[str, Mapping[str, Any]]  # of the constructors of ``generator`` and ``discriminator``

MEANING = (  # of the tensors: with another value they are another network's, whatever their shapes
    *("architecture", "activation", "padding_mode", "resample_method", "resample_filter", "normalize_style"),
    "mapping_lr_multiplier",
)


def network_arguments(generator: Generator, discriminator: Discriminator) -> dict[str, dict[str, Any]]:
    """Of two networks, as a checkpoint has them."""
    return {"generator": arguments_of(generator), "discriminator": arguments_of(discriminator)}


def differing(there: NetworkArguments, here: NetworkArguments) -> list[tuple[str, str]]:
    """``(network, argument)`` of each argument that both know and that is not the same."""
    return [
        (network, name)
        for network in there
        for name, value in there[network].items()
        if name in here.get(network, {}) and plain(value) != plain(here[network][name])
    ]


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
