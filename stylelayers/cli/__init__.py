"""The command line ``stylelayers``, see ``stylelayers --help``. Needs the extra ``cli``, or ``train`` to train."""

import signal
import sys
from importlib.util import find_spec

from .._allocator import keep_freed_memory

__all__ = ["main"]

_REQUIRED = {"typer": "typer", "rich": "rich", "PIL": "Pillow"}
_REQUIRED_TO_TRAIN = {
    **_REQUIRED,
    "torchvision": "torchvision",
    "filelock": "filelock",
    "lightning": "lightning",
    "hydra": "hydra-core",
    "torchmetrics": "torchmetrics",
    "sklearn": "scikit-learn",
    "tensorboard": "tensorboard",
}


def main() -> None:
    """Run the command line; SIGTERM ends it without leaving half-written files."""
    trains = sys.argv[1:2] == ["train"]
    required, extra = (_REQUIRED_TO_TRAIN, "train") if trains else (_REQUIRED, "cli")
    if missing := [name for module, name in required.items() if find_spec(module) is None]:
        sys.exit(f'stylelayers: the command line needs {", ".join(missing)}: pip install "stylelayers[{extra}]"')
    from .app import app

    if not trains:  # which handles signals itself, and has a key for the memory
        keep_freed_memory()
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    app(prog_name="stylelayers")
