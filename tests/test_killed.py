"""Runs that are killed, interrupted or robbed of files: nothing is lost but the time since the last checkpoint."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from tests.training.tiny import TINY, image_files, process

SECONDS_BETWEEN = 0.3  # of checkpoints
ENDLESS = (
    *(option for option in TINY if "max_images" not in option),
    f"callbacks.checkpoint.every_minutes={SECONDS_BETWEEN / 60}",
    f"callbacks.grid.every_images={20}",
    "trainer.max_time=null",
    "loss.style_mixing=0.5",
    "loss.path_length_weight=2.0",
    "hydra.run.dir=run",
    "resume=auto",
)


def seen(folder: Path) -> int:
    """Images in the newest checkpoint, which a kill while renaming leaves under another name; 0 before the first."""
    for name in ("new.ckpt", "last.ckpt", "last-1.ckpt"):
        with suppress(FileNotFoundError):
            return int(torch.load(folder / "run" / "checkpoints" / name, weights_only=True)["images_seen"])
    return 0


def wait_for(condition: object, run: subprocess.Popen[str], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and run.poll() is None and time.monotonic() < deadline:  # type: ignore[operator]
        time.sleep(0.02)
    assert run.poll() is None, run.communicate()


def checkpoint_time(folder: Path) -> float:
    path = folder / "run" / "checkpoints" / "last.ckpt"
    return path.stat().st_mtime if path.is_file() else 0.0


@pytest.mark.parametrize("kills", [1, pytest.param(30, marks=pytest.mark.slow)])
def test_a_run_that_is_killed_goes_on_from_its_last_checkpoint(kills: int, tmp_path: Path) -> None:
    """Kills at random moments of training: within steps, checkpoints and grids."""
    random.seed(0)
    for _ in range(kills):
        before, started = seen(tmp_path), time.time()
        run = process(tmp_path, *ENDLESS)
        wait_for(lambda started=started: checkpoint_time(tmp_path) > started, run)
        time.sleep(random.uniform(0, 2 * SECONDS_BETWEEN))
        run.send_signal(signal.SIGKILL)
        run.communicate()
        assert seen(tmp_path) > before  # it had gone on from there, and was saved again
    run = process(tmp_path, *ENDLESS, f"callbacks.stop.max_images={seen(tmp_path) + 8}")
    _output, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors
    assert (tmp_path / "run" / "generator.safetensors").is_file()
    assert not list((tmp_path / "run").rglob("*.part"))


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_with_all_its_files_and_the_command_to_resume(number: int, tmp_path: Path) -> None:
    run = process(tmp_path, *ENDLESS)
    wait_for(lambda: seen(tmp_path) > 0, run)
    run.send_signal(number)
    output, errors = run.communicate(timeout=120)
    assert run.returncode == 128 + number, errors
    assert "finishing this iteration" in errors
    assert "to resume: python train.py" in output.splitlines()[-1]
    assert "run/checkpoints/last.ckpt" in output
    assert (tmp_path / "run" / "generator.safetensors").is_file()


def test_a_file_deleted_in_mid_run_is_named_and_the_run_can_be_resumed(tmp_path: Path) -> None:
    files = image_files(tmp_path / "images", count=12)
    options = ("data=folder", f"data.root={files}")
    run = process(tmp_path, *ENDLESS, *options)
    wait_for(lambda: seen(tmp_path) > 0, run)
    gone = sorted(files.rglob("*.png"))[0]
    gone.unlink()
    _output, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    assert gone.name in errors
    assert "to resume: python train.py" in errors


def test_a_killed_data_worker_ends_the_run_with_an_error(tmp_path: Path) -> None:
    files = image_files(tmp_path / "images", count=12)
    run = process(tmp_path, *ENDLESS, "data=folder", f"data.root={files}", "data.num_workers=1")
    wait_for(lambda: seen(tmp_path) > 0, run)
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    if not children.is_file():
        pytest.skip("finding the worker needs /proc")
    workers = [int(child) for child in children.read_text().split() if b"train.py" in _command(int(child))]
    os.kill(workers[-1], signal.SIGKILL)
    _output, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    assert "DataLoader worker" in errors
    assert "to resume: python train.py" in errors


def _command(process_id: int) -> bytes:
    return Path(f"/proc/{process_id}/cmdline").read_bytes()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = process(tmp_path, *TINY, "output=file/run")
    _output, errors = run.communicate(timeout=120)
    assert run.returncode == 1
    assert errors.strip().splitlines()[-1].startswith("train.py: ")
    assert "file/run" in errors
    assert "Traceback" not in errors
