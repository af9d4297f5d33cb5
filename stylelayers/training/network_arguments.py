"""Constructor arguments of a model's networks, and the differences between two models."""

from collections.abc import Mapping
from typing import Any

from ..checkpoints import arguments_of
from ..models import Discriminator, Generator

NetworkArguments = Mapping[str, Mapping[str, Any]]  # of the constructors of ``generator`` and ``discriminator``

MEANING = (  # arguments that change what the weights mean, whatever their shapes
    *("architecture", "activation", "padding_mode", "resample_method", "resample_filter", "normalize_style"),
    "mapping_lr_multiplier",
)


def network_arguments(generator: Generator, discriminator: Discriminator) -> dict[str, dict[str, Any]]:
    """The arguments of both networks, as a checkpoint stores them."""
    return {"generator": arguments_of(generator), "discriminator": arguments_of(discriminator)}


def differing(there: NetworkArguments, here: NetworkArguments) -> list[tuple[str, str]]:
    """``(network, argument)`` of each argument that both have, with different values."""
    return [
        (network, name)
        for network in there
        for name, value in there[network].items()
        if name in here.get(network, {}) and plain(value) != plain(here[network][name])
    ]


def plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
