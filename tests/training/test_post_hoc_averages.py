"""Snapshots of averages during training, and the command that combines them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from typer.testing import CliRunner

import train
from stylelayers.checkpoints import load_generator, post_hoc_average
from stylelayers.checkpoints.post_hoc import exponent_of
from stylelayers.cli.app import app
from stylelayers.training import GAN, PostHocAverages
from tests.training.tiny import BATCH, fit, tiny_config, tiny_gan

WIDTHS = (0.05, 0.1)


class Trajectory(Callback):
    """The parameters after each iteration."""

    def __init__(self) -> None:
        self.seen: list[list[torch.Tensor]] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        self.seen.append([parameter.detach().clone() for parameter in pl_module.generator.parameters()])


def test_snapshots_are_the_averages_of_the_widths(tmp_path: Path) -> None:
    model, trajectory = tiny_gan(), Trajectory()
    fit(model, 6, trajectory, PostHocAverages(tmp_path, every_images=2 * BATCH))
    files = sorted((tmp_path / "averages").iterdir())
    assert [file.name for file in files] == [
        f"{images:09}-{width}.safetensors" for images in (8, 16, 24) for width in ("0.05", "0.1")
    ]
    for width, file in zip(WIDTHS, files[-2:], strict=True):
        expected = trajectory.seen[0]
        for count, latest in enumerate(trajectory.seen[1:], 2):
            keep = (1 - 1 / count) ** (exponent_of(width) + 1)
            expected = [keep * old + (1 - keep) * new for old, new in zip(expected, latest, strict=True)]
        found = list(load_generator(file).parameters())
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_a_resumed_run_goes_on_with_its_averages(tmp_path: Path) -> None:
    """Bit for bit, also where the stop was between two snapshots."""
    settings = (f"callbacks.averages.every_images={2 * BATCH}",)
    for folder, stops in (("whole", (5,)), ("parts", (3, 5))):
        for stop in stops:
            resume = "resume=auto" if stop != stops[0] else "resume=null"
            train.train(tiny_config(tmp_path / folder, f"callbacks.stop.max_images={stop * BATCH}", resume, *settings))
    assert {file.name[:9] for file in (tmp_path / "whole" / "averages").iterdir()} == {
        "000000008",
        "000000016",
        "000000020",
    }
    for file in sorted((tmp_path / "whole" / "averages").iterdir()):
        assert file.read_bytes() == (tmp_path / "parts" / "averages" / file.name).read_bytes()


def test_averages_that_begin_late_begin_with_the_parameters_of_then(tmp_path: Path) -> None:
    model = tiny_gan()
    model.images_seen = 1000
    fit(model, 1, averages := PostHocAverages(tmp_path, every_images=100_000))
    assert len(list((tmp_path / "averages").iterdir())) == 2  # at the end
    assert set(averages.state_dict()["averages"]) == set(WIDTHS)
    averages.every_images = None
    fit(model, 1, averages)
    assert averages.state_dict() == {}  # would be stale when they are kept again


def test_without_every_images_nothing_is_kept(tmp_path: Path) -> None:
    fit(tiny_gan(), 2, averages := PostHocAverages(tmp_path))
    assert (list(tmp_path.iterdir()), averages.state_dict()) == ([], {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every_images": 0}, "PostHocAverages: every_images must be"),
        ({"widths": (0.1,)}, r"widths must be two or more different numbers, got \[0.1\]"),
        ({"widths": (0.1, 0.5)}, "^PostHocAverages: width must be at most 0.28, got 0.5"),
    ],
)
def test_bad_settings_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PostHocAverages(tmp_path, **options)


def test_the_command_makes_an_average_and_says_how_close_it_is(tmp_path: Path) -> None:
    fit(tiny_gan(), 4, PostHocAverages(tmp_path, every_images=BATCH))
    target = tmp_path / "average.safetensors"
    result = CliRunner().invoke(app, ["average", str(tmp_path), str(target), "--width", "0.08"])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{target}: width 0.08 at 16 images, of 8 snapshots, error ")
    expected = list(post_hoc_average(tmp_path, 0.08).generator.parameters())
    torch.testing.assert_close(list(load_generator(target).parameters()), expected, rtol=0.0, atol=0.0)
    narrow = CliRunner().invoke(app, ["average", str(tmp_path), str(target), "--width", "0.001"])
    assert narrow.exit_code == 0 and "the average is another one" in narrow.stderr
    wrong = CliRunner().invoke(app, ["average", str(tmp_path), str(tmp_path / "a.pt"), "--width", "0.08"])
    assert wrong.exit_code == 2 and "TARGET must end in .safetensors, got 'a.pt'" in wrong.stderr
