"""The training of what was built, in a folder that the run has for itself."""

import sys
from contextlib import nullcontext
from pathlib import Path

from lightning import Trainer
from omegaconf import DictConfig, OmegaConf

from ...data import ImageDataModule
from ..gan import GAN
from .changes import changed_settings
from .ending import limit_reached
from .folders import claimed

__all__ = ["fit"]


def fit(cfg: DictConfig, trainer: Trainer, model: GAN, data: ImageDataModule) -> dict[str, float]:
    """Train what `build` made and return the last value of each metric; empty if a limit is reached already.

    The run's folder gets the composed configuration before training starts.
    """
    checkpoint = None if cfg.resume == "auto" else cfg.resume
    reached = limit_reached(trainer, checkpoint)
    if reached is not None:
        print(reached)
        return {}
    if trainer.is_global_zero and checkpoint is not None:
        for line in changed_settings(cfg, Path(checkpoint)):
            print(_printable(line))
    folder = claimed(Path(cfg.output), OmegaConf.to_yaml(cfg, resolve=True), resume=cfg.resume)
    with folder if trainer.is_global_zero else nullcontext():
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _printable(text: str) -> str:
    """With ``?`` for characters that the encoding of the output lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)
