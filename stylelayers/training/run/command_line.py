"""The command line of a training in Hydra's grammar, and Hydra's refusals in one line."""

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from platform import python_version
from typing import Any, cast

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from .configurations import CONFIG_NAME
from .errors import came_from, explain
from .keys import keys_of
from .program import program_name


def quoted(text: str) -> str:
    """A value, in quotes if Hydra's grammar would not read it as it is.

    Example:
        >>> print(quoted("runs/a"), quoted("my [new] pictures"))
        runs/a 'my [new] pictures'
    """
    if re.fullmatch(r"(?!(?i:null|true|false|inf|nan)$)[A-Za-z_./][A-Za-z0-9_./-]*", text):
        return text
    escaped = re.sub(r"(\\+)('|$)", r"\1\1\2", text).replace("'", "\\'")
    escaped = re.sub(r"(\\*)\$\{", r"\1\1\\${", escaped)
    return f"'{escaped}'"


def at_home(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``~`` at the start of a value, or of each value of a sweep, as the home folder.

    A shell replaces it at the start of a word alone.
    """
    return [
        f"{key}={','.join(quoted(os.path.expanduser(path)) for path in re.split(',(?=~/)', value))}"
        if re.match(r"~(/|$)", value)
        else f"{key}{equal}{value}"
        for key, equal, value in (argument.partition("=") for argument in arguments)
    ]


def unreadable(arguments: Sequence[str]) -> str | None:
    """A line that shows how to type the first override that Hydra's grammar cannot read; None if it reads all.

    Example:
        >>> print(unreadable(["seed=1", "resume=runs/a (1)"]))
        resume=runs/a (1) is not in Hydra's grammar: quote the value, and all for the shell: "resume='runs/a (1)'"
    """
    for argument in arguments:
        key, equal, value = argument.partition("=")
        if not argument.startswith("-") and equal and not _reads(argument):
            form = f"{key}={quoted(value)}"
            if _reads(form):
                return (
                    f"{argument} is not in Hydra's grammar: quote the value, and all for the shell: {_for_shell(form)}"
                )
    return None


def typed_overrides(config: Any, group: str = "task") -> list[str]:
    """The overrides of a command line as they were typed, without following ``${...}``.

    Args:
        config: Hydra's own part of the configuration.
        group: ``"task"``, or ``"hydra"`` for Hydra's own.
    """
    return cast(list[str], OmegaConf.to_container(config.overrides, resolve=False)[group])  # type: ignore[call-overload, index]


def typed_options(config: Any) -> list[str]:
    """The options of a command line that say where configurations are, for a command line that finds them again.

    Args:
        config: Hydra's own part of the configuration.
    """
    folders = (source.path for source in config.runtime.config_sources if source.provider == "command-line")
    options = [f"--config-dir={os.path.relpath(folder)}" for folder in folders]
    options += [f"--config-name={config.job.config_name}"] if config.job.config_name != CONFIG_NAME else []
    return options + [text for text in typed_overrides(config, "hydra") if text.startswith("hydra.searchpath=")]


def check_preset(config: Any) -> None:
    """Raise a ValueError for a preset of the command line that does not exist: the data's own is optional to Hydra.

    Args:
        config: Hydra's own part of the configuration.
    """
    given = (override.partition("=") for override in typed_overrides(config))
    names = [name for key, _, name in given if key == "preset"]
    folders = [Path(source.path, "preset") for source in config.runtime.config_sources if source.schema == "file"]
    known = sorted(path.stem for folder in folders for path in folder.glob("*.yaml"))
    if names and names[-1] not in known:
        raise ValueError(f"preset must be one of {', '.join(known)}, got {names[-1]}; ~preset for the published values")


def refusal(error: Exception, arguments: Sequence[str], configs: str) -> str | None:
    """One line for an error of Hydra or of a sweeper outside of the run itself; None for any other error.

    Args:
        error: raised by Hydra's main function.
        arguments: the command line.
        configs: the folder of configurations.
    """
    text, source = " ".join(str(error).split()), came_from(error)
    if text == "badly formed help string":  # argparse of Python 3.14, of the text of --shell-completion
        return f"hydra-core {hydra.__version__} does not start on Python {python_version()}: use Python 3.13 or older"
    if source == "hydra" or isinstance(error, (HydraException, OmegaConfBaseException)):
        misspelt = re.search(r"Could not override '(\w+)", text)
        line = unreadable(arguments) or _no_option(arguments, configs)
        return line or explain(error, known_keys=_known_keys(misspelt[1], configs) if misspelt else {})
    return source and f"{source} failed ({type(error).__name__}: {text}); hydra.sweeper.* are its settings"


def one_line(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: object = None) -> str:
    """A warning without its line of code, as ``warnings.formatwarning``."""
    return f"{program_name()}: warning: {message}\n"


def _no_option(arguments: Sequence[str], configs: str) -> str | None:
    """A line that lists the options of a group that is given something else than a name: a number, a mapping."""
    for key, _, value in (argument.lstrip("+").partition("=") for argument in arguments):
        options = sorted(path.stem for path in Path(configs, key).glob("*.yaml")) if key else []
        chosen = OverridesParser.create().parse_override(f"{key}={value}").value() if options else ""
        if not all(isinstance(name, str) for name in (chosen if isinstance(chosen, list) else [chosen])):
            return f"{key} must be one of {', '.join(options)}, got {value}"
    return None


def _known_keys(group: str, configs: str) -> dict[str, list[str]]:
    """All keys; those that only some options of the group have, with these options."""
    with hydra.initialize_config_dir(configs, version_base="1.3"):
        known: dict[str, list[str]] = {key: [] for key in keys_of(hydra.compose(CONFIG_NAME))}
        usual = set(known)
        for path in sorted(Path(configs, group).glob("*.yaml")):
            option = f"{group}={path.stem}"
            for key in set(keys_of(hydra.compose(CONFIG_NAME, [option]))) - usual:
                known.setdefault(key, []).append(option)
    return known


def _for_shell(text: str) -> str:
    return f'"{text}"' if not re.search(r'["$`\\!]', text) else shlex.quote(text)


def _reads(argument: str) -> bool:
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True
