"""Sweeps: Optuna chooses the values of runs for a low Fréchet distance. Needs the extra ``sweep``."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

import train
from stylelayers.training import GAN
from stylelayers.training.guard import DivergedError
from tests.training.tiny import TINY, command_line, compose

TINY_SWEEP = (
    "-m",
    "experiment=digits_sweep",
    *TINY,
    "callbacks.quality.meter.features={_target_:tests.metrics.test_quality_callback.Quarters}",
    "callbacks.quality.meter.metrics=[fid]",
    "callbacks.quality.meter.samples=8",
    "callbacks.quality.meter.max_real=32",
    "callbacks.quality.meter.cache=null",
    "hydra.sweep.dir=sweep",
)
OPTUNA = ("hydra/sweeper=optuna", "hydra.sweeper.n_trials=3", "hydra.sweeper.sampler.seed=0")
needs_optuna = pytest.mark.skipif(
    find_spec("hydra_plugins") is None or find_spec("hydra_plugins.hydra_optuna_sweeper") is None,
    reason="needs hydra-optuna-sweeper: pip install 'stylelayers[sweep]'",
)


def results(folder: Path) -> tuple[dict[str, float], float]:
    found = OmegaConf.to_object(OmegaConf.load(folder / "sweep" / "optimization_results.yaml"))
    assert isinstance(found, dict)
    return found["best_params"], found["best_value"]


def last_fid(folder: Path) -> float:
    header, *rows = (line.split(",") for line in (folder / "metrics.csv").read_text().splitlines())
    values = [row[header.index("quality/fid")] for row in rows]
    return float([value for value in values if value][-1])


def test_the_search_space_names_keys_that_exist() -> None:
    config, plain = compose("experiment=digits_sweep"), compose()
    space = OmegaConf.load(Path(train.CONFIGS) / "experiment" / "digits_sweep.yaml").hydra.sweeper.params
    assert len(space) >= 3
    assert all(OmegaConf.select(plain, key, throw_on_missing=True) is not None for key in space)
    assert config.optimized_metric == "quality/fid" and plain.optimized_metric is None


def test_a_sweep_goes_on_after_a_run_that_diverges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    step, diverged = GAN.training_step, list[int]()

    def diverge_once(*arguments: Any) -> None:
        if not diverged:
            diverged.append(1)
            raise DivergedError("the losses are not finite")
        step(*arguments)

    monkeypatch.setattr(GAN, "training_step", diverge_once)
    swept = ("-m", "seed=1,2", "optimized_metric=loss/generator", "hydra.sweep.dir=sweep", "~callbacks.preflight")
    command_line(monkeypatch, tmp_path, *swept, *TINY)
    assert "train.py: the losses are not finite; the run counts as infinitely bad" in capsys.readouterr().err
    assert [(tmp_path / "sweep" / run / "generator.safetensors").is_file() for run in "01"] == [False, True]


@needs_optuna
def test_the_best_run_is_the_one_with_the_lowest_distance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command_line(monkeypatch, tmp_path, *TINY_SWEEP, *OPTUNA)
    parameters, value = results(tmp_path)
    distances = [last_fid(tmp_path / "sweep" / str(run)) for run in range(3)]
    assert value == pytest.approx(min(distances), rel=1e-5)
    assert len(set(distances)) == 3
    best = OmegaConf.load(tmp_path / "sweep" / str(distances.index(min(distances))) / "config.yaml")
    assert all(OmegaConf.select(best, key) == chosen for key, chosen in parameters.items())


@needs_optuna
def test_a_run_that_diverges_counts_as_infinitely_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    iterate = GAN.iterate
    diverged: list[int] = []

    def diverge_once(*arguments: Any, **options: Any) -> Any:
        if not diverged:
            diverged.append(1)
            raise DivergedError("the losses are not finite")
        return iterate(*arguments, **options)

    monkeypatch.setattr(GAN, "iterate", diverge_once)
    command_line(monkeypatch, tmp_path, *TINY_SWEEP, "~callbacks.preflight", *OPTUNA)
    assert "the run counts as infinitely bad" in capsys.readouterr().err
    _, value = results(tmp_path)
    assert math.isfinite(value)
    assert value == pytest.approx(min(last_fid(tmp_path / "sweep" / str(run)) for run in (1, 2)), rel=1e-5)
