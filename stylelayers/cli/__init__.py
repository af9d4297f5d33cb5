"""The command line ``stylelayers``, see ``stylelayers --help``. Needs the extra ``cli``."""

import signal
import sys
from importlib.util import find_spec

from .._allocator import keep_freed_memory

__all__ = ["main"]

_REQUIRED = {"typer": "typer", "rich": "rich", "PIL": "Pillow"}


def main() -> None:
    """Run the command line; SIGTERM ends it without leaving half-written files."""
    if missing := [name for module, name in _REQUIRED.items() if find_spec(module) is None]:
        sys.exit(f'stylelayers: the command line needs {", ".join(missing)}: pip install "stylelayers[cli]"')
    keep_freed_memory()
    from .app import app

    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    app(prog_name="stylelayers")
