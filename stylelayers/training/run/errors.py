"""Configuration errors in one line that says what to change."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ..distributed import PreflightError
from .trainer_arguments import REFUSED

__all__ = ["CONFIGURATION_ERRORS", "PreflightError", "came_from", "explain", "explain_process", "keys_of"]

_EXTRAS = {"optuna": "sweep", "joblib": "sweep", "submitit": "slurm"}  # by the plugin's name


CONFIGURATION_ERRORS = (ValueError, TypeError, HydraException, OmegaConfBaseException)


def explain(error: BaseException, known_keys: Mapping[str, Sequence[str]] | None = None) -> str:
    """What went wrong, in one line.

    Args:
        error: one of `CONFIGURATION_ERRORS`; of an object that Hydra could not build, the reason is told.
        known_keys: dotted keys, of which the nearest to a misspelt one is suggested; each with the options of groups
            that bring it, none where it is there without.
    """
    if isinstance(error, ConnectionError):  # of the pipe to a process that was killed while it sent an image
        return f"a DataLoader worker, one of data.num_workers, ended without a word: {error}"
    where = re.search(r"full_key: (\S+)", str(error))
    text = _told(_reason(error))
    misspelt = re.search(r"Could not override '([^']+)'", text)
    if misspelt:
        return _unknown_key(misspelt.group(1), known_keys or {})
    plugin = re.search(r"Could not (?:find|load) '(hydra/(?:sweeper|launcher))/(\w+)", text)
    if plugin and (extra := _EXTRAS.get(plugin[2].partition("_")[0])):
        return f"{plugin[1]}={plugin[2]} needs a plugin of Hydra: pip install 'stylelayers[{extra}]'"
    if where and isinstance(error, InstantiationException) and not text.startswith(where.group(1).split(".")[0]):
        text += f" (configuration: {where.group(1)})"
    return text


def explain_process(error: BaseException) -> str:
    """What another process raised, by its traceback as text: the message of an error of ours, all of the text else."""
    text = str(error).strip()
    *_, last = text.splitlines()
    known = re.match(r"stylelayers\.training\.\w+\.\w+: (.*)", last)
    return known.group(1) if known else text


def came_from(error: BaseException) -> str | None:
    """Who raised an error outside of a run: ``"hydra"``, or the module of a sweeper for it; None for all others."""
    names = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    if names and names[-1].partition(".")[0] in ("hydra", "omegaconf"):
        return "hydra"
    plugins = [index for index, name in enumerate(names) if name.startswith("hydra_plugins.")]
    inner = names[plugins[-1] :] if plugins else []
    if not inner or "sweeper" not in inner[0] or {"__main__", "train"} & set(inner):
        return None
    return str(inner[0].split(".")[1])


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


def _told(error: BaseException) -> str:
    """The message in one line, with that of the error behind it where Hydra tells no more than the override."""
    text = " ".join(str(error).split()).partition(" Config search path:")[0]
    override = re.fullmatch(r"Error merging override \+*(.*)", text)
    return f"{override[1]}: {_told(error.__cause__)}" if override and error.__cause__ is not None else text


def _unknown_key(key: str, known_keys: Mapping[str, Sequence[str]]) -> str:
    if known_keys.get(key):
        return f"{key} is a key of {' and of '.join(known_keys[key])} alone; choose {known_keys[key][0]}"
    group, _, name = key.partition(".")
    if group == "trainer" and name in REFUSED:
        return f"{key} {REFUSED[name]}"
    near = get_close_matches(key, [known for known in known_keys if not key.startswith(f"{known}.")], n=1)
    of = f" of {' or '.join(known_keys[near[0]])}" if near and known_keys[near[0]] else ""
    suggestion = f"did you mean {near[0]}{of}? " if near else ""
    return f"{key} is not a key of the configuration; {suggestion}python train.py --help lists all"
