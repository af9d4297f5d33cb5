"""Arguments of train.py as Hydra's grammar takes them."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

__all__ = ["at_home", "quoted", "unreadable"]


def quoted(text: str) -> str:
    """A value in quotes if it holds what Hydra's grammar gives a meaning or does not know.

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
    """The arguments with ``~`` at the start of a value as the home folder, which no shell has put there.

    Example:
        >>> at_home(["data=digits", "data.root=~/pictures"])[1].startswith("data.root=/")
        True
    """
    return [
        f"{key}={quoted(os.path.expanduser(value))}" if re.match(r"~(/|$)", value) else f"{key}{equal}{value}"
        for key, equal, value in (argument.partition("=") for argument in arguments)
    ]


def unreadable(arguments: Sequence[str]) -> str | None:
    """What to type for the first override that Hydra's grammar cannot read; None if it reads all.

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


def _for_shell(text: str) -> str:
    return f'"{text}"' if not re.search(r'["$`\\!]', text) else shlex.quote(text)


def _reads(argument: str) -> bool:
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True
