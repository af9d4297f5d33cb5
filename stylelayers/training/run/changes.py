"""Settings of a resumed run that differ from its last start, whose ``config.yaml`` is in the run's folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ...checkpoints.run_configuration import CONFIGURATION, read_configuration
from .early_names import with_names_of_today
from .overrides import as_override

_NO_SETTINGS = (  # of a start, or said by others
    *("resume", "logger.wandb.resume", "logger.mlflow.resume"),
    *("output", "keep_freed_memory", "callbacks.preflight.preset"),
)
_PRESET = "preset."  # its values are those of other keys
_NO_EFFECT = {  # on a resumed run
    "seed": "random numbers and the order of images go on from the checkpoint",
    "augment.p": "it goes on from the checkpoint; augment.target=null fixes it",
    "initialize_from": "the networks are the checkpoint's",
    "initialize_strict": "the networks are the checkpoint's",
}


def changed_settings(cfg: DictConfig, checkpoint: Path) -> list[str]:
    """A line for each key whose value is not that of the last start of the checkpoint's run: old → new.

    A key that takes its value from another one is left out if that one changed alike.
    """
    file = checkpoint.absolute().parent.parent / CONFIGURATION
    before, now = _earlier(file), dict(dotted(OmegaConf.to_container(cfg, resolve=True)))
    if before is None:
        return [f"resume: there is no readable {file} of the run's last start; what has changed is not known"]
    changed = {
        key: (before.get(key), now.get(key))
        for key in sorted(before.keys() | now.keys())
        if not (key in _NO_SETTINGS or key.startswith(_PRESET)) and _moved(before.get(key), before, now) != now.get(key)
    }
    sources = {(key.rpartition(".")[2], str(values)) for key, values in changed.items() if not _follows(cfg, key)}
    return [
        f"{key}: {as_override(old)} → {as_override(new)}{_remark(key, old, cfg)}"
        for key, (old, new) in changed.items()
        if not _follows(cfg, key) or (key.rpartition(".")[2], str((old, new))) not in sources
    ]


def _earlier(file: Path) -> dict[str, Any] | None:
    """The values of a configuration file, under today's names; None if it cannot be read."""
    try:
        return with_names_of_today(dict(dotted(read_configuration(file))))
    except (OSError, ValueError):
        return None


def _moved(value: Any, before: dict[str, Any], now: dict[str, Any]) -> Any:
    """A path below the earlier output folder as one below today's."""
    earlier, today = before.get("output"), now.get("output")
    if not (isinstance(earlier, str) and isinstance(today, str) and isinstance(value, str)) or not earlier:
        return value
    return value.replace(earlier, today)


def dotted(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and plain values of nested mappings; a list is one value."""
    for name, value in node.items():
        if isinstance(value, dict):
            yield from dotted(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _follows(cfg: DictConfig, key: str) -> bool:
    """Whether the key, or a group above it, refers to another key; the preset's are no settings of their own."""
    node: Any = cfg
    for name in key.split("."):
        if not isinstance(node, DictConfig) or name not in node:
            return False
        if OmegaConf.is_interpolation(node, name):
            return not str(node._get_node(name)._value()).startswith(f"${{{_PRESET}")  # type: ignore[union-attr]
        node = node._get_node(name)
    return False


def _remark(key: str, old: Any, cfg: DictConfig) -> str:
    starts = key == "augment.p" and (old is None or OmegaConf.select(cfg, "augment.target") is None)
    return f" (no effect: {_NO_EFFECT[key]})" if key in _NO_EFFECT and not starts else ""
