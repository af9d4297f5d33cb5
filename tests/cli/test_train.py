"""``stylelayers train``: the training of ``train.py``, with texts that name the command."""

from __future__ import annotations

import re
import shlex
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stylelayers.training.run import main as program
from tests.test_killed import ENDLESS, seen, wait_for
from tests.training.tiny import BATCH, TINY, process, train_command

AS_MODULE = ("-m", "stylelayers", "train")
MORE = f"callbacks.stop.max_images={4 * BATCH}"
OPTIONS = "# @package _global_\nloss:\n  r1_gamma: 7\n"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What the command prints, in a folder with an experiment of the user's own."""
    (tmp_path / "own" / "experiment").mkdir(parents=True)
    (tmp_path / "own" / "experiment" / "mine.yaml").write_text(OPTIONS)

    def output(*arguments: str, code: object = 0) -> str:
        with pytest.raises(SystemExit) as end:
            train_command(monkeypatch, tmp_path, *arguments)
        shown = capsys.readouterr()
        assert (end.value.code or 0, shown.err) == (code, "")
        return shown.out

    return output


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_is_hydras(said: Callable[..., str], option: str) -> None:
    shown = said(option)
    assert len(re.findall(r"^  stylelayers train", shown, re.MULTILINE)) == 5
    assert "experiment: cifar10, " in shown
    assert "train.py" not in shown


def test_options_go_to_hydra(said: Callable[..., str]) -> None:
    shown = said("--cfg", "job", "--config-dir", "own", "experiment=mine", "-p", "loss")
    assert "r1_gamma: 7\n" in shown


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("xyzzy=1",), "xyzzy is not a key of the configuration; stylelayers train --help lists all"),
        (("+xyzzy=1",), "xyzzy is not a key of the configuration; stylelayers train --help lists all; leave .*"),
        (("resume=auto",), "resume=auto goes on in a folder with a name; add hydra.run.dir=runs/NAME, .*"),
        (("resume=own/experiment/mine.yaml",), "resume must name a checkpoint of stylelayers train, got .*"),
        (("--config-dir", "absent"), "Additional config directory '.*/absent' not found"),
        (("-m", "seed=-1,1"), r"seed must be in \[0, 2\*\*32\), got -1"),
    ],
)
def test_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: Callable[..., str], arguments: tuple[str, ...], line: str
) -> None:
    with pytest.raises(SystemExit) as end:
        train_command(monkeypatch, tmp_path, *arguments, *TINY)
    assert re.fullmatch(f"stylelayers train: {line}", str(end.value.code))
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_other_errors_keep_their_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(cfg: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(program, "supervised", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        train_command(monkeypatch, tmp_path, *TINY)


def test_the_resume_command_is_the_command_with_the_users_configurations(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: Callable[..., str]
) -> None:
    own = ("--config-dir", "own", "experiment=mine")
    shown = said(*own, *TINY)
    words = shlex.split(shown.splitlines()[-1].partition("to resume: ")[2])
    assert words[:4] == ["stylelayers", "train", "--config-dir=own", "experiment=mine"]
    assert MORE in words and any(word.startswith("resume=runs/") for word in words)
    said(*words[2:])
    seen_images = [torch.load(path, weights_only=True)["images_seen"] for path in tmp_path.rglob("last.ckpt")]
    assert sorted(seen_images) == [2 * BATCH, 4 * BATCH]


def test_sigterm_writes_a_checkpoint(tmp_path: Path) -> None:
    run = process(tmp_path, *ENDLESS, program=AS_MODULE)
    wait_for(lambda: seen(tmp_path) > 0, run, seconds=300)
    assert seen(tmp_path) > 0
    run.send_signal(signal.SIGTERM)
    output, errors = run.communicate()
    assert run.returncode == 128 + signal.SIGTERM, errors
    assert "to resume: stylelayers train" in output.splitlines()[-1]


@pytest.mark.slow
def test_two_processes_train_one_run(tmp_path: Path) -> None:
    run = process(tmp_path, *TINY, "trainer.devices=2", program=AS_MODULE)
    output, errors = run.communicate()
    assert run.returncode == 0, errors
    assert output.count("to resume: stylelayers train") == 1
    assert len([*(tmp_path / "runs").iterdir()]) == 1
