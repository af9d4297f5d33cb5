"""The end of a run: whether it has been reached already, what is there then, and the command that goes on."""

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

from ..._kinds import format_time
from ...checkpoints import GENERATOR_FILE
from ..callbacks import StopAfterImages
from .command_line import quoted

__all__ = ["closing_lines", "limit_reached", "only_of_files"]


def limit_reached(trainer: Trainer, checkpoint: str | os.PathLike[str] | None) -> str | None:
    """The limit of training that leaves nothing to train, in words; None if something is left.

    Args:
        trainer: with the limits.
        checkpoint: what training goes on from; None from the start.
    """
    state = {} if checkpoint is None else torch.load(checkpoint, map_location="meta", weights_only=True)
    for key, limit, done, unit in _limits(trainer, state):
        if done >= limit:
            where = f"{checkpoint} has {done:,.0f} {unit}" if done else f"which allows no {unit}"
            return f"nothing is left to train: {key}={limit:.10g} is reached, {where}"
    return None


def closing_lines(cfg: DictConfig, overrides: list[str]) -> str:
    """Where pictures, generator and checkpoint are, and the command that goes on for as long again."""
    output = Path(os.path.relpath(cfg.output))
    changed = {"resume": quoted(str(output / "checkpoints" / "last.ckpt")), **_doubled_limits(cfg)}
    kept = [override for override in overrides if override.lstrip("+").partition("=")[0] not in changed]
    kept += [f"{key}={value}" for key, value in changed.items()]
    return (
        f"pictures:   {output / 'samples'} (the last: last.png)\n"
        f"generator:  {output / GENERATOR_FILE}\n"
        f"checkpoint: {output / 'checkpoints' / 'last.ckpt'}; to resume: {shlex.join(['python', 'train.py', *kept])}"
    )


def only_of_files(closing: str, output: str | os.PathLike[str]) -> str:
    """Those of the closing lines whose files are there."""
    files = (Path("samples", "last.png"), Path(GENERATOR_FILE), Path("checkpoints", "last.ckpt"))
    lines = zip(closing.splitlines(), files, strict=True)
    return "\n".join(line for line, file in lines if (Path(output) / file).is_file())


def _limits(trainer: Trainer, state: dict[str, Any]) -> Iterator[tuple[str, float, float, str]]:
    """Key, limit, how much of it the state of a checkpoint has used, and what it counts."""
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
    """Twice each limit of training that is set."""
    limits = {}
    for key in ("trainer.max_epochs", "trainer.max_steps", "callbacks.stop.max_images"):
        limit = OmegaConf.select(cfg, key)
        if limit is not None and limit > 0:
            limits[key] = str(2 * limit)
    if OmegaConf.select(cfg, "trainer.max_time") is not None:
        limits["trainer.max_time"] = format_time(2 * (Timer(duration=cfg.trainer.max_time).time_remaining() or 0.0))
    return limits
