"""How the networks of a file differ from those of a configuration, in overrides that would make them alike."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..checkpoints import arguments_of

if TYPE_CHECKING:
    from .gan import GAN

__all__ = ["MEANING", "NetworkArguments", "differing", "network_arguments", "overrides"]

NetworkArguments = Mapping[str, Mapping[str, Any]]  # of the constructors of ``generator`` and ``discriminator``

MEANING = (  # of the tensors: with another value they are another network's, whatever their shapes
    *("architecture", "activation", "padding_mode", "resample_method", "resample_filter", "normalize_style"),
    "mapping_lr_multiplier",
)
_OF_DATA = {"resolution": "data.resolution", "image_channels": "data.image_channels"}
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
    found, of_data = dict[str, None](), ""
    for network, name in differing(there, here):
        value, own = there[network][name], here[network][name]
        if name == "num_labels":
            of_data = f" (data with {value} classes)" if value else ""
            if bool(value) != bool(own):
                found[f"data.labels={_text(bool(value))}"] = None
        elif network == "generator" or name not in _FOLLOWING or value != there.get("generator", {}).get(name):
            found[f"{_OF_DATA.get(name, f'model.{network}.{name}')}={_text(value)}"] = None
    return (" ".join(found) + of_data).strip()


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    """As Hydra reads it; a square is one number."""
    value = _plain(value)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
