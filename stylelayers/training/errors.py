"""Configuration errors in one line that says what to change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

__all__ = ["CONFIGURATION_ERRORS", "PreflightError", "explain", "explain_process", "keys_of"]


class PreflightError(ValueError):
    """A run that cannot work, found before its first step."""


CONFIGURATION_ERRORS = (ValueError, TypeError, HydraException, OmegaConfBaseException)


def explain(error: BaseException, known_keys: Iterable[str] = ()) -> str:
    """What went wrong, in one line.

    Args:
        error: one of `CONFIGURATION_ERRORS`; of an object that Hydra could not build, the reason is told.
        known_keys: dotted keys, of which the nearest to a misspelt one is suggested.
    """
    where = re.search(r"full_key: (\S+)", str(error))
    reason = _reason(error)
    text = " ".join(str(reason).split())
    misspelt = re.search(r"Could not override '([^']+)'", text)
    if misspelt:
        return _unknown_key(misspelt.group(1), known_keys)
    if where and isinstance(error, InstantiationException) and not text.startswith(where.group(1).split(".")[0]):
        text += f" (configuration: {where.group(1)})"
    return text


def explain_process(error: BaseException) -> str:
    """What another process raised, by its traceback as text: the message of an error of ours, all of the text else."""
    text = str(error).strip()
    *_, last = text.splitlines()
    known = re.match(r"stylelayers\.training\.\w+\.\w+: (.*)", last)
    return known.group(1) if known else text


def keys_of(config: DictConfig, prefix: str = "") -> Iterator[str]:
    """Dotted keys of every value of a configuration."""
    for key in map(str, config):
        value = config._get_node(key)
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_interpolation():
            yield from keys_of(value, f"{prefix}{key}.")
        yield f"{prefix}{key}"


def _reason(error: BaseException) -> BaseException:
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _unknown_key(key: str, known_keys: Iterable[str]) -> str:
    near = get_close_matches(key, list(known_keys), n=1)
    suggestion = f"did you mean {near[0]}? " if near else ""
    return f"{key} is not a key of the configuration; {suggestion}python train.py --help lists all"
