"""The end of a run: limits that are reached already, and the lines that name its files and the command to resume."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Timer
from omegaconf import DictConfig, OmegaConf

from ..._kinds import as_time
from ...checkpoints import GENERATOR_FILE
from ..callbacks import StopAfterImages
from .command_line import quoted

__all__ = ["closing_lines", "existing_files", "limit_reached", "resume_line"]


def limit_reached(trainer: Trainer, checkpoint: str | os.PathLike[str] | None) -> str | None:
    """A line that names a limit of training that is reached already; None if something is left to train.

    Args:
        trainer: has the limits.
        checkpoint: training goes on from it; None for a new run.
    """
    state = {} if checkpoint is None else torch.load(checkpoint, map_location="meta", weights_only=True)
    for key, limit, done, unit in _limits(trainer, state):
        if done >= limit:
            where = f"{checkpoint} has {done:,.0f} {unit}" if done else f"which allows no {unit}"
            return f"nothing is left to train: {key}={limit:.10g} is reached, {where}"
    return None


def closing_lines(cfg: DictConfig, overrides: list[str]) -> str:
    """Lines that name pictures, generator and checkpoint, with the command that trains for as long again."""
    output = Path(os.path.relpath(cfg.output))
    changed = {"resume": quoted(str(output / "checkpoints" / "last.ckpt")), **_doubled_limits(cfg)}
    kept = [override for override in overrides if override.lstrip("+").partition("=")[0] not in changed]
    kept += [f"{key}={value}" for key, value in changed.items()]
    return (
        f"pictures:   {output / 'samples'} (the last: last.png)\n"
        f"generator:  {output / GENERATOR_FILE}\n"
        f"checkpoint: {output / 'checkpoints' / 'last.ckpt'}; to resume: {shlex.join(['python', 'train.py', *kept])}"
    )


def existing_files(closing: str, output: str | os.PathLike[str]) -> str:
    """The closing lines whose files exist in the run's folder."""
    files = (Path("samples", "last.png"), Path(GENERATOR_FILE), Path("checkpoints", "last.ckpt"))
    lines = zip(closing.splitlines(), files, strict=True)
    return "\n".join(line for line, file in lines if (Path(output) / file).is_file())


def resume_line(closing: str, output: str | os.PathLike[str]) -> str:
    """The closing line with the command to resume; empty without a checkpoint in the run's folder."""
    checkpoint = Path(output) / "checkpoints" / "last.ckpt"
    return closing.splitlines()[-1] if checkpoint.is_file() else ""


def _limits(trainer: Trainer, state: dict[str, Any]) -> Iterator[tuple[str, float, float, str]]:
    """Key and value of each limit, how much of it a checkpoint's state has used, and its unit."""
    if trainer.max_steps >= 0:
        yield "trainer.max_steps", trainer.max_steps, state.get("global_step", 0), "steps"
    if trainer.max_epochs is not None and trainer.max_epochs >= 0:
        yield "trainer.max_epochs", trainer.max_epochs, state.get("epoch", 0), "epochs"
    if trainer.limit_train_batches == 0:
        yield "trainer.limit_train_batches", 0, 0, "batches"
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, StopAfterImages) and callback.max_images is not None:
            yield "callbacks.stop.max_images", callback.max_images, state.get("images_seen", 0), "images"
        if isinstance(callback, Timer) and (left := callback.time_remaining()) is not None:
            timer = state.get("callbacks", {}).get(callback.state_key, {"time_elapsed": {"train": 0.0}})
            spent = timer["time_elapsed"]["train"]
            yield "trainer.max_time", left + callback.time_elapsed(), spent, "seconds"


def _doubled_limits(cfg: DictConfig) -> dict[str, str]:
    """Every limit of training that is set, doubled."""
    limits = {}
    for key in ("trainer.max_epochs", "trainer.max_steps", "callbacks.stop.max_images"):
        limit = OmegaConf.select(cfg, key)
        if limit is not None and limit > 0:
            limits[key] = str(2 * limit)
    if OmegaConf.select(cfg, "trainer.max_time") is not None:
        limits["trainer.max_time"] = as_time(2 * (Timer(duration=cfg.trainer.max_time).time_remaining() or 0.0))
    return limits
