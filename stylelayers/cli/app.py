"""The commands together, and the one line that tells what is wrong.

A command is a module with a function of the module's name, whose docstring is its help, and `EXAMPLES`: command
lines that a test runs. To add one, add it to `COMMANDS`.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

import typer
from typer.core import TyperGroup

from . import convert, demo, directions, export, generate, info, interpolate, metrics, mix, project

__all__ = ["COMMANDS", "app"]

COMMANDS = (generate, interpolate, mix, project, directions, demo, metrics, info, convert, export)
_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]  # typer gives the class no public name
_WRONG_ARGUMENTS, _FAILED = 2, 1


class OneLineErrors(TyperGroup):
    """Errors as one line on stderr: exit code 2 for wrong arguments (ValueError), 1 for anything else that failed."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        call = partial(super().main, *arguments, **{**options, "standalone_mode": False})
        if not options.get("standalone_mode", True):
            return call()
        try:
            code = call()
        except _USAGE_ERROR as error:
            _end(error.format_message(), _WRONG_ARGUMENTS)  # type: ignore[attr-defined]
        except ValueError as error:
            _end(str(error), _WRONG_ARGUMENTS)
        except (OSError, RuntimeError, MemoryError) as error:
            _end(str(error) or type(error).__name__, _FAILED)
        sys.exit(code if isinstance(code, int) else 0)


def _end(message: str, code: int) -> None:
    print("stylelayers: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(code)


app = typer.Typer(
    cls=OneLineErrors,
    help="Pictures from trained generators.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _root() -> None:
    """Pictures from trained generators."""


for _module in COMMANDS:
    _name = _module.__name__.rpartition(".")[2]
    _examples = "\b\nExamples:\n" + "\n".join("  " + line for line in _module.EXAMPLES.strip().splitlines())
    app.command(_name, epilog=_examples)(getattr(_module, _name))
