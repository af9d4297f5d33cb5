"""Errors of a configuration in one line that says what to change."""

import re
import traceback
from collections.abc import Mapping, Sequence

from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from .keys import did_you_mean, with_keys
from .program import program_command
from .trainer_arguments import REFUSED

CONFIGURATION_ERRORS = (ValueError, TypeError, HydraException, OmegaConfBaseException)

_EXTRAS = {"optuna": "sweep", "joblib": "sweep", "submitit": "slurm"}  # by the plugin's name


def explain(
    error: BaseException,
    config: DictConfig | None = None,
    *,
    known_keys: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """An error as one line that speaks of keys.

    Args:
        error: one of `CONFIGURATION_ERRORS`; of an object that Hydra could not build, the reason is told.
        config: of the run, for the keys of objects' arguments; None if there is none.
        known_keys: dotted keys, of which the nearest to a misspelt one is suggested; each with the options of groups
            that bring it, none if every configuration has it.
    """
    if isinstance(error, ConnectionError):  # of the pipe to a process that was killed while it sent an image
        return f"a DataLoader worker, one of data.num_workers, ended without a word: {error}"
    text = _message(_reason(error))
    if misspelt := re.search(r"Could not override '([^']+)'", text):
        return _unknown_key(misspelt[1], known_keys or {})
    plugin = re.search(r"Could not (?:find|load) '(hydra/(?:sweeper|launcher))/(\w+)", text)
    if plugin and (extra := _EXTRAS.get(plugin[2].partition("_")[0])):
        return f"{plugin[1]}={plugin[2]} needs a plugin of Hydra: pip install 'stylelayers[{extra}]'"
    if appended := re.match(r"([\w.]+)=(\S+): .*HydraConfig was not set", text):  # Hydra shows an item that is there
        return f"{appended[1]} is a key already: leave out the +: {appended[1]}={appended[2]}"
    where = re.search(r"full_key: (\S+)", str(error)) if isinstance(error, InstantiationException) else None
    told = text if config is None else with_keys(text, config, where and where[1])
    if where and told == text and not text.startswith(where[1].split(".")[0]):
        return f"{text} (configuration: {where[1]})"
    return told


def explain_process(error: BaseException, config: DictConfig | None = None) -> str:
    """The message of an error of ours that another process raised, from its traceback; else the whole traceback."""
    text = str(error).strip()
    ours = re.match(r"stylelayers\.[\w.]+: (.*)", text.splitlines()[-1])
    if ours is None:
        return text
    return ours[1] if config is None else with_keys(ours[1], config)


def came_from(error: BaseException) -> str | None:
    """``"hydra"`` or a sweeper's module for an error that they raised outside of a run; None for all others."""
    names = [frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(error.__traceback__)]
    if names and names[-1].partition(".")[0] in ("hydra", "omegaconf"):
        return "hydra"
    plugins = [index for index, name in enumerate(names) if name.startswith("hydra_plugins.")]
    inner = names[plugins[-1] :] if plugins else []
    if not inner or "sweeper" not in inner[0] or f"{__package__}.session" in inner:
        return None
    return str(inner[0].split(".")[1])


def _reason(error: BaseException) -> BaseException:
    while isinstance(error, InstantiationException) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _message(error: BaseException) -> str:
    """The message in one line; where Hydra tells no more than the override, with that of the error behind it."""
    text = " ".join(str(error).split()).partition(" Config search path:")[0]
    override = re.fullmatch(r"Error merging override \+*(.*)", text)
    return f"{override[1]}: {_message(error.__cause__)}" if override and error.__cause__ is not None else text


def _unknown_key(key: str, known_keys: Mapping[str, Sequence[str]]) -> str:
    if known_keys.get(key):
        return f"{key} is a key of {' and of '.join(known_keys[key])} alone; choose {' or '.join(known_keys[key])}"
    group, _, name = key.partition(".")
    if group == "trainer" and name in REFUSED:
        return f"{key} {REFUSED[name]}"
    shown = {
        known: f"{known} of {' or '.join(options)}" if options else known
        for known, options in known_keys.items()
        if not key.startswith(f"{known}.")
    }
    near = did_you_mean(key, shown)
    return f"{key} is not a key of the configuration; {near + ' ' if near else ''}{program_command()} --help lists all"
