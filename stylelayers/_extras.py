"""Error messages for optional packages that are missing."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_extra(module: str, extra: str) -> Iterator[None]:
    """Imports of `module` that the extra `extra` of this package installs.

    Raises:
        ModuleNotFoundError: one of them is missing; the message is the command that installs it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "a package").partition(".")[0]
        if missing == __name__.partition(".")[0]:
            raise
        raise ModuleNotFoundError(
            f'{module} needs {missing}: pip install "stylelayers[{extra}]"', name=missing
        ) from None
