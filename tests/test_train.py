"""train.py: every preset trains and leaves its files, a run can be resumed, and Hydra's commands work."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import torchvision
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import Timer
from omegaconf import OmegaConf
from PIL import Image

import train
from stylelayers import AliasFreeGenerator, ModulatedConv2d
from stylelayers.checkpoints import load_generator
from stylelayers.models import StyleGenerator
from stylelayers.training import GAN
from stylelayers.training.run.ending import closing_lines
from tests.training.tiny import BATCH, REPOSITORY, TINY, command_line, compose, image_files, process, tiny_config

EXPERIMENTS = sorted(path.stem for path in (REPOSITORY / "configs" / "experiment").iterdir())
FILES = ("config.yaml", "metrics.csv", "samples/last.png", "checkpoints/last.ckpt", "generator.safetensors")


def trained(output: Path, *overrides: str) -> StyleGenerator:
    """Train a tiny run, check what it leaves behind, and read its generator."""
    config = tiny_config(output, *overrides)
    metrics = train.train(config)
    assert [name for name in FILES if not (output / name).is_file()] == []
    assert list((output / "tensorboard").glob("events.out.tfevents.*"))
    assert not list(output.rglob("*.part"))
    assert OmegaConf.load(output / "config.yaml") == OmegaConf.create(OmegaConf.to_container(config, resolve=True))
    with (output / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    images = config.callbacks.stop.max_images
    assert float(rows[-1]["progress/images"]) == metrics["progress/images"] == images
    assert {"loss/generator", "loss/discriminator", "logits/real", "logits/fake", "penalty/r1"} <= set(metrics)
    assert all(torch.tensor(list(metrics.values())).isfinite())
    generator = load_generator(output)
    assert Image.open(output / "samples" / "last.png").size == (
        3 * generator.resolution[1],
        2 * generator.resolution[0],
    )
    return generator


def downloaded(root: str, *, train: bool, download: bool) -> torchvision.datasets.FakeData:
    """In place of CIFAR10."""
    return torchvision.datasets.FakeData(size=12, image_size=(3, 32, 32), num_classes=10)


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_preset_trains(experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", downloaded)
    colour = ("faces256", "cifar10", "emoji_faces")
    extra = [] if experiment not in colour[::2] else [f"data.root={image_files(tmp_path / 'faces')}"]
    workers = ["data.num_workers=0"] if experiment in colour else []
    generator = trained(tmp_path / "run", f"experiment={experiment}", *extra, *workers)
    assert generator.resolution == (8, 8)
    assert generator.image_channels == (3 if experiment in colour else 1)
    if experiment == "digits_alias_free":
        assert isinstance(generator, AliasFreeGenerator)
        return
    large = [layer for layer in generator.modules() if isinstance(layer, ModulatedConv2d) and layer.kernel_size > 1]
    assert len(large) == 3
    kind = ("reflect", "nearest", True) if experiment == "reflect" else ("zeros", "fir", False)
    assert {(m.resampling.padding_mode, m.resampling.method, m.normalize_style) for m in large} == {kind}


def test_a_folder_of_mixed_files_and_a_rectangle(tmp_path: Path) -> None:
    root = image_files(tmp_path / "images")
    overrides = ("data=folder", f"data.root={root}", "data.resolution=[8,12]", "data.labels=true")
    generator = trained(tmp_path / "run", *overrides)
    assert (generator.resolution, generator.image_channels, generator.num_labels) == ((8, 12), 3, 2)


def test_digits_with_labels_in_a_rectangle(tmp_path: Path) -> None:
    generator = trained(tmp_path / "run", "data.resolution=[16,24]", "data.labels=true")
    assert (generator.resolution, generator.num_labels) == ((16, 24), 10)
    z, labels = torch.randn(1, 4).expand(2, -1), torch.tensor([0, 1])
    first, second = generator(z, labels, noise="const")
    assert not torch.equal(first, second)


# Resuming ----------------------------------------------------------------------------------------------------------


class AtStart(Callback):
    """Keeps the state that a resumed training begins with."""

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self.counters = pl_module.images_seen, pl_module.iterations
        self.weights = {name: value.clone() for name, value in pl_module.state_dict().items()}
        self.moments = [
            {name: value.clone() for name, value in state.items()}
            for optimizer in trainer.optimizers
            for state in optimizer.state_dict()["state"].values()
        ]


def test_the_closing_lines_name_files_and_a_command_that_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    overrides = ["loss.r1_gamma=0.5", "loss.path_length_weight=2", "trainer.max_time=00:00:10:00"]
    config = tiny_config(tmp_path / "run", *overrides)
    train.train(config)
    lines = closing_lines(config, [*TINY, *overrides])
    named = re.findall(r"^(?:pictures|generator|checkpoint): +([^ ;\n]+)", lines, re.MULTILINE)
    assert named == ["run/samples", "run/generator.safetensors", "run/checkpoints/last.ckpt"]
    assert all(Path(name).exists() for name in named)

    program, script, *overrides = shlex.split(lines.partition("to resume: ")[2])
    assert (program, script) == ("python", "train.py")
    again = compose(*overrides, f"output={tmp_path / 'again'}")
    assert (again.resume, again.loss.r1_gamma) == ("run/checkpoints/last.ckpt", 0.5)
    assert (again.callbacks.stop.max_images, again.trainer.max_time) == (4 * BATCH, "00:00:20:00")

    (tmp_path / "again").mkdir()
    trainer, model, data = train.build(again)
    start = AtStart()
    cast(Any, trainer).callbacks.append(start)
    trainer.fit(model, datamodule=data, ckpt_path=again.resume)
    held: dict[str, Any] = torch.load(again.resume, weights_only=True)
    assert start.counters == (held["images_seen"], held["iterations"]) == (2 * BATCH, 2)
    torch.testing.assert_close(start.weights, dict(held["state_dict"]), rtol=0.0, atol=0.0)
    assert start.weights["loss.path_length_penalty.mean"] > 0
    moments = [state for optimizer in held["optimizer_states"] for state in optimizer["state"].values()]
    torch.testing.assert_close(start.moments, moments, rtol=0.0, atol=0.0)
    assert (model.images_seen, model.iterations) == (4 * BATCH, 4)
    (timer,) = (callback for callback in cast(Any, trainer).callbacks if isinstance(callback, Timer))
    assert timer.time_elapsed() > held["callbacks"]["Timer"]["time_elapsed"]["train"] > 0  # max_time counts both
    assert sorted(path.name for path in (tmp_path / "again" / "samples").iterdir()) == ["000000008.png", "last.png"]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ("trainer.max_time=00:00:00:45", {"trainer.max_time": "00:00:01:30"}),
        ("trainer.max_time=01:12:00:00", {"trainer.max_time": "03:00:00:00"}),
        ("trainer.max_time=null", {"trainer.max_time": None}),
        ("callbacks.stop.max_images=24", {"callbacks.stop.max_images": 48}),
        ("trainer.max_epochs=3", {"trainer.max_epochs": 6}),
        ("trainer.max_steps=10", {"trainer.max_steps": 20}),
        ("++trainer.max_time=00:00:00:45", {"trainer.max_time": "00:00:01:30"}),
        ("resume=old.ckpt", {"resume": "run/checkpoints/last.ckpt"}),
        ("output=run", {"resume": "run/checkpoints/last.ckpt"}),
    ],
)
def test_the_resume_command_is_for_as_long_again(
    limits: str, expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = closing_lines(compose(limits, "output=run"), [limits])
    again = compose(*shlex.split(lines.partition("to resume: ")[2])[2:])
    assert {key: OmegaConf.select(again, key) for key in expected} == expected


@pytest.mark.parametrize("folder", ["a=b", "with space", "a,b", "plain"])
def test_the_resume_command_quotes_the_folder(folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    lines = closing_lines(compose(f"output='{folder}'"), [])
    again = compose(*shlex.split(lines.partition("to resume: ")[2])[2:])
    assert again.resume == f"{folder}/checkpoints/last.ckpt"


# Hydra's commands --------------------------------------------------------------------------------------------------


def test_a_run_goes_to_a_dated_folder_and_ends_with_the_closing_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line(monkeypatch, tmp_path, *TINY)
    (folder,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", folder.name)
    assert [name for name in FILES if not (folder / name).is_file()] == []
    shown = capsys.readouterr()
    assert shown.err == ""
    resume = f"resume=runs/{folder.name}/checkpoints/last.ckpt"
    assert shlex.split(shown.out.splitlines()[-1].partition("to resume: ")[2])[-3] == resume


def test_help_explains_every_group_and_shows_five_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        command_line(monkeypatch, tmp_path, "--help")
    assert end.value.code in (0, None)
    shown = capsys.readouterr().out
    groups = [path.name for path in (REPOSITORY / "configs").iterdir() if path.is_dir() and path.name != "hydra"]
    assert [group for group in groups if not re.search(rf"^  {group} +\w+", shown, re.MULTILINE)] == []
    for group in groups:
        options = ", ".join(sorted(path.stem for path in (REPOSITORY / "configs" / group).iterdir()))
        assert f"{group}: {options}\n" in shown
    assert len(re.findall(r"^  python train\.py", shown, re.MULTILINE)) == 5
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_trains_once_for_each_value(tmp_path: Path) -> None:
    limits = ("callbacks.stop.max_images=null", "trainer.limit_train_batches=2", "trainer.max_epochs=1")
    sweep_process = process(tmp_path, "-m", "loss.r1_gamma=0.1,1", *TINY, *limits)
    _, errors = sweep_process.communicate()
    assert sweep_process.returncode == 0, errors
    assert not re.search("in eval mode|is not empty", errors)  # Lightning's remarks on what is meant to be so
    (sweep,) = (tmp_path / "runs").iterdir()
    for name, gamma in (("0", 0.1), ("1", 1.0)):
        assert OmegaConf.load(sweep / name / "config.yaml").loss.r1_gamma == gamma
        assert load_generator(sweep / name).resolution == (8, 8)
