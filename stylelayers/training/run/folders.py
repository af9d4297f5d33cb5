"""Folders of runs: each has a new name or the user's, holds one run, and is removed if the run is refused."""

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

from ..distributed import PreflightError
from .command_line import quoted, typed_overrides
from .locks import TakenError, locked
from .program import program_name

_OF_HYDRA = (".hydra", "multirun.yaml")
_made: list[Path] = []


class RunFolders(Callback):
    """Hydra's callback that chooses the folder of a run or a sweep, before Hydra writes anything.

    A folder without a name of the user is made anew, with ``-2``, ``-3``, ... if another one has the same second. A
    folder that the user named must not hold another run. ``output=...`` names the folder as ``hydra.run.dir`` does.
    """

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        if is_follower():
            return
        if _overrides(config, "task", "output"):
            if _overrides(config, "hydra", "hydra.run.dir") and not _is_same(config.output, config.hydra.run.dir):
                _refuse(
                    f"output={config.output} and hydra.run.dir={config.hydra.run.dir} name two folders for one run; "
                    f"leave out hydra.run.dir"
                )
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
            config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(config.hydra.sweep.dir)}")  # for its runs
        for folder in _usable(config, "sweep").glob("*/"):
            _check_free(config, folder, "hydra.sweep.dir")


def is_follower() -> bool:
    """Whether torchrun, SLURM, Lightning or the user started this process beside the first one, which writes files."""
    names = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "NODE_RANK")
    return any(int(os.environ.get(name) or 0) > 0 for name in names)


@contextmanager
def claimed(folder: Path, config: str, *, resume: str | None) -> Iterator[None]:
    """Lock a run's folder while it trains, write its configuration, and rename earlier metrics.

    Args:
        folder: made if it does not exist; emptied after a `PreflightError` if it was empty before.
        config: written to ``config.yaml``.
        resume: the run goes on from it; files in the folder are the run's own if it lies there, or is ``"auto"``.

    Raises:
        TakenError: the folder holds another run, or another process is training in it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
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
    """Remove a folder that holds only Hydra's own files, and the folders above it that hold nothing else."""
    folder = folder.absolute()
    above = [parent for parent in folder.parents if Path.cwd() in parent.parents]
    for place in (folder, *above):
        if place == Path.cwd() or not place.is_dir() or any(path.name not in _OF_HYDRA for path in place.iterdir()):
            return
        shutil.rmtree(place / ".hydra", ignore_errors=True)
        (place / "multirun.yaml").unlink(missing_ok=True)
        place.rmdir()


def discard_made() -> None:
    """Discard the folders that this process made for its runs."""
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
    return [text for text in typed_overrides(config.hydra, group) if text.lstrip("+").startswith(f"{key}=")]


def _usable(config: DictConfig, kind: str) -> Path:
    """Make the folder of a run or a sweep."""
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


def _is_same(folder: str, other: str) -> bool:
    return Path(folder).expanduser().resolve() == Path(other).expanduser().resolve()


def _made_anew(name: str) -> str:
    """Make a folder that did not exist."""
    for number in count(1):
        folder = name if number == 1 else f"{name}-{number}"
        Path(folder).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            Path(folder).mkdir()
            _made.append(Path(folder))
            return folder
    raise AssertionError("a name was free")


def _temporary() -> str:
    """A folder for Hydra's files of a process that must not write to the run's."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _check_free(config: DictConfig, folder: Path, key: str) -> None:
    if _holds_run(folder) and not _is_own(folder, config.resume):
        _refuse(_taken(key, folder))


def _holds_run(folder: Path) -> bool:
    return (folder / "config.yaml").exists() or any((folder / "checkpoints").glob("*.ckpt"))


def _is_own(folder: Path, resume: str | None) -> bool:
    """Whether the files of a folder are those of the resumed run."""
    return resume == "auto" or (resume is not None and Path(resume).resolve().is_relative_to(folder.resolve()))


def _taken(key: str, folder: Path) -> str:
    return (
        f"{key}={folder} holds a run already; go on with it (resume=auto, or resume={folder}), or name another folder"
    )


def _refuse(text: str) -> NoReturn:
    discard_made()
    sys.exit(f"{program_name()}: {text}")  # Hydra would turn an error into a warning


def _keep_earlier_metrics(path: Path) -> None:
    """Rename a resumed run's metrics to the next free number, before the logger overwrites them."""
    if path.exists():
        found = [re.fullmatch(r"metrics\.(\d+)\.csv", other.name) for other in path.parent.iterdir()]
        number = max((int(match[1]) for match in found if match), default=-1) + 1
        path.rename(path.with_suffix(f".{number}.csv"))
