"""A folder belongs to one run."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import hydra
import pytest
from omegaconf import DictConfig

import train
from stylelayers.training.run.folders import RunFolders, claimed, discard, is_follower
from stylelayers.training.run.locks import TakenError
from tests.training.tiny import BATCH, TINY, command_line, process, tiny_config

MORE = f"callbacks.stop.max_images={4 * BATCH}"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def composed(*overrides: str) -> DictConfig:
    """With Hydra's own part."""
    with hydra.initialize_config_dir(train.CONFIGS, version_base="1.3"):
        return hydra.compose("train", list(overrides), return_hydra_config=True)


@pytest.fixture
def refusal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., str]:
    def line(*arguments: str) -> str:
        with pytest.raises(SystemExit) as end:
            command_line(monkeypatch, tmp_path, *arguments)
        assert isinstance(end.value.code, str)
        assert "\n" not in end.value.code
        return end.value.code

    return line


# Names that are ours ------------------------------------------------------------------------------------------------


def occupied(folder: Path, seconds: int = 300) -> None:
    """Runs of all the seconds to come."""
    for second in range(seconds):
        name = f"{datetime.now() + timedelta(seconds=second):%Y-%m-%d_%H-%M-%S}"
        (folder / "runs" / name).mkdir(parents=True, exist_ok=True)


def test_a_start_in_the_second_of_another_has_a_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    occupied(tmp_path)
    command_line(monkeypatch, tmp_path, *TINY)
    (folder,) = {path.parent for path in tmp_path.rglob("config.yaml") if path.parent.name != ".hydra"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-2", folder.name)
    assert (folder / "generator.safetensors").is_file()
    assert f"resume=runs/{folder.name}/checkpoints/last.ckpt" in capsys.readouterr().out


def test_so_has_a_sweep_with_all_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    occupied(tmp_path)
    command_line(monkeypatch, tmp_path, "-m", *TINY, "seed=1,2")
    made = {path.parent for path in tmp_path.rglob("generator.safetensors")}
    (sweep,) = {folder.parent for folder in made}
    assert sweep.name.endswith("-2")
    assert sorted(folder.name for folder in made) == ["0", "1"]
    assert (sweep / "multirun.yaml").is_file()


def test_names_are_taken_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    for _ in range(3):
        config = composed()
        config.hydra.run.dir = "runs/${now:%Y}"
        RunFolders().on_run_start(config)
        names.append(config.hydra.run.dir)
    year = f"runs/{datetime.now():%Y}"
    assert names == [year, f"{year}-2", f"{year}-3"]


@pytest.mark.parametrize("variable", ["RANK", "LOCAL_RANK", "SLURM_PROCID", "NODE_RANK"])
def test_a_process_beside_the_first_makes_no_folder(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_follower()
    monkeypatch.setenv(variable, "1")
    assert is_follower()
    RunFolders().on_run_start(composed())
    RunFolders().on_multirun_start(composed())
    assert list(tmp_path.iterdir()) == []


# Names that the user chose ------------------------------------------------------------------------------------------

NAMED = {
    "hydra.run.dir": ("hydra.run.dir=runs/a",),
    "output": ("output=runs/a",),
    "both alike": ("output=runs/a", "hydra.run.dir=./runs/a"),
    "a sweep": ("-m", "hydra.sweep.dir=runs", "hydra.sweep.subdir=a"),
}


@pytest.mark.parametrize("case", NAMED)
def test_a_second_run_in_a_named_folder_is_refused(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Callable[..., str]
) -> None:
    command_line(monkeypatch, tmp_path, *NAMED[case], *TINY)
    before = files(tmp_path / "runs" / "a")
    assert "generator.safetensors" in before
    line = refusal(*NAMED[case], *TINY, "seed=1")
    assert re.search(r"=.*runs/a holds a run already; go on with it \(resume=auto, .*\), or name another", line), line
    assert files(tmp_path / "runs" / "a") == before
    assert case != "output" or list((tmp_path / "runs").iterdir()) == [tmp_path / "runs" / "a"]


@pytest.mark.parametrize("resume", ["auto", "runs/a", "runs/a/checkpoints/last.ckpt"])
def test_the_same_run_goes_on_in_its_folder(resume: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command_line(monkeypatch, tmp_path, *TINY, "hydra.run.dir=runs/a")
    command_line(monkeypatch, tmp_path, *TINY, MORE, "hydra.run.dir=runs/a", f"resume={resume}")
    assert {"metrics.csv", "metrics.0.csv", "checkpoints/last-1.ckpt"} <= set(files(tmp_path / "runs" / "a"))


def test_another_run_does_not_go_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Callable[..., str]
) -> None:
    for name in ("a", "b"):
        command_line(monkeypatch, tmp_path, *TINY, f"hydra.run.dir=runs/{name}")
    before = files(tmp_path / "runs" / "b")
    assert "runs/b holds a run already" in refusal(*TINY, MORE, "hydra.run.dir=runs/b", "resume=runs/a")
    assert files(tmp_path / "runs" / "b") == before


def test_checkpoints_alone_are_a_run_too(tmp_path: Path, refusal: Callable[..., str]) -> None:
    (tmp_path / "runs" / "a" / "checkpoints").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "checkpoints" / "last.ckpt").write_bytes(b"x")
    assert "runs/a holds a run already" in refusal(*TINY, "hydra.run.dir=runs/a")


UNUSABLE = {
    ("hydra.run.dir=pictures/a.png",): "hydra.run.dir=pictures/a.png cannot be made: File exists",
    ("output=pictures/a.png/run",): "hydra.run.dir=pictures/a.png/run cannot be made: Not a directory",
    ("-m", "hydra.sweep.dir=pictures/a.png"): "hydra.sweep.dir=pictures/a.png cannot be made: File exists",
    ("-m", "output=runs/a", "seed=1,2"): "output would be the one folder of all runs of a sweep; name hydra.sweep.dir",
    ("output=runs/a", "hydra.run.dir=runs/b"): "output=runs/a and hydra.run.dir=runs/b name two folders for one run",
    ("hydra.job.chdir=true",): "hydra.job.chdir=true would lead relative paths elsewhere",
    ("-m", "hydra.job.chdir=true"): "hydra.job.chdir=true would lead relative paths elsewhere",
}


@pytest.mark.parametrize("arguments", UNUSABLE, ids=" ".join)
def test_a_name_that_no_run_can_have_is_refused(
    arguments: tuple[str, ...], tmp_path: Path, refusal: Callable[..., str]
) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").touch()
    options = [argument for argument in arguments if argument.startswith("-")]
    assert UNUSABLE[arguments] in refusal(*options, *TINY, *arguments[len(options) :])
    assert list(tmp_path.rglob("*")) == [tmp_path / "pictures", tmp_path / "pictures" / "a.png"]


@pytest.mark.parametrize("key", ["hydra.run.dir", "output"])
def test_the_home_folder_is_meant_in_quotes_too(key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    config = composed(f"{key}='~/my run'")
    RunFolders().on_run_start(config)
    assert config.hydra.run.dir == str(tmp_path / "home" / "my run")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_of_two_at_the_same_time_one_has_the_folder(tmp_path: Path) -> None:
    runs = [process(tmp_path, *TINY, "hydra.run.dir=run") for _ in range(2)]
    errors = [run.communicate()[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1]
    (line,) = (error for error in errors if error)
    refusal = r"train\.py: .*run (holds a run already|is in use by another process)[:;] .*resume=auto.*\n"
    assert re.fullmatch(refusal, line)


def test_a_folder_in_use_is_not_gone_on_in(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "a", "seed: 0", resume=None),
        pytest.raises(TakenError, match="in use by another process"),
        claimed(tmp_path / "a", "seed: 1", resume="auto"),
    ):
        raise AssertionError("two had it")
    assert (tmp_path / "a" / "config.yaml").read_text() == "seed: 0"
    with claimed(tmp_path / "a", "seed: 2", resume="auto"):
        assert (tmp_path / "a" / "config.yaml").read_text() == "seed: 2"


def test_auto_without_a_name_is_refused(refusal: Callable[..., str], tmp_path: Path) -> None:
    assert "add hydra.run.dir=runs/NAME" in refusal(*TINY, "resume=auto")
    assert list(tmp_path.iterdir()) == []


def test_auto_says_that_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where a run was killed before its first checkpoint."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    command_line(monkeypatch, tmp_path, *TINY, "hydra.run.dir=run", "resume=auto")
    assert re.search("^resume=auto: .*run holds no checkpoint yet, a new run begins there", capsys.readouterr().out)
    assert (tmp_path / "run" / "generator.safetensors").is_file()


# What is there ------------------------------------------------------------------------------------------------------


def test_earlier_metrics_are_numbered_after_the_highest(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    for part in range(3):
        (folder / "metrics.csv").parent.mkdir(exist_ok=True)
        (folder / "metrics.csv").write_text(str(part))
        with claimed(folder, "", resume="auto"):
            pass
    (folder / "metrics.0.csv").unlink()
    (folder / "metrics.old.csv").touch()
    (folder / "metrics.csv").write_text("3")
    with claimed(folder, "", resume="auto"):
        pass
    assert {path.name: path.read_text() for path in folder.glob("metrics.*.csv")} == {
        **{"metrics.1.csv": "1", "metrics.2.csv": "2", "metrics.3.csv": "3"},
        "metrics.old.csv": "",
    }


@pytest.mark.parametrize("options", [(), ("hydra.run.dir=deep/down/run",), ("output=run",), ("-m", "seed=1,2")])
def test_a_refused_run_leaves_no_folder(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusal: Callable[..., str]
) -> None:
    assert "batch_size" in refusal(*options, *TINY, "data.batch_size=0")
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays(tmp_path: Path, refusal: Callable[..., str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").touch()
    assert "batch_size" in refusal("hydra.run.dir=run", *TINY, "data.batch_size=0")
    assert (tmp_path / "run" / "notes.txt").exists()


def test_the_folder_that_a_run_was_started_from_is_never_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    discard(Path("."))
    discard(tmp_path)
    assert (tmp_path / "here").is_dir()


def test_the_library_call_claims_as_well(tmp_path: Path) -> None:
    train.train(tiny_config(tmp_path / "run"))
    before = files(tmp_path / "run")
    with pytest.raises(TakenError, match="holds a run already"):
        train.train(tiny_config(tmp_path / "run", "seed=1"))
    assert files(tmp_path / "run") == before
