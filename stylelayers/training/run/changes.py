"""What a resumed run is told otherwise than at its last start, of which its ``config.yaml`` is left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ...checkpoints.run_configuration import CONFIGURATION, read_configuration

__all__ = ["changed_settings"]

_OF_A_START = ("resume", "output")  # of each its own
_TAKEN_UP = {  # what only the beginning of a training looks at
    "seed": "random numbers and the order of images go on from the checkpoint",
    "augment.p": "it goes on from the checkpoint; augment.target=null fixes it",
    "initialize_from": "the networks are the checkpoint's",
    "initialize_strict": "the networks are the checkpoint's",
}


def changed_settings(cfg: DictConfig, checkpoint: Path) -> list[str]:
    """A line for each key whose value is not that of the last start of the checkpoint's run: old → new.

    A key that takes its value from another one is left out where that one says the same.
    """
    file = checkpoint.absolute().parent.parent / CONFIGURATION
    before, now = _earlier(file), dict(_values(OmegaConf.to_container(cfg, resolve=True)))
    if before is None:
        return [f"resume: there is no readable {file} of the run's last start; what has changed is not known"]
    changed = {
        key: (before.get(key), now.get(key))
        for key in sorted(before.keys() | now.keys())
        if key not in _OF_A_START and _moved(before.get(key), before, now) != now.get(key)
    }
    sources = {(key.rpartition(".")[2], str(values)) for key, values in changed.items() if not _follows(cfg, key)}
    return [
        f"{key}: {_text(old)} → {_text(new)}{_remark(key, old, cfg)}"
        for key, (old, new) in changed.items()
        if not _follows(cfg, key) or (key.rpartition(".")[2], str((old, new))) not in sources
    ]


def _earlier(file: Path) -> dict[str, Any] | None:
    """The values of a configuration file, of which nothing is built or resolved; None without a readable one."""
    try:
        return dict(_values(read_configuration(file)))
    except (OSError, ValueError):
        return None


def _moved(value: Any, before: dict[str, Any], now: dict[str, Any]) -> Any:
    """A path below the earlier output folder as one below today's."""
    earlier, today = before.get("output"), now.get("output")
    if not (isinstance(earlier, str) and isinstance(today, str) and isinstance(value, str)) or not earlier:
        return value
    return value.replace(earlier, today)


def _values(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and plain values; a list is one value."""
    for name, value in node.items():
        if isinstance(value, dict):
            yield from _values(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _follows(cfg: DictConfig, key: str) -> bool:
    """Whether the key, or a group above it, is taken from another place of the configuration."""
    node: Any = cfg
    for name in key.split("."):
        if not isinstance(node, DictConfig) or name not in node:
            return False
        if OmegaConf.is_interpolation(node, name):
            return True
        node = node._get_node(name)
    return False


def _remark(key: str, old: Any, cfg: DictConfig) -> str:
    starts = key == "augment.p" and (old is None or OmegaConf.select(cfg, "augment.target") is None)
    return f" (no effect: {_TAKEN_UP[key]})" if key in _TAKEN_UP and not starts else ""


def _text(value: Any) -> str:
    return "null" if value is None else str(value)
