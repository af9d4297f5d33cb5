"""The end of a run: limits that are reached already, and the lines that name its files and the command to resume."""

import os
import shlex
from pathlib import Path

import torch
from lightning import Trainer
from lightning.pytorch.callbacks import Timer
from omegaconf import DictConfig, OmegaConf

from ..._kinds import format_time
from ...checkpoints import GENERATOR_FILE
from ..callbacks.limits import limits, progress_of_checkpoint
from .command_line import quoted
from .program import program_command

LIMIT_KEYS = {
    "steps": "trainer.max_steps",
    "epochs": "trainer.max_epochs",
    "batches": "trainer.limit_train_batches",
    "images": "callbacks.stop.max_images",
    "seconds": "trainer.max_time",
}


def limit_reached(trainer: Trainer, checkpoint: str | os.PathLike[str] | None) -> str | None:
    """A line that names a limit of training that is reached already; None if something is left to train.

    Args:
        trainer: has the limits.
        checkpoint: training goes on from it; None for a new run.
    """
    state = {} if checkpoint is None else torch.load(checkpoint, map_location="meta", weights_only=True)
    done = progress_of_checkpoint(trainer, state)
    for name, limit in limits(trainer).items():
        if done[name] >= limit:
            where = f"{checkpoint} has {done[name]:,.0f} {name}" if done[name] else f"which allows no {name}"
            return f"nothing is left to train: {LIMIT_KEYS[name]}={limit:.10g} is reached, {where}"
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
        f"checkpoint: {output / 'checkpoints' / 'last.ckpt'}; to resume: {program_command()} {shlex.join(kept)}"
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


def _doubled_limits(cfg: DictConfig) -> dict[str, str]:
    """Every limit of training that is set, doubled."""
    limits = {}
    for key in (LIMIT_KEYS[name] for name in ("steps", "epochs", "images")):
        limit = OmegaConf.select(cfg, key)
        if limit is not None and limit > 0:
            limits[key] = str(2 * limit)
    if OmegaConf.select(cfg, "trainer.max_time") is not None:
        limits["trainer.max_time"] = format_time(2 * (Timer(duration=cfg.trainer.max_time).time_remaining() or 0.0))
    return limits
