"""A run from before names changed is resumed, its networks are taken, and only what was changed is told."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import train
from stylelayers.training.run.changes import changed_settings
from tests.training.tiny import REPOSITORY, compose

RUN = REPOSITORY / "tests" / "data" / "run_of_early_names"
OVERRIDES = (  # of that run and the defaults of its time, under today's names
    *("data.resolution=8", "data.batch_size=4", "augment=ada", "loss.path_length_weight=2", "loss.style_mixing=0.5"),
    *("model.generator.z_dim=4", "model.generator.w_dim=4", "model.generator.channel_base=32"),
    *("preset.adversarial=nonsaturating", "preset.r2_gamma=0", "preset.mismatch_weight=0"),
    *("preset.lr=0.003", "preset.label_layers=2", "data.images_per_class=1"),
    *("callbacks.grid.rows=2", "callbacks.grid.columns=3", "trainer.accelerator=cpu", "trainer.devices=1"),
)
SEEN = 80  # images


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A copy of the run."""
    return Path(shutil.copytree(RUN, tmp_path / "earlier"))


def held(path: Path) -> Any:
    return torch.load(path, weights_only=True)


def test_it_goes_on_from_its_counters_moments_and_average(earlier: Path) -> None:
    more = (f"callbacks.stop.max_images={SEEN + 8}", f"resume={earlier / 'checkpoints' / 'last.ckpt'}")
    slow = ("model.average_half_life=1e9", "model.average_rampup=null")
    rates = tuple(f"model.{network}_optimizer.lr=1e-12" for network in ("generator", "discriminator"))
    train.train(compose(*OVERRIDES, *more, *slow, *rates, f"output={earlier}"))
    before, after = held(RUN / "checkpoints" / "last.ckpt"), held(earlier / "checkpoints" / "last.ckpt")
    assert (before["images_seen"], before["iterations"]) == (SEEN, SEEN // 4)
    assert (after["images_seen"], after["iterations"]) == (SEEN + 8, SEEN // 4 + 2)
    for name, tensor in before["state_dict"].items():
        if name.endswith(("weight", "bias", "const")):
            torch.testing.assert_close(after["state_dict"][name], tensor, rtol=1e-5, atol=1e-5, msg=name)
    steps = [[int(moments["step"]) for moments in state["state"].values()] for state in after["optimizer_states"]]
    steps_before = [[int(m["step"]) for m in state["state"].values()] for state in before["optimizer_states"]]
    added = [{now - then for now, then in zip(*pair, strict=True)} for pair in zip(steps, steps_before, strict=True)]
    assert all(min(counts) >= 2 and max(counts) <= 4 for counts in added)


@pytest.mark.parametrize("name", ["", "checkpoints/last.ckpt", "generator.safetensors"])
def test_its_networks_are_those_to_begin_with(name: str, earlier: Path, tmp_path: Path) -> None:
    _, model, _ = train.build(compose(*OVERRIDES, f"initialize_from={earlier / name}", f"output={tmp_path / 'new'}"))
    parts = ("average.",) if name.endswith("safetensors") else ("average.", "generator.", "discriminator.")
    state = held(RUN / "checkpoints" / "last.ckpt")["state_dict"]
    taken = {key: tensor for key, tensor in model.state_dict().items() if key.startswith(parts)}
    torch.testing.assert_close(taken, {key: state[key] for key in taken}, rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("overrides", "lines"),
    [
        ((), []),
        (("model.generator_optimizer.lr=0.1",), ["model.generator_optimizer.lr: 0.003 → 0.1"]),
        (("optimized_metric=loss/generator",), ["optimized_metric: null → loss/generator"]),
        (("loss=hinge",), ["loss.adversarial: nonsaturating → hinge"]),
    ],
)
def test_names_that_changed_are_not_told(overrides: tuple[str, ...], lines: list[str], earlier: Path) -> None:
    cfg = compose(*OVERRIDES, f"callbacks.stop.max_images={SEEN}", *overrides, f"output={earlier}")
    cfg.model.generator.num_labels = cfg.model.discriminator.num_labels = 10
    assert changed_settings(cfg, earlier / "checkpoints" / "last.ckpt") == lines
