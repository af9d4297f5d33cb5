"""How the networks of a file differ from those of a configuration, in overrides that would make them alike."""

from __future__ import annotations

import json
from typing import Any

from ..network_arguments import NetworkArguments, differing, plain

__all__ = ["overrides"]

_OF_DATA = {"resolution": "data.resolution", "image_channels": "data.image_channels"}
_FOLLOWING = ("channel_base", "channel_max")  # the discriminator's are the generator's unless they are set


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


def _text(value: Any) -> str:
    """As Hydra reads it; a square is one number."""
    value = plain(value)
    if isinstance(value, list) and len(value) == 2 and value[0] == value[1]:
        value = value[0]
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
