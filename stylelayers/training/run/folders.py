"""A folder belongs to one run: it is named afresh, claimed once, and gone again if the run was refused."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from .command_line import quoted
from .errors import PreflightError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["RunFolders", "TakenError", "claimed", "discard", "discard_made", "is_follower"]

_OF_HYDRA = (".hydra", "multirun.yaml")
_held: set[int] = set()
_made: list[Path] = []


class TakenError(ValueError):
    """A folder that another run has."""


class RunFolders(Callback):
    """Hydra's callback that settles where a run or a sweep goes, before Hydra writes anything there.

    A folder that the user did not name is made anew: with ``-2``, ``-3``, ... if there is one of this second already.
    One that the user named must not hold another run. ``output=...`` names the folder as ``hydra.run.dir`` does.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        if is_follower():
            return
        if not _overrides(config, "hydra", "hydra.run.dir") and _overrides(config, "task", "output"):
            config.hydra.run.dir = config.output
        elif not _is_named(config, "run"):
            if config.resume == "auto":
                _refuse(
                    "resume=auto goes on in a folder with a name; add hydra.run.dir=runs/NAME, or set resume=runs/NAME"
                )
            config.hydra.run.dir = _made_anew(config.hydra.run.dir)
        _check_free(config, _usable(config, "run"), "hydra.run.dir")

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        if any(not re.search(r"[,$]", override) for override in _overrides(config, "task", "output")):
            _refuse(
                "output would be the one folder of all runs of a sweep; name hydra.sweep.dir, which gets one for each"
            )
        if not _is_named(config, "sweep"):
            config.hydra.sweep.dir = _temporary() if is_follower() else _made_anew(config.hydra.sweep.dir)
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(config.hydra.sweep.dir)}")  # of its runs
        for folder in _usable(config, "sweep").glob("*/"):
            _check_free(config, folder, "hydra.sweep.dir")


def is_follower() -> bool:
    """Whether torchrun, SLURM, Lightning or the user started this process beside a first one, which writes all."""
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "NODE_RANK")
    return any(int(os.environ.get(name) or 0) > 0 for name in names)


@contextmanager
def claimed(folder: Path, config: str, *, resume: str | None) -> Iterator[None]:
    """Hold a run's folder while it trains: with its configuration, and with earlier metrics put aside.

    Args:
        folder: made if there is none; emptied again if the run ends with a `PreflightError`, where it was empty.
        config: becomes ``config.yaml``.
        resume: what the run goes on from; within the folder, or ``"auto"``, its files are the run's own.

    Raises:
        TakenError: it holds another run, or another process is training in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        own, fresh = _is_own(folder, resume), not any(path.name not in _OF_HYDRA for path in folder.iterdir())
        if _holds_run(folder) and not own:
            raise TakenError(_taken("output", folder))
        with open(folder / "config.yaml", "w" if own else "x", encoding="utf-8") as file:
            file.write(config)
        _keep_earlier_metrics(folder / "metrics.csv")
        try:
            yield
        except PreflightError:
            if fresh:
                _empty(folder)
            raise


def discard(folder: Path) -> None:
    """Remove a folder with nothing in it but Hydra's own files, and the folders above that hold no more than it."""
    folder = folder.absolute()
    above = [parent for parent in folder.parents if Path.cwd() in parent.parents]
    for place in (folder, *above):
        if place == Path.cwd() or not place.is_dir() or any(path.name not in _OF_HYDRA for path in place.iterdir()):
            return
        shutil.rmtree(place / ".hydra", ignore_errors=True)
        (place / "multirun.yaml").unlink(missing_ok=True)
        place.rmdir()


def discard_made() -> None:
    """Discard the folders that were made for runs of this process."""
    while _made:
        discard(_made.pop())


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _is_named(config: DictConfig, kind: str) -> bool:
    """Whether the user named the folder: on the command line, or by a configuration without the time."""
    pattern = str(OmegaConf.to_container(config.hydra[kind], resolve=False)["dir"])  # type: ignore[call-overload, index]
    return bool(_overrides(config, "hydra", f"hydra.{kind}.dir")) or "${now:" not in pattern


def _overrides(config: DictConfig, group: str, key: str) -> list[str]:
    return [override for override in config.hydra.overrides[group] if override.lstrip("+").startswith(f"{key}=")]


def _usable(config: DictConfig, kind: str) -> Path:
    """The folder of a run or a sweep, which is made if there is none."""
    key, settings = f"hydra.{kind}.dir", config.hydra[kind]
    if config.hydra.job.chdir:
        _refuse("hydra.job.chdir=true would lead relative paths elsewhere; a run's files go to its folder without it")
    if not settings.dir:
        _refuse(f"{key} must be a path, got ''; so must output")
    settings.dir = os.path.expanduser(settings.dir)
    try:
        Path(settings.dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _refuse(f"{key}={settings.dir} cannot be made: {error.strerror}")
    if not os.access(settings.dir, os.W_OK | os.X_OK):
        _refuse(f"{key}={settings.dir} cannot be written to")
    return Path(settings.dir)


def _made_anew(name: str) -> str:
    for number in count(1):
        folder = name if number == 1 else f"{name}-{number}"
        Path(folder).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            Path(folder).mkdir()
            _made.append(Path(folder))
            return folder
    raise AssertionError("a name was free")


def _temporary() -> str:
    """For what Hydra writes in a process that must not write."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _check_free(config: DictConfig, folder: Path, key: str) -> None:
    if _holds_run(folder) and not _is_own(folder, config.resume):
        _refuse(_taken(key, folder))


def _holds_run(folder: Path) -> bool:
    return (folder / "config.yaml").exists() or any((folder / "checkpoints").glob("*.ckpt"))


def _is_own(folder: Path, resume: str | None) -> bool:
    """Whether what is in a folder is of the run that goes on."""
    return resume == "auto" or (resume is not None and Path(resume).resolve().is_relative_to(folder.resolve()))


def _taken(key: str, folder: Path) -> str:
    return (
        f"{key}={folder} holds a run already; go on with it (resume=auto, or resume={folder}), or name another folder"
    )


def _refuse(text: str) -> NoReturn:
    discard_made()
    sys.exit(f"train.py: {text}")  # Hydra turns a callback's errors into warnings


def _keep_earlier_metrics(path: Path) -> None:
    """Put a resumed run's metrics aside, which the logger would replace; after the highest number that there is."""
    if path.exists():
        found = [re.fullmatch(r"metrics\.(\d+)\.csv", other.name) for other in path.parent.iterdir()]
        number = max((int(match[1]) for match in found if match), default=-1) + 1
        path.rename(path.with_suffix(f".{number}.csv"))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from training in a folder until this one ends; nothing on systems without such locks."""
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
    except OSError:  # a file system that has none
        return


def _close_held() -> None:
    """In a process that loads images, which would hold the lock for longer than the run lives."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_held)
