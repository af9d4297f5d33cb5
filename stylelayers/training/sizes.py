"""How the networks of a file differ from those of a configuration, in overrides that would make them alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..checkpoints import arguments_of

if TYPE_CHECKING:
    from .gan import GAN

__all__ = ["NetworkArguments", "differing", "network_arguments", "overrides"]

NetworkArguments = Mapping[str, Mapping[str, Any]]  # of the constructors of ``generator`` and ``discriminator``

_OF_DATA = {"resolution": "data.resolution", "image_channels": "data.image_channels", "num_labels": "data.labels"}
_FOLLOWING = ("channel_base", "channel_max")  # the discriminator's are the generator's unless they are set


def network_arguments(model: GAN) -> dict[str, dict[str, Any]]:
    """Of the networks of a model, as a checkpoint has them."""
    return {"generator": arguments_of(model.generator), "discriminator": arguments_of(model.discriminator)}


def differing(there: NetworkArguments, here: NetworkArguments) -> list[tuple[str, str]]:
    """``(network, argument)`` of each argument that both know and that is not the same."""
    return [
        (network, name)
        for network in there
        for name, value in there[network].items()
        if name in here.get(network, {}) and _plain(value) != _plain(here[network][name])
    ]


def overrides(there: NetworkArguments, here: NetworkArguments) -> str:
    """What a command line of `here` must say to have the networks of `there`; empty where all is the same."""
    found: dict[str, str] = {}
    for network, name in differing(there, here):
        value = there[network][name]
        followed = network == "discriminator" and name in _FOLLOWING
        if name == "num_labels":
            found["data.labels"] = f"data.labels={'true' if value else 'false'}" + (
                f" ({value} classes)" if value else ""
            )
        elif not (followed and value == there["generator"].get(name)):
            key = _OF_DATA.get(name, f"model.{network}.{name}")
            found[key] = f"{key}={_text(value)}"
    return " ".join(found.values())


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    """As Hydra reads it; a square is one number."""
    value = _plain(value)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
