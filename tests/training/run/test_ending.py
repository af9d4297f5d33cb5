"""A run whose limit is reached trains nothing and says so; what the closing lines name is there."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
import torch

from stylelayers.training import GAN, GeneratorFile, LatestCheckpoint, StopAfterImages
from tests.training.tiny import BATCH, TINY, command_line, fit, process, tiny_gan

NOTHING = ("trainer.max_steps=0", "trainer.max_epochs=0", "trainer.max_time=0", "trainer.limit_train_batches=0")
SEEN = 2 * BATCH  # by a run of TINY
REACHED = {
    "as many images": (f"callbacks.stop.max_images={SEEN}", rf"callbacks.stop.max_images={SEEN} is reached"),
    "fewer images": ("callbacks.stop.max_images=1", "callbacks.stop.max_images=1 is reached, .*last.ckpt has 8 images"),
    "steps": ("trainer.max_steps=3", "trainer.max_steps=3 is reached"),
    "time": ("trainer.max_time=0", "trainer.max_time=0 is reached"),
}


def named(shown: str) -> list[Path]:
    return [Path(name) for name in re.findall(r"^(?:pictures|generator|checkpoint): +([^ ;\n]+)", shown, re.MULTILINE)]


@pytest.mark.parametrize("limit", NOTHING)
def test_a_limit_of_nothing_trains_nothing_and_leaves_no_folder(
    limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line(monkeypatch, tmp_path, *TINY, limit)
    shown = capsys.readouterr().out
    assert f"nothing is left to train: {limit} is reached" in shown
    assert named(shown) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("case", REACHED)
@pytest.mark.parametrize("here", [True, False])
def test_a_run_beyond_its_limit_is_not_trained_further(
    case: str, here: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line(monkeypatch, tmp_path, *TINY, "hydra.run.dir=runs/a")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and ".hydra" not in path.parts}
    capsys.readouterr()
    override, said = REACHED[case]
    images = "callbacks.stop.max_images=1000"
    where = ("hydra.run.dir=runs/a",) if here else ()
    command_line(monkeypatch, tmp_path, *TINY, images, override, "resume=runs/a", *where)
    shown = capsys.readouterr().out
    assert re.search(f"nothing is left to train: {said}", shown), shown
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and ".hydra" not in path.parts}
    assert after == before
    assert (
        named(shown)
        == [Path("runs/a") / name for name in ("samples", "generator.safetensors", "checkpoints/last.ckpt")][: 3 * here]
    )


def test_the_epochs_of_a_resumed_run_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    epoch = ("trainer.max_epochs=1", "trainer.limit_train_batches=2", "callbacks.stop.max_images=null")
    command_line(monkeypatch, tmp_path, *TINY, *epoch, "hydra.run.dir=run")
    before = (tmp_path / "run" / "checkpoints" / "last.ckpt").read_bytes()
    command_line(monkeypatch, tmp_path, *TINY, *epoch, "hydra.run.dir=run", "resume=auto")
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").read_bytes() == before
    command_line(monkeypatch, tmp_path, *TINY, *epoch, "trainer.max_epochs=2", "hydra.run.dir=run", "resume=auto")
    assert torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["images_seen"] == 4 * BATCH


def test_the_callback_alone_stops_a_run_that_has_seen_its_images(tmp_path: Path) -> None:
    model = tiny_gan()
    fit(model, 3, LatestCheckpoint(tmp_path))
    model = tiny_gan()
    path = tmp_path / "checkpoints" / "last.ckpt"
    fit(model, 9, StopAfterImages(2 * BATCH), GeneratorFile(tmp_path), resume=path)
    assert model.images_seen == 3 * BATCH
    assert (tmp_path / "generator.safetensors").is_file()


def test_only_the_pictures_that_are_made_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command_line(monkeypatch, tmp_path, *TINY, "callbacks.grid=null", "~callbacks.generator", "hydra.run.dir=run")
    assert named(capsys.readouterr().out) == [Path("run/checkpoints/last.ckpt")]


@pytest.mark.usefixtures("interruptible")
def test_two_quick_ctrl_c_end_with_the_resume_line_and_code_of_the_signal(tmp_path: Path) -> None:
    endless = (*TINY, "callbacks.stop.max_images=null", "callbacks.progress.line_seconds=0.01", "hydra.run.dir=run")
    run = process(tmp_path, *endless)
    assert run.stdout is not None
    while "images/s" not in (line := run.stdout.readline()) or "pre-flight" in line:
        assert run.poll() is None, run.communicate()
    run.send_signal(signal.SIGINT)
    assert run.stderr is not None
    while "Ctrl-C" not in run.stderr.readline():
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    output, errors = run.communicate(timeout=120)
    assert run.returncode == 128 + signal.SIGINT
    assert "to resume: python train.py" in output + errors
    assert "Traceback" not in errors
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()


def test_an_error_after_a_signal_ends_with_the_code_of_the_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        signal.raise_signal(signal.SIGTERM)
        raise RuntimeError("the compiler was killed")

    monkeypatch.setattr(GAN, "training_step", killed)
    with pytest.raises(SystemExit) as end:
        command_line(monkeypatch, tmp_path, *TINY, "hydra.run.dir=run")
    assert end.value.code == 128 + signal.SIGTERM
