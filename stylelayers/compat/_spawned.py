"""The installation in processes that `multiprocessing` spawns, which begin with a bare interpreter."""

from collections.abc import Callable
from multiprocessing import spawn
from typing import Any

from .installation import install


class _InstalledWhenUnpickled:
    """Sent to a spawned process ahead of what it imports."""

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return install_here_and_in_spawned, ()


def install_here_and_in_spawned() -> None:
    """:func:`.install` in this process, and in all that it spawns, before they import anything."""
    install()
    prepare = spawn.get_preparation_data

    def with_installation(name: str) -> dict[str, Any]:
        return {"stylelayers.compat": _InstalledWhenUnpickled(), **prepare(name)}

    spawn.get_preparation_data = with_installation
