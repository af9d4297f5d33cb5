"""The application of all commands, and its one-line errors.

A command is a module with a function of the same name, whose docstring is the help text, and with `EXAMPLES`, command
lines that a test runs. A new command is added to `COMMANDS`. ``stylelayers train`` is none of them: Hydra reads its
arguments and shows its help.
"""

import sys
import warnings
from functools import partial
from typing import Annotated, Any

import torch

from .._extras import needs_extra
from .._version import __version__

with needs_extra(__name__, "cli"):
    import typer
    from typer.core import TyperGroup

    from . import (
        average,
        convert,
        demo,
        directions,
        env,
        export,
        generate,
        info,
        inspect,
        interpolate,
        metrics,
        mix,
        prepare,
        project,
        report,
        train,
    )
    from .support import as_one_line

COMMANDS = (
    generate,
    interpolate,
    mix,
    project,
    directions,
    average,
    metrics,
    report,
    demo,
    info,
    convert,
    export,
    inspect,
    prepare,
    env,
)
_USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]  # typer gives the class no public name
_WRONG_ARGUMENTS, _FAILED = 2, 1


class OneLineErrors(TyperGroup):
    """Print errors and warnings as one line on stderr; exit with 2 for wrong arguments (ValueError), else with 1."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        call = partial(super().main, *arguments, **{**options, "standalone_mode": False})
        if not options.get("standalone_mode", True):
            return call()
        try:
            with warnings.catch_warnings():
                warnings.showwarning = _print_warning  # type: ignore[assignment]
                code = call()
        except _USAGE_ERROR as error:
            _exit(error.format_message(), _WRONG_ARGUMENTS)  # type: ignore[attr-defined]
        except ValueError as error:
            _exit(str(error), _WRONG_ARGUMENTS)
        except (OSError, RuntimeError, MemoryError, ImportError) as error:
            _exit(str(error) or type(error).__name__, _FAILED)
        if callable(code):  # a program with errors, warnings and exit codes of its own
            code()
        sys.exit(code if isinstance(code, int) else 0)


def _exit(message: str, code: int) -> None:
    print("stylelayers: " + as_one_line(message), file=sys.stderr)
    sys.exit(code)


def _print_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning without its source line; skip warnings for programmers."""
    if not issubclass(category, (DeprecationWarning, FutureWarning)):
        print("stylelayers: warning: " + as_one_line(str(message)), file=sys.stderr)


def _show_version(is_given: bool) -> None:
    if is_given:
        typer.echo(f"stylelayers {__version__} (torch {torch.__version__})")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the versions and exit.")
]


app = typer.Typer(
    cls=OneLineErrors,
    help="Pictures from trained generators.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _root(context: typer.Context, version: Version = False) -> None:
    """Pictures from trained generators."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


for _module in COMMANDS:
    _name = _module.__name__.rpartition(".")[2]
    _examples = "\b\nExamples:\n" + "\n".join("  " + line for line in _module.EXAMPLES.strip().splitlines())
    app.command(_name, epilog=_examples)(getattr(_module, _name))
app.command("train", context_settings=train.AS_TYPED)(train.train)
