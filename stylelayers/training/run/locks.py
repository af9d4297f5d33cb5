"""Locks of folders, which one process at a time trains in."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_held: set[int] = set()


class TakenError(ValueError):
    """The folder of another run."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a folder; without effect on systems without such locks.

    Raises:
        TakenError: another process holds the lock.
    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    _held.add(descriptor)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        _held.discard(descriptor)
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise TakenError(
            f"output={folder} is in use by another process: go on later by resume=auto, or name another"
        ) from None
    except OSError:  # a file system without locks
        return


def _close_held() -> None:
    """Release the locks in processes that load images, which may outlive the run."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_held)
