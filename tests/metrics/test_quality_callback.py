"""Quality while training: when it is measured, what is logged and kept, and that training goes on as if without it."""

from __future__ import annotations

import csv
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from lightning.pytorch.loggers import CSVLogger
from safetensors import safe_open
from torch import Tensor, nn

import train
from stylelayers.checkpoints import load_generator
from stylelayers.metrics import QualityMeter, QualityReport
from stylelayers.training import GAN, LatestCheckpoint, QualityMetrics, StopOnSignal
from stylelayers.training.callbacks import quality as quality_module
from stylelayers.training.distributed import PreflightError
from stylelayers.training.run.checks import check_optimized_metric
from tests.training.processes import in_processes
from tests.training.tiny import BATCH, fit, tiny_config, tiny_data, tiny_gan


class Quarters(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(images, 2).flatten(1)


METER: Any = partial(QualityMeter, features=Quarters(), metrics=["fid"], samples=16, cache=None)


SETTINGS: dict[str, Any] = {
    **{"features": "", "resize_filter": "", "data_filter": "", "samples": 4, "real_images": 4},
    **{"truncation_psi": 1.0, "noise": "random", "seed": 0},
}


class Scripted(QualityMetrics):
    """Finds the given numbers, one a measurement; None where it cannot measure."""

    def __init__(self, folder: Path, numbers: list[float | None], **options: Any) -> None:
        super().__init__(folder, meter=METER, **options)
        self.script, self.seen = iter(numbers), list[int]()

    def _compute_report(self, model: GAN) -> QualityReport | None:
        self.seen.append(model.images_seen)
        value = next(self.script)
        return None if value is None else QualityReport("", "", "", 4, 4, 1.0, "random", 0, fid=value)


class Read(Callback):
    """What the other callbacks see of a metric, batch by batch."""

    def __init__(self) -> None:
        self.values: list[float | None] = []

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        value = trainer.callback_metrics.get("quality/fid")
        self.values.append(None if value is None else float(value))


def test_is_measured_at_multiples_and_at_the_end(tmp_path: Path) -> None:
    quality, read = Scripted(tmp_path, [3.0, 1.0, 2.0], every_images=2 * BATCH), Read()
    trainer = fit(tiny_gan(), 5, quality, read)
    assert quality.seen == [2 * BATCH, 4 * BATCH, 5 * BATCH]
    assert read.values == [None, 3.0, 3.0, 1.0, 1.0]
    assert trainer.callback_metrics["quality/fid"] == 2.0
    at_the_end = Scripted(tmp_path, [3.0, 1.0], every_images=2 * BATCH)
    fit(tiny_gan(), 4, at_the_end)
    assert at_the_end.seen == [2 * BATCH, 4 * BATCH]  # not twice


def test_curves_have_one_row_a_measurement(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="", version="")
    fit(tiny_gan(), 5, Scripted(tmp_path, [3.0, 1.0, 2.0], every_images=2 * BATCH), logger=logger, log_every_n_steps=1)
    rows = [row for row in csv.DictReader((tmp_path / "metrics.csv").open()) if row["quality/fid"]]
    assert [(row["quality/fid"], row["progress/images"]) for row in rows] == [
        ("3.0", "8.0"),
        ("1.0", "16.0"),
        ("2.0", "20.0"),
    ]


def test_the_best_state_and_generator_are_those_that_were_measured(tmp_path: Path) -> None:
    quality = Scripted(tmp_path, [3.0, 1.0, 2.0], every_images=BATCH)
    model = tiny_gan()
    fit(model, 3, quality, LatestCheckpoint(tmp_path, monitor="quality/fid"))
    state = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    assert state["images_seen"] == 2 * BATCH
    best = load_generator(tmp_path / "best.safetensors").state_dict()
    assert all(torch.equal(best[name], state["state_dict"][f"average.module.{name}"]) for name in best)
    assert any(not torch.equal(best[name], tensor) for name, tensor in model.average.module.state_dict().items())
    with safe_open(tmp_path / "best.safetensors", framework="pt") as file:
        assert '"images_seen": 8' in file.metadata()["summary"] and '"fid": 1.0' in file.metadata()["summary"]


def test_a_last_measurement_can_be_the_best(tmp_path: Path) -> None:
    fit(
        tiny_gan(),
        3,
        Scripted(tmp_path, [3.0, 1.0], every_images=2 * BATCH),
        LatestCheckpoint(tmp_path, monitor="quality/fid"),
    )
    assert torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)["images_seen"] == 3 * BATCH


def test_a_resumed_run_knows_the_best_and_keeps_to_the_multiples(tmp_path: Path) -> None:
    fit(tiny_gan(), 3, Scripted(tmp_path, [1.0, 2.0], every_images=2 * BATCH), LatestCheckpoint(tmp_path))
    before = (tmp_path / "best.safetensors").read_bytes()
    resumed = Scripted(tmp_path, [1.5, 0.5], every_images=2 * BATCH)
    fit(tiny_gan(), 1, resumed, resume=tmp_path / "checkpoints" / "last.ckpt")
    assert resumed.seen == [4 * BATCH]
    assert (tmp_path / "best.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        ({}, {}, True),
        ({}, {"best": "recall"}, False),  # a share of 0.5 is no Fréchet distance of 1
        ({}, {"truncation_psi": 0.5}, False),
        ({"samples": 9}, {}, False),
        ({"features": "other"}, {}, False),
    ],
)
def test_a_best_that_was_measured_otherwise_begins_anew(
    before: dict[str, Any], now: dict[str, Any], kept: bool, tmp_path: Path
) -> None:
    def measured(value: float, best: str = "fid", state: dict[str, Any] | None = None, **settings: Any) -> Any:
        quality = QualityMetrics(tmp_path, best=best, meter=METER)
        if state is not None:
            quality.load_state_dict(state)
        trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
        report = QualityReport(**{**SETTINGS, **settings}, fid=value, recall=value)
        quality._keep_best(trainer, tiny_gan(), report)
        return quality.state_dict()

    state = measured(1.0, **before)
    assert measured(2.0, state=state, **now)["best"] == (1.0 if kept else -2.0 if "best" in now else 2.0)
    old = {"best": 1.0}  # of a checkpoint that does not say how it was measured
    assert measured(2.0, state=old)["best"] == 1.0


def test_high_is_good_for_shares(tmp_path: Path) -> None:
    for best, better in (("fid", 0), ("recall", 1)):
        quality = QualityMetrics(tmp_path / best, best=best, meter=METER)
        model, trainer = tiny_gan(), Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
        for model.images_seen, value in enumerate((0.2, 0.4)):
            report = QualityReport("", "", "", 4, 4, 1.0, "random", 0, fid=value, recall=value)
            quality._keep_best(trainer, model, report)
        with safe_open(quality.path, framework="pt") as file:
            assert f'"images_seen": {better}' in file.metadata()["summary"]


def test_a_best_of_other_features_is_forgotten(tmp_path: Path) -> None:
    def report(features: str, fid: float) -> QualityReport:
        return QualityReport(features, "", "", 4, 4, 1.0, "random", 0, fid=fid)

    before, quality = (QualityMetrics(tmp_path, meter=METER) for _ in range(2))
    trainer, model = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu"), tiny_gan()
    before._keep_best(trainer, model, report("inception", 3.0))
    quality.load_state_dict(before.state_dict())
    with pytest.warns(UserWarning, match=r"with features random filters \(before: inception\) from here on"):
        quality._keep_best(trainer, model, report("random filters", 5.0))
    quality._keep_best(trainer, model, report("random filters", 6.0))
    state = quality.state_dict()
    assert (state["best"], state["measured"]["features"]) == (5.0, "random filters")


def test_training_is_the_same_bit_for_bit_with_and_without(tmp_path: Path) -> None:
    models = []
    for callbacks in ([], [QualityMetrics(tmp_path, every_images=BATCH, meter=METER)]):
        torch.manual_seed(0)
        models.append(tiny_gan())
        fit(models[-1], 3, *callbacks, data=tiny_data())
    for (name, alone), measured in zip(models[0].state_dict().items(), models[1].state_dict().values(), strict=True):
        assert torch.equal(alone, measured), name
    assert load_generator(tmp_path / "best.safetensors").resolution == (8, 8)


def test_logged_numbers_are_those_of_the_meter(tmp_path: Path) -> None:
    model = tiny_gan()
    trainer = fit(model, 2, QualityMetrics(tmp_path, meter=METER))
    report = METER(tiny_data())(model.average.module)
    assert float(trainer.callback_metrics["quality/fid"]) == pytest.approx(report.fid)


def test_images_that_are_not_finite_are_warned_of(tmp_path: Path) -> None:
    model = tiny_gan()
    with torch.no_grad():
        next(model.average.module.synthesis.parameters()).fill_(float("nan"))
    quality = QualityMetrics(tmp_path, meter=METER)
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    quality._meter = METER(tiny_data())
    with pytest.warns(UserWarning, match="quality was not measured at 0 images: .* must be finite"):
        quality._measure(trainer, model)
    assert not quality.path.exists()


def test_a_run_that_a_signal_ends_does_not_measure_again(tmp_path: Path) -> None:
    class Interrupt(StopOnSignal):
        def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:  # type: ignore[override]
            self.received, trainer.should_stop = 15, True

    quality = Scripted(tmp_path, [], every_images=100 * BATCH)
    fit(tiny_gan(), 3, quality, Interrupt())
    assert quality.seen == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every_images": 0}, "QualityMetrics: every_images must be an int of at least 1, got 0"),
        ({"every_images": True}, "QualityMetrics: every_images must be an int of at least 1, got True"),
        ({"best": "kid_deviation"}, "QualityMetrics: best must be one of .*, got 'kid_deviation'"),
        ({"best": "psnr"}, "QualityMetrics: best must be one of fid, kid, precision, .*, got 'psnr'"),
    ],
)
def test_settings_that_cannot_be(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QualityMetrics(tmp_path, **options)


def test_a_meter_that_cannot_be_made_ends_the_run_before_it_starts(tmp_path: Path) -> None:
    model = tiny_gan()
    with pytest.raises(PreflightError, match=r"QualityMetrics: meter: .*: features=classifier needs data with labels"):
        fit(model, 1, QualityMetrics(tmp_path, meter=partial(QualityMeter, features="classifier")))
    assert model.images_seen == 0


def agreeing(rank: int, count: int, folder: Path) -> None:
    quality = Scripted(folder, [3.0, None, 1.0] if rank == 0 else [], every_images=2 * BATCH)
    checkpoint = LatestCheckpoint(folder, monitor="quality/fid")
    trainer = fit(tiny_gan(), 2, quality, checkpoint, Read(), devices=count)
    (folder / f"{rank}.txt").write_text(f"{float(trainer.callback_metrics['quality/fid'])} {quality.state_dict()}")


def test_all_processes_log_what_the_first_measures(tmp_path: Path) -> None:
    in_processes(2, agreeing, tmp_path)
    first, second = ((tmp_path / f"{rank}.txt").read_text() for rank in range(2))
    assert first == second
    assert first.startswith("3.0 {'best': 3.0, ")
    assert (tmp_path / "best.safetensors").is_file()


def refused(rank: int, count: int, folder: Path) -> None:
    with pytest.raises(PreflightError, match=("data with labels", "rank 0 failed")[rank]):
        fit(tiny_gan(), 1, QualityMetrics(folder, meter=partial(QualityMeter, features="classifier")), devices=count)


def test_no_process_waits_for_a_meter_that_cannot_be_made(tmp_path: Path) -> None:
    in_processes(2, refused, tmp_path)


def test_a_full_disk_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quality_module, "save_generator", full)
    with pytest.warns(UserWarning, match="the best generator was not written"):
        fit(tiny_gan(), 1, Scripted(tmp_path, [3.0]))


# From the configuration --------------------------------------------------------------------------------------------


def metrics_config(output: Path, *overrides: str) -> Any:
    return tiny_config(
        output,
        "callbacks=metrics",
        "callbacks.quality.meter.features={_target_:tests.metrics.test_quality_callback.Quarters}",
        "callbacks.quality.meter.metrics=[fid]",
        "callbacks.quality.meter.samples=8",
        "callbacks.quality.meter.max_real=32",
        "callbacks.quality.meter.cache=null",
        *overrides,
    )


def test_callbacks_metrics_measure_before_the_default_checkpoint(tmp_path: Path) -> None:
    config, default = metrics_config(tmp_path / "a").callbacks, tiny_config(tmp_path / "b").callbacks
    assert list(config) == ["quality", *default]
    assert config.checkpoint.monitor == "quality/fid"


def test_a_run_keeps_the_best_and_gives_a_sweep_its_metric(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metrics = train.train(metrics_config(tmp_path / "run"))
    assert metrics["quality/fid"] > 0
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
    assert load_generator(tmp_path / "run" / "best.safetensors").resolution == (8, 8)


def test_a_metric_that_is_not_measured_is_refused() -> None:
    trainer = Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    check_optimized_metric(None, trainer)
    check_optimized_metric("loss/generator", trainer)
    with pytest.raises(ValueError, match="optimized_metric=quality/fid is measured by callbacks=metrics"):
        check_optimized_metric("quality/fid", trainer)
