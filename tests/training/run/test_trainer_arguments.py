"""Arguments of Lightning's trainer that mean nothing to a GAN: every one of them is known, and named with what does."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from lightning import Trainer

import train
from stylelayers.training.run.trainer_arguments import check_trainer_arguments
from tests.training.tiny import compose, tiny_config

REFUSED = {
    "gradient_clip_val=1": r"set model\.max_grad_norm",
    "gradient_clip_algorithm=value": r"set model\.max_grad_norm",
    "accumulate_grad_batches=2": r"set model\.micro_batches",
    "overfit_batches=1": r"data=folder",
    "overfit_batches=0.5": r"data=folder",
    "limit_val_batches=2": r"has no effect: nothing is validated",
    "limit_test_batches=2": r"has no effect: nothing is validated",
    "limit_predict_batches=2": r"has no effect: nothing is validated",
    "val_check_interval=5000": r"has no effect: nothing is validated",
    "check_val_every_n_epoch=2": r"has no effect: nothing is validated",
    "num_sanity_val_steps=2": r"has no effect: nothing is validated",
    "inference_mode=false": r"has no effect",
    "callbacks=[]": None,
    "callbacks=[{_target_: stylelayers.training.Health}]": r"the group callbacks",
    "logger=true": r"the group logger",
    "barebones=true": r"~callbacks",
    "sync_batchnorm=true": r"has no effect",
    "use_distributed_sampler=false": r"has no effect",
    "enable_autolog_hparams=false": r"has no effect",
    "model_registry=name": r"has no effect",
    "min_steps=1": "would outlast every limit",
    "min_epochs=3": "would outlast every limit",
    "min_steps=null": None,
    "min_epochs=0": None,
    "gradient_clip_val=0": None,
    "gradient_clip_val=null": None,
    "accumulate_grad_batches=1": None,
    "overfit_batches=0": None,
    "limit_val_batches=null": None,
    "check_val_every_n_epoch=1": None,
    "inference_mode=true": None,
    "sync_batchnorm=false": None,
}
WORKS = {  # in a tiny run, or of other machines
    *("self", "accelerator", "devices", "num_nodes", "strategy", "precision", "max_time", "max_epochs", "max_steps"),
    *("limit_train_batches", "log_every_n_steps", "deterministic", "benchmark"),
    *("fast_dev_run", "default_root_dir", "enable_checkpointing", "enable_model_summary", "profiler", "plugins"),
    *("detect_anomaly", "reload_dataloaders_every_n_epochs", "enable_progress_bar"),
}


@pytest.mark.parametrize("override", REFUSED)
def test_what_would_be_ignored_is_refused_with_what_is_not(override: str) -> None:
    settings, message = compose(f"+trainer.{override}").trainer, REFUSED[override]
    if message is None:
        check_trainer_arguments(settings)
    else:
        with pytest.raises(ValueError, match=rf"^trainer\.{override.split('=')[0]}=.*{message}"):
            check_trainer_arguments(settings)


def test_every_argument_of_the_trainer_is_known() -> None:
    arguments = set(inspect.signature(Trainer.__init__).parameters)
    assert arguments == WORKS | {override.split("=")[0] for override in REFUSED}


def test_a_run_asks_before_anything_is_built(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"trainer\.gradient_clip_val=1 .*model\.max_grad_norm"):
        train.train(tiny_config(tmp_path / "run", "+trainer.gradient_clip_val=1", "data.resolution=31"))


@pytest.mark.parametrize("override", ["profiler=simple", "detect_anomaly=true", "reload_dataloaders_every_n_epochs=1"])
def test_others_work(override: str, tmp_path: Path) -> None:
    train.train(tiny_config(tmp_path / "run", f"+trainer.{override}"))
