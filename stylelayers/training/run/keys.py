"""Keys of a configuration: all places, the nearest to a misspelt name, and errors of objects by their keys."""

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import cast

from omegaconf import DictConfig


def keys_of(config: DictConfig) -> Iterator[str]:
    """Every dotted key of a configuration, outer ones first; references are not followed."""
    return (key for key, _ in _walk(config))


def objects_of(config: DictConfig) -> Iterator[tuple[str, DictConfig]]:
    """Every mapping with a ``_target_`` and its dotted key, outer ones first."""
    return ((key, node) for key, node in _walk(config) if node is not None and "_target_" in node)


def did_you_mean(name: str, known: Iterable[str] | Mapping[str, str]) -> str:
    """``did you mean X?`` with the known name that is nearest to `name`; empty if none is near.

    Args:
        name: misspelt.
        known: names, or what to show for each of them.

    Example:
        >>> did_you_mean("r1_gama", ["r1_gamma", "r2_gamma"]), did_you_mean("x", ["r1_gamma"])
        ('did you mean r1_gamma?', '')
    """
    near = get_close_matches(name, list(known), n=1)
    return f"did you mean {known[near[0]] if isinstance(known, Mapping) else near[0]}?" if near else ""


def with_keys(text: str, config: DictConfig, at: str | None = None) -> str:
    """An object's error ``Name: argument must ...`` as ``key.argument must ...``; other texts as they are.

    Args:
        text: a message, which begins with the name of a class or function.
        config: of the run; its one node with a ``_target_`` of this name gives the key.
        at: key of the node that was being built, which settles which of several nodes of the name is meant.

    Example:
        >>> from omegaconf import OmegaConf
        >>> with_keys("Blur: size must be odd, got 2", OmegaConf.create({"blur": {"_target_": "layers.Blur"}}))
        'blur.size must be odd, got 2'
    """
    match = re.match(r"(\w+): (\w+)(?=(?: and \w+)* (?:must|needs|has|is)\b|=)", text)
    if match is None:
        return text
    objects = dict(objects_of(config))
    found = [key for key, node in objects.items() if str(node._target_).endswith(f".{match[1]}")]
    if at is not None and (at in found or match[2] in objects.get(at, {})):  # or of a part of it
        found = [at]
    return f"{found[0]}.{text[match.start(2) :]}" if len(found) == 1 else text


def _walk(config: DictConfig, prefix: str = "") -> Iterator[tuple[str, DictConfig | None]]:
    """Every dotted key, with its node if that is a mapping of its own."""
    for name in map(str, config):
        node = config._get_node(name)
        is_mapping = isinstance(node, DictConfig) and not node._is_none() and not node._is_interpolation()
        yield f"{prefix}{name}", cast(DictConfig, node) if is_mapping else None
        if is_mapping:
            yield from _walk(cast(DictConfig, node), f"{prefix}{name}.")
