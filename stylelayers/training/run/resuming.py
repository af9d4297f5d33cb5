"""The checkpoint that a run resumes from: where it is, that it is undamaged, and that it fits the model."""

import os
import pickle
import re
import warnings
import zipfile
from pathlib import Path

import torch

from ...checkpoints._building import with_current_names
from ..gan import GAN
from ..saved_state import check_belongs, network_arguments, widen_scalars
from .overrides import overrides
from .program import program_name


def find_checkpoint(resume: str | os.PathLike[str], folder: str | os.PathLike[str]) -> Path | None:
    """The newest undamaged checkpoint that `resume` names; None if it is ``"auto"`` and there is none yet.

    A damaged file is skipped, with a warning, for the one that the same run wrote before it.

    Args:
        resume: ``"auto"`` for the newest of the run in `folder`, a run's folder for its newest, or a file.
        folder: this run's folder.

    Raises:
        ValueError: no such file, or only damaged ones.
    """
    automatic = str(resume) == "auto"
    named = Path(folder if automatic else resume)
    candidates = _newest_first(named / "checkpoints") if named.is_dir() else _from(named)
    damaged = [path for path in candidates if not _is_whole(path)]
    whole = next((path for path in candidates if path not in damaged), None)
    if whole is None and candidates:
        raise ValueError(
            f"resume must name a checkpoint of {program_name()}, got {candidates[0]}, which is none or is damaged"
        )
    if whole is None and not automatic:
        raise ValueError(
            f"resume must name a checkpoint such as runs/<name>/checkpoints/last.ckpt, or a run's folder, or be auto, "
            f"got {resume}"
        )
    if damaged and whole is not None:
        warnings.warn(f"{damaged[0]} is damaged; going on from {whole}, which was written before it", stacklevel=2)
    return whole


def check_resumable(path: str | os.PathLike[str], model: GAN) -> None:
    """Raise a ValueError unless `path` is a checkpoint whose state `model` can go on from; see :func:`check_belongs`.

    The file is read as tensors and plain values alone, never as code.
    """
    try:
        checkpoint = torch.load(path, map_location="meta", weights_only=True)
        checkpoint["state_dict"], checkpoint["images_seen"], checkpoint["iterations"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError) as error:
        raise ValueError(f"resume must name a checkpoint of {program_name()}, got {path}, which is none") from error
    widen_scalars(checkpoint, model)
    try:
        check_belongs(checkpoint, model, path)
    except ValueError as error:
        there = {name: with_current_names(arguments) for name, arguments in (checkpoint.get("arguments") or {}).items()}
        needed = overrides(there, network_arguments(model))
        repeated = "repeat the overrides of its run" + (f": {needed}" if needed else "")
        raise ValueError(f"resume: {error}; {repeated}, or begin a new run with initialize_from") from None


def _newest_first(folder: Path) -> list[Path]:
    """``last.ckpt``, ``last-1.ckpt``, ...; first ``new.ckpt``, which a run leaves that is killed while renaming."""
    ages = {path: _age(path) for path in folder.glob("*.ckpt")}
    return sorted((path for path, age in ages.items() if age is not None), key=lambda path: ages[path] or 0)


def _from(path: Path) -> list[Path]:
    """The file, and the older ones of its run."""
    if not path.is_file():
        return []
    age = _age(path)
    return [path, *(other for other in _newest_first(path.parent) if age is not None and (_age(other) or 0) > age)]


def _age(path: Path) -> int | None:
    if path.name in ("new.ckpt", "last.ckpt"):
        return -1 if path.name == "new.ckpt" else 0
    match = re.fullmatch(r"last-(\d+)\.ckpt", path.name)
    return int(match.group(1)) if match else None


def _is_whole(path: Path) -> bool:
    """Whether torch's archive is complete and its check sums are right."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, EOFError):
        return False
