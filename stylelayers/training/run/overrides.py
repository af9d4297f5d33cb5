"""Values and networks as overrides of a command line."""

from typing import Any

from ..saved_state import NetworkArguments, differing

_OF_DATA = {"resolution": "data.resolution", "image_channels": "data.image_channels"}
_FOLLOWING = ("channel_base", "channel_max")  # the discriminator's are the generator's unless they are set


def as_override(value: Any) -> str:
    """A value as Hydra reads it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(as_override, value))}]"
    return str(value)


def overrides(there: NetworkArguments, here: NetworkArguments) -> str:
    """The overrides that give a run with networks `here` the networks `there`; empty where all is the same."""
    found, of_data = dict[str, None](), ""
    for network, name in differing(there, here):
        value, own = there[network][name], here[network][name]
        if name == "num_labels":
            of_data = f" (data with {value} classes)" if value else ""
            if bool(value) != bool(own):
                found[f"data.labels={'classes' if value else 'none'}"] = None
        elif network == "generator" or name not in _FOLLOWING or value != there.get("generator", {}).get(name):
            is_square = name == "resolution" and not isinstance(value, int) and value[0] == value[1]
            shown = as_override(value[0] if is_square else value)
            found[f"{_OF_DATA.get(name, f'model.{network}.{name}')}={shown}"] = None
    return (" ".join(found) + of_data).strip()
