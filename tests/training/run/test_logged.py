"""What is chosen by a number that is never logged, or by the wrong end of it, is refused before training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning import Callback, Trainer

import train
from stylelayers.training import GAN, LatestCheckpoint
from stylelayers.training.run.checks import check_optimized_metric, check_run
from stylelayers.training.run.logged import logged_names
from tests.training.tiny import TINY, compose, fit, tiny_config, tiny_data, tiny_gan

MONITOR, BEST, METRICS = "callbacks.checkpoint.monitor=", "callbacks.quality.best=", "callbacks.quality.meter.metrics="
REFUSED: dict[tuple[str, ...], str] = {
    (MONITOR + "quality/fid",): r"^callbacks.checkpoint.monitor=quality/fid is measured by callbacks=metrics",
    (MONITOR + "nonsense",): r"^callbacks.checkpoint.monitor=nonsense is not logged; this run logs .*loss/generator",
    (MONITOR + "loss/generatr",): "did you mean loss/generator",
    ("loss.r2_gamma=0", MONITOR + "penalty/r2"): "penalty/r2 is not logged",
    (MONITOR + "augment/p",): "augment/p is not logged",
    (MONITOR + "schedule/beta2",): "schedule/beta2 is not logged",
    ("~callbacks.throughput", MONITOR + "speed/images_per_second"): "is not logged",
    ("callbacks=metrics", MONITOR + "quality/fidd"): "did you mean quality/fid",
    ("callbacks=metrics", MONITOR + "quality/ppl"): "quality/ppl is not logged",
    ("callbacks=metrics", METRICS + "[kid]", BEST + "kid"): "monitor=quality/fid is not logged",
    (
        "callbacks=metrics",
        MONITOR + "quality/recall",
    ): "mode must be max for callbacks.checkpoint.monitor=quality/recall, got min",
    ("callbacks=metrics", "callbacks.checkpoint.mode=max"): "mode must be min for .*monitor=quality/fid, got max",
    ("callbacks=metrics", MONITOR + "null", METRICS + "[kid]"): "^callbacks.quality.best must be .*kid.*, got fid",
    ("callbacks=metrics", BEST + "ppl"): "^callbacks.quality.best must be .*, got ppl",
    ("callbacks=metrics", BEST + "recognised", "callbacks.quality.meter.features=inception"): "got recognised",
    ("callbacks=metrics", BEST + "asked_recognised", "data.labels=false"): "got asked_recognised",
    (
        "callbacks=metrics",
        METRICS + "[fid,eq_t]",
    ): "meter.metrics: eq_t needs an alias-free .* Generator$",
    (MONITOR + "blur/sigma",): "blur/sigma is not logged",
    ("optimized_metric=quality/fid",): "^optimized_metric=quality/fid is measured by callbacks=metrics",
    ("optimized_metric=nonsense",): "^optimized_metric=nonsense is not logged",
}
FINE: list[tuple[str, ...]] = [
    (MONITOR + "loss/generator", "optimized_metric=penalty/r1"),
    (MONITOR + "samples/diversity", "callbacks.checkpoint.mode=max"),
    ("augment=ada", MONITOR + "augment/p"),
    ("model.blur_sigma=2", MONITOR + "blur/sigma"),
    (MONITOR + "schedule/learning_rate",),
    ("callbacks=metrics", METRICS + "[perceptual_path_length]", BEST + "ppl", MONITOR + "quality/ppl"),
    ("callbacks=metrics", BEST + "asked_recognised", "optimized_metric=quality/fid"),
    ("callbacks=metrics", BEST + "null", MONITOR + "quality/recall", "callbacks.checkpoint.mode=max"),
    ("+callbacks.mine={_target_:tests.training.run.test_logged.Mine}", MONITOR + "mine"),
]


class Mine(Callback):
    """Logs a name of its own."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        pl_module.log("mine", 1.0)


def check(*overrides: str) -> None:
    """What train.py does before training."""
    config = compose(*TINY, "output=run", *overrides)
    parts = train.build(config)
    check_run(*parts, multirun=False)
    check_optimized_metric(config.optimized_metric, *parts)


@pytest.mark.parametrize("overrides", REFUSED, ids=" ".join)
def test_a_choice_by_what_is_not_logged_is_refused(overrides: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=REFUSED[overrides]):
        check(*overrides)


@pytest.mark.parametrize("overrides", FINE, ids=" ".join)
def test_another_is_not(overrides: tuple[str, ...]) -> None:
    check(*overrides)


def test_a_sweep_goes_the_way_of_better_quality() -> None:
    parts = train.build(compose(*TINY, "output=run", "callbacks=metrics"))
    for metric, direction in (
        ("quality/fid", "minimize"),
        ("quality/recall", "maximize"),
        ("loss/generator", "maximize"),
    ):
        check_optimized_metric(metric, *parts, direction=direction)
    with pytest.raises(
        ValueError, match="direction must be maximize for optimized_metric=quality/recall, got minimize"
    ):
        check_optimized_metric("quality/recall", *parts, direction="minimize")


@pytest.mark.parametrize(
    "overrides",
    [
        ("loss.r1_interval=1", "loss.path_length_weight=2", "loss.path_length_interval=1", "augment=ada"),
        ("loss=wgan_gp", "loss.r1_gamma=0", "callbacks.schedules.beta2=[[0,0.9]]"),
        ("loss=r3gan", "loss.r1_interval=1", "data.labels=false", "~callbacks.throughput"),
    ],
    ids=" ".join,
)
def test_the_names_are_those_that_a_run_logs(overrides: tuple[str, ...], tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "run", "callbacks.stop.max_images=12", *overrides)
    trainer, model, data = train.build(config)
    names = logged_names(trainer, model, data)
    assert set(train.fit(config, trainer, model, data)) == names - {"steps/skipped"}


def test_a_monitor_that_was_not_logged_after_all_is_said(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="monitor=mine was not logged; no best.ckpt"):
        fit(tiny_gan(), 1, LatestCheckpoint(tmp_path, monitor="mine"), data=tiny_data())
