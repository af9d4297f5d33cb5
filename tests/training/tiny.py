"""Networks, data, runs and configurations that are small enough to train in a test."""

from __future__ import annotations

import logging
import os
import runpy
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import hydra
import numpy as np
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from lightning import Callback, Trainer
from omegaconf import DictConfig
from PIL import Image
from torch import nn
from torch.utils.data import TensorDataset

import stylelayers.cli
import train
from stylelayers import Discriminator, Generator
from stylelayers.data import ImageDataModule
from stylelayers.training import GAN, StyleGAN2Loss

REPOSITORY = Path(__file__).parents[2]
BATCH, LABELS = 4, 3
TINY = (
    "data.resolution=8",
    f"data.batch_size={BATCH}",
    "model.generator.z_dim=4",
    "model.generator.w_dim=4",
    "model.generator.channel_base=32",
    "model.generator.mapping_layers=2",
    "trainer.accelerator=cpu",
    "trainer.devices=1",
    "trainer.log_every_n_steps=1",
    "callbacks.grid.rows=2",
    "callbacks.grid.columns=3",
    f"callbacks.stop.max_images={2 * BATCH}",  # two iterations
)


def compose(*overrides: str) -> DictConfig:
    """The configuration of a command line; see `tiny_config` for one that can be trained."""
    with hydra.initialize_config_dir(train.CONFIGS, version_base="1.3"):
        return hydra.compose("train", list(overrides))


def tiny_config(output: Path, *overrides: str) -> DictConfig:
    """The configuration of `TINY` and `overrides`, whose run goes to `output`."""
    output.mkdir(exist_ok=True)
    return compose(*TINY, f"output={output}", *overrides)


def command_line(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> None:
    """What ``python train.py ...`` does, in this process and started from `folder`."""
    _as_in_a_fresh_process(monkeypatch, folder, "train.py", *arguments)
    with _same_logging():
        runpy.run_path(str(REPOSITORY / "train.py"), run_name="__main__")


def train_command(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> None:
    """What ``stylelayers train ...`` does, in this process and started from `folder`."""
    _as_in_a_fresh_process(monkeypatch, folder, "stylelayers", "train", *arguments)
    with _same_logging():
        stylelayers.cli.main()


def _as_in_a_fresh_process(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> None:
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setenv("STYLELAYERS_PROGRAM", "")  # which is then set
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", list(arguments))
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)  # which is then changed


def process(
    folder: Path, *arguments: str, program: Sequence[str] = (str(REPOSITORY / "train.py"),)
) -> subprocess.Popen[str]:
    """``python train.py ...`` started from `folder`, as a process of its own; or ``python`` with another `program`."""
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def image_files(folder: Path, count: int = 6) -> Path:
    """A folder with PNG and JPEG files in turn, grey and RGB, each of another size, in two sub-folders."""
    random = np.random.default_rng(0)
    for index in range(count):
        shape = (9 + index, 14 - index, 3)[: 2 + index // 2 % 2]
        path = folder / f"class{index % 2}" / f"{index}.{('png', 'jpg')[index % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, shape, dtype=np.uint8)).save(path)
    return folder


def trained_weights(output: Path, iterations: int, *overrides: str) -> dict[str, torch.Tensor]:
    """The state of a run of `TINY` and `overrides` after so many iterations."""
    train.train(tiny_config(output, f"callbacks.stop.max_images={iterations * BATCH}", *overrides))
    weights: dict[str, torch.Tensor] = torch.load(output / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return weights


def assert_resumes_exactly(folder: Path, *overrides: str) -> None:
    """Five iterations at once have the weights of two and, resumed, three more, bit for bit."""
    whole = trained_weights(folder / "whole", 5, *overrides)
    trained_weights(folder / "parts", 2, *overrides)
    parts = trained_weights(folder / "parts", 5, *overrides, "resume=auto")
    assert [name for name, value in whole.items() if not torch.equal(value, parts[name])] == []


def tiny_gan(*, labels: int = 0, optimizer: Any = None, augment: nn.Module | None = None, **loss: Any) -> GAN:
    """A GAN of 8x8 grey images; `loss` are arguments of the objective."""
    generator = Generator(8, z_dim=4, w_dim=4, num_labels=labels, image_channels=1, channel_base=32, mapping_layers=2)
    discriminator = Discriminator(8, num_labels=labels, image_channels=1, channel_base=32, label_layers=2)
    optimizer = optimizer or partial(torch.optim.Adam, lr=0.01, betas=(0.0, 0.99))
    return GAN(generator, discriminator, StyleGAN2Loss(**loss), optimizer, optimizer, augment=augment)


def tiny_data(*, labels: int = 0) -> ImageDataModule:
    images = torch.rand(2 * BATCH, 1, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return ImageDataModule(TensorDataset(images, torch.arange(2 * BATCH) % LABELS), batch_size=BATCH, num_labels=labels)


def fit(
    model: GAN,
    iterations: int,
    *callbacks: Callback,
    resume: Path | None = None,
    data: ImageDataModule | None = None,
    **options: Any,
) -> Trainer:
    """Train until so many batches of this call are done."""
    settings: dict[str, Any] = {
        "accelerator": "cpu",
        "devices": 1,
        "max_epochs": -1,
        "logger": False,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": False,
    }
    trainer = Trainer(**{**settings, **options}, callbacks=[_StopAfter(iterations), *callbacks])
    data = data or tiny_data(labels=model.generator.num_labels)
    trainer.fit(model, datamodule=data, ckpt_path=resume)
    return trainer


def as_earlier(path: Path, to: Path) -> Path:
    """A checkpoint as versions wrote it in which noise strengths were scalars."""
    contents = torch.load(path, weights_only=True)
    state = contents["state_dict"]
    contents["state_dict"] = {k: v.squeeze() if k.endswith("strength") else v for k, v in state.items()}
    for optimizer in contents["optimizer_states"]:
        for moments in optimizer["state"].values():
            moments.update({k: v.squeeze() if v.shape == (1,) else v for k, v in moments.items()})
    torch.save(contents, to)
    return to


class _StopAfter(Callback):
    def __init__(self, iterations: int) -> None:
        self.left = iterations

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        self.left -= 1
        trainer.should_stop = self.left == 0


@contextmanager
def _same_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:], root.level = handlers, level
