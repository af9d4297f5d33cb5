"""``stylelayers train``: what ``train.py`` does in a clone, from any folder. Hydra reads the arguments."""

from collections.abc import Callable

AS_TYPED = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def train() -> Callable[[], None]:
    """Train a generator: stylelayers train --help.

    Returns:
        What is left to call, outside of the one-line errors of the other commands.
    """
    return _train


def _train() -> None:
    from ..training.run.main import main  # imports lightning, and nothing else here does

    main("stylelayers train", "train")
