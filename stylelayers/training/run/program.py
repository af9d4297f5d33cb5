"""The program that the user typed, for texts that name it: ``train.py`` or the command ``stylelayers train``.

An environment variable holds it, which all processes of a run and of a sweep inherit.
"""

import os

SCRIPT = "train.py"
_VARIABLE = "STYLELAYERS_PROGRAM"


def called_as(program: str) -> None:
    """Say what the user typed, for this process and those that it starts."""
    os.environ[_VARIABLE] = program


def program_name() -> str:
    """What error lines begin with."""
    return os.environ.get(_VARIABLE, SCRIPT)


def program_command() -> str:
    """What a shell calls: ``python train.py`` or ``stylelayers train``."""
    name = program_name()
    return f"python {name}" if name == SCRIPT else name
