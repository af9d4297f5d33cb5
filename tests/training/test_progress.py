"""What a run says of itself: lines of text, a bar on a terminal, and how much is done."""

from __future__ import annotations

import io
import re
import sys
import threading
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import pytest
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import Timer
from rich.console import Console
from rich.live import _RefreshThread

from stylelayers.training import GAN, StopAfterImages, Throughput, TrainingProgress
from stylelayers.training.callbacks.outputs import open_output
from stylelayers.training.callbacks.progress import fraction_done
from tests.training.tiny import BATCH, fit, tiny_gan

NUMBER = r"-?\d+\.\d+"
LINE = re.compile(
    rf"(?P<images>[\d,]+) images(?P<left> · \d+:\d\d left)?( · \d+ images/s)? · G {NUMBER} · D {NUMBER}"
    rf" · path length {NUMBER} · R1 {NUMBER}"
)


def lines_of(capsys: pytest.CaptureFixture[str], *callbacks: Callback, iterations: int = 4) -> list[re.Match[str]]:
    """The lines that a training prints, each of which must have the form of `LINE`."""
    fit(tiny_gan(), iterations, *callbacks, enable_progress_bar=True)
    matches = [LINE.fullmatch(line) for line in capsys.readouterr().out.splitlines()]
    assert None not in matches
    return cast("list[re.Match[str]]", matches)


def test_lines_say_images_speed_losses_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of(capsys, StopAfterImages(9 * BATCH), Throughput(), TrainingProgress(0.0))
    assert [line["images"] for line in lines] == ["4", "8", "12", "16"]
    assert all(line["left"] for line in lines)
    assert ["images/s" in line[0] for line in lines] == [False, True, True, True]


def test_without_a_limit_nothing_is_said_of_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    assert not any("left" in line[0] for line in lines_of(capsys, TrainingProgress(0.0)))


@pytest.mark.parametrize(("seconds", "count"), [(0.0, 4), (1e9, 0)])
def test_lines_come_every_so_many_seconds(capsys: pytest.CaptureFixture[str], seconds: float, count: int) -> None:
    assert len(lines_of(capsys, TrainingProgress(seconds))) == count


def test_a_disabled_one_is_silent_until_enabled(capsys: pytest.CaptureFixture[str]) -> None:
    progress = TrainingProgress(0.0)
    progress.disable()
    assert lines_of(capsys, progress) == []
    progress.enable()
    assert len(lines_of(capsys, progress)) == 4


def test_the_time_left_is_that_of_the_images_left_also_after_a_resume(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    trainer, model = (
        state(StopAfterImages(100), callback_metrics={}),
        SimpleNamespace(images_seen=20, loss=SimpleNamespace(penalties=())),
    )
    progress = TrainingProgress(1.0)
    progress.on_train_start(trainer, cast(GAN, model))
    for seconds, images in ((30.2, 40), (34.5, 80)):  # 20 of 80 images in 30 seconds, then 60
        clock[0], model.images_seen = 1000.0 + seconds, images
        progress.on_train_batch_end(trainer, cast(GAN, model))
    assert capsys.readouterr().out.splitlines() == ["40 images · 1:30 left", "80 images · 0:11 left"]


def drawing() -> int:
    """Threads in which Rich draws, that are not about to end."""
    return sum(isinstance(thread, _RefreshThread) and not thread.done.is_set() for thread in threading.enumerate())


@pytest.mark.parametrize("fails", [False, True])
def test_a_terminal_gets_a_bar_that_ends_with_the_training(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    clock = iter(range(10**6))
    monkeypatch.setattr("stylelayers.training.callbacks.progress.time.monotonic", lambda: float(next(clock)))
    during: list[int] = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: Any) -> None:
            during.append(drawing())
            if fails and len(during) == 2:
                raise RuntimeError("stop")

    callbacks = (StopAfterImages(8 * BATCH), TrainingProgress(0.0), Watch())
    if fails:
        with pytest.raises(RuntimeError, match="stop"):
            fit(tiny_gan(), 4, *callbacks, enable_progress_bar=True)
    else:
        fit(tiny_gan(), 4, *callbacks, enable_progress_bar=True)
    assert min(during) == 1
    assert drawing() == 0
    assert re.search(r"\d+ images · ", capsys.readouterr().out)


def screen(width: int, *texts: str, **options: Any) -> str:
    """What a bar writes to a terminal for these texts; colours and the cursor's visibility apart."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, **options)
    output = open_output(console, 30.0)
    for text in texts:
        output.show(text, 0.5)
    output.close()
    return re.sub(r"\x1b\[(\?25[hl]|[\d;]*m)", "", cast(io.StringIO, console.file).getvalue())


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_bar_is_one_line_that_is_overwritten(width: int) -> None:
    written = screen(width, "0 images", "1,000 images" + " · D 1.00" * 30)
    assert written.count("\n") == 1 and written.endswith("\n")  # at the end
    assert set(re.findall(r"\x1b\[\d*[A-Z]", written)) <= {"\x1b[2K"}
    last = written.rstrip("\n").rpartition("\x1b[2K")[2]
    assert len(last) == width
    assert re.search(r"━ 0:00:0\d 1,000 ", last)


def test_a_terminal_that_cannot_overwrite_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert screen(80, "a", "b") == "a\nb\n"


def test_a_file_gets_lines_without_control_characters(tmp_path: Path) -> None:
    with open(tmp_path / "log", "w") as file:
        output = open_output(Console(file=file, soft_wrap=True), 30.0)
        for text in ("1,000 images" + " · D 1.00" * 30, "2,000 images"):
            output.show(text, 0.5)
        output.close()
    first, second = (tmp_path / "log").read_text().splitlines()
    assert (first[-4:], second) == ("1.00", "2,000 images")
    assert output.seconds == 30.0
    assert "\x1b" not in first and "\r" not in first


def test_a_notebook_gets_one_text_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interface of IPython, whose real kernel gives the same cell."""
    outputs: list[str] = []

    class Handle:
        def update(self, content: dict[str, str], *, raw: bool) -> None:
            outputs[-1] = content["text/plain"]

    def display(content: dict[str, str], *, raw: bool, display_id: bool) -> Handle:
        assert raw and display_id
        outputs.append(content["text/plain"])
        return Handle()

    monkeypatch.setitem(sys.modules, "IPython", ModuleType("IPython"))
    monkeypatch.setitem(sys.modules, "IPython.display", cast(ModuleType, SimpleNamespace(display=display)))
    progress = TrainingProgress()
    progress._console = Console(force_jupyter=True)
    clock = iter(range(10**6))
    monkeypatch.setattr("stylelayers.training.callbacks.progress.time.monotonic", lambda: float(next(clock)))
    fit(tiny_gan(), 9, StopAfterImages(8 * BATCH), progress, enable_progress_bar=True)
    assert len(outputs) == 1
    assert outputs[0].startswith(f"100 % · {8 * BATCH} images · G ")


class HalfTime(Timer):
    def time_elapsed(self, *_: Any) -> float:
        return 30.0


def state(*callbacks: Callback, **changes: Any) -> Trainer:
    """A trainer without a limit, but for `changes`."""
    values = {
        "max_steps": -1,
        "global_step": 60,
        "max_epochs": -1,
        "num_training_batches": 10,
        "current_epoch": 1,
        "fit_loop": SimpleNamespace(batch_idx=4),
        "limit_train_batches": 1.0,
        "callbacks": list(callbacks),
    }
    return cast(Trainer, SimpleNamespace(**{**values, **changes}))


@pytest.mark.parametrize(
    ("trainer", "fraction"),
    [
        (state(), None),
        (state(max_epochs=None), None),
        (state(StopAfterImages()), None),
        (state(HalfTime()), None),
        (state(max_steps=80), 60 / 80),
        (state(max_epochs=2), 15 / 20),
        (state(max_epochs=2, num_training_batches=0), None),
        (state(StopAfterImages(400)), 100 / 400),
        (state(StopAfterImages(50)), 1.0),
        (state(HalfTime(duration=timedelta(seconds=60))), 0.5),
        (state(HalfTime(duration=timedelta(seconds=60)), StopAfterImages(400), max_steps=80), 60 / 80),
    ],
)
def test_the_limit_that_comes_first_says_how_much_is_done(trainer: Trainer, fraction: float | None) -> None:
    assert fraction_done(trainer, images_seen=100) == fraction
