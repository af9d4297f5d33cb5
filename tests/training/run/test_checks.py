"""Configurations whose parts do not fit together: refused before training, by the name of the key."""

from __future__ import annotations

import warnings
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.accelerators import CPUAccelerator, CUDAAccelerator
from lightning.pytorch.strategies import ModelParallelStrategy
from torch.utils.data import TensorDataset

from stylelayers.data import ImageDataModule
from stylelayers.training import GAN, Schedules
from stylelayers.training.run.checks import check_run
from tests.training.tiny import tiny_data, tiny_gan


def data_of(*shape: int, batch_size: int = 4, num_labels: int = 0) -> ImageDataModule:
    images = TensorDataset(torch.zeros(3, *shape), torch.zeros(3).long())
    return ImageDataModule(images, batch_size=batch_size, num_labels=num_labels)


def of_classes(images: int) -> ImageDataModule:
    data = tiny_data()
    data.images_per_class = images
    return data


def gan_with(*, micro_batches: int = 1, **attributes: int) -> GAN:
    """A GAN whose discriminator has these attributes."""
    model = parts_of(micro_batches)
    for name, value in attributes.items():
        assert hasattr(model.discriminator, name)
        setattr(model.discriminator, name, value)
    return model


def parts_of(count: int) -> GAN:
    model = tiny_gan()
    model.micro_batches = count
    return model


def trainer_of(**options: Any) -> Trainer:
    settings: dict[str, Any] = {"accelerator": "cpu", "devices": 1, "logger": False, "enable_checkpointing": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's on 16-mixed
        return Trainer(**{**settings, "enable_progress_bar": False, "enable_model_summary": False, **options})


def on_gpus(precision: str) -> Trainer:
    """What the checks look at."""
    strategy = SimpleNamespace(launcher=None)
    return cast(
        Trainer,
        SimpleNamespace(precision=precision, accelerator=CUDAAccelerator(), strategy=strategy, world_size=1),
    )


REFUSED: dict[str, tuple[Any, Any, Any, dict[str, Any], str]] = {
    "resolution": (
        *(trainer_of, tiny_gan, lambda: data_of(1, 8, 16), {}),
        r"^data\.resolution is \(8, 16\), .* made for \(8, 8\); .*model\.generator\.resolution",
    ),
    "channels": (
        *(trainer_of, tiny_gan, lambda: data_of(3, 8, 8), {}),
        r"^data\.image_channels is 3, .* made for 1; .*model\.discriminator\.image_channels",
    ),
    "labels of the data alone": (
        *(trainer_of, tiny_gan, lambda: data_of(1, 8, 8, num_labels=3), {}),
        r"^data\.labels gives 3 classes, .* made for 0; .*model\.generator\.num_labels",
    ),
    "labels of the networks alone": (
        *(trainer_of, lambda: tiny_gan(labels=3), tiny_data, {}),
        r"^data\.labels gives 0 classes, .* made for 3",
    ),
    "a batch of one image": (
        *(trainer_of, tiny_gan, lambda: data_of(1, 8, 8, batch_size=1), {}),
        r"^data\.batch_size must be at least 2 .* constant with 1; .*model\.discriminator\.mbstd_num_channels=0",
    ),
    "groups of one image": (
        *(trainer_of, lambda: gan_with(mbstd_group_size=1), tiny_data, {}),
        r"^model\.discriminator\.mbstd_group_size must be at least 2",
    ),
    "groups of several classes": (
        *(trainer_of, lambda: gan_with(mbstd_group_size=3), lambda: of_classes(2), {}),
        r"^data\.images_per_class must be a multiple of model\.discriminator\.mbstd_group_size=3, .*, got 2$",
    ),
    "parts that cut the images of a class": (
        *(trainer_of, lambda: gan_with(mbstd_group_size=2, micro_batches=2), lambda: of_classes(4), {}),
        r"^data\.images_per_class must be 1 with model\.micro_batches=2, .*, got 4$",
    ),
    "parts that are not equal": (
        *(trainer_of, lambda: parts_of(3), tiny_data, {}),
        r"^model\.micro_batches must divide data\.batch_size=4 into equal parts, got 3",
    ),
    "parts of one image": (
        *(trainer_of, lambda: parts_of(4), tiny_data, {}),
        r"^data\.batch_size / model\.micro_batches=4 must be at least 2 images .* constant with 1",
    ),
    "a schedule of a penalty that is off": (
        *(lambda: trainer_of(callbacks=[Schedules(r2_gamma=[(0, 1)])]), tiny_gan, tiny_data, {}),
        r"^Schedules: r2_gamma needs the penalty",
    ),
    "Wasserstein without a penalty": (
        *(trainer_of, lambda: tiny_gan(adversarial="wasserstein", r1_gamma=0.0), tiny_data, {}),
        r"^loss\.adversarial=wasserstein needs a penalty, .*loss\.gradient_penalty_weight=10",
    ),
    "penalties that contradict each other": (
        *(trainer_of, lambda: tiny_gan(gradient_penalty_weight=10.0, r1_gamma=0.5), tiny_data, {}),
        r"^loss\.gradient_penalty_weight wants .* norm 1, .*loss\.r1_gamma=0",
    ),
    "a mismatch without labels": (
        *(trainer_of, lambda: tiny_gan(mismatch_weight=1.0), tiny_data, {}),
        r"^loss\.mismatch_weight compares labels, .*set data\.labels, or loss\.mismatch_weight=0",
    ),
    "Wasserstein with a mismatch alone": (
        trainer_of,
        lambda: tiny_gan(labels=3, adversarial="wasserstein", r1_gamma=0.0, mismatch_weight=1.0),
        *(lambda: tiny_data(labels=3), {}),
        r"^loss\.adversarial=wasserstein needs a penalty",
    ),
    "a fraction of the batches that is none": (
        *(lambda: trainer_of(limit_train_batches=1e-5), tiny_gan, tiny_data, {}),
        r"^trainer\.limit_train_batches=1e-05 of \d+ batches is less than one; set a number .* at least 0\.",
    ),
    "half precision on CPUs": (
        *(lambda: trainer_of(precision="16-true"), tiny_gan, tiny_data, {}),
        r"^trainer\.precision=16-true needs a GPU, .*use trainer\.precision=bf16-mixed or 32-true",
    ),
    "mixed precision on CPUs, which Lightning changes": (
        *(lambda: trainer_of(precision="16-mixed"), tiny_gan, tiny_data, {"precision": "16-mixed"}),
        r"^trainer\.precision=16-mixed needs a GPU",
    ),
    "half precision as a number": (
        *(lambda: trainer_of(precision=16), tiny_gan, tiny_data, {"precision": 16}),
        r"^trainer\.precision=16 needs a GPU",
    ),
    "differences of half precision": (
        *(lambda: trainer_of(precision="bf16-true"), lambda: tiny_gan(r1_form="finite_difference"), tiny_data, {}),
        r"^loss\.r1_form=finite_difference needs .*trainer\.precision=bf16-true rounds .*use .*bf16-mixed$",
    ),
    "an eps that float16 does not have": (
        *(lambda: on_gpus("16-true"), tiny_gan, tiny_data, {}),
        r"^trainer\.precision=16-true rounds the eps of 1e-08, .*model\.generator_optimizer\.eps .* to 1e-4, or use ",
    ),
    "a sweep of several processes": (
        *(lambda: trainer_of(devices=2, strategy="ddp"), tiny_gan, tiny_data, {"multirun": True}),
        r"^trainer\.devices: 2 processes .* sweep \(-m\).*trainer\.devices=1, torchrun, or single runs",
    ),
    "processes that are spawned": (
        *(lambda: trainer_of(devices=2, strategy="ddp_spawn"), tiny_gan, tiny_data, {}),
        r"^trainer\.strategy: ddp_spawn .* pickle, .*use auto or ddp",
    ),
    "one process that is spawned": (
        *(lambda: trainer_of(strategy="ddp_spawn_find_unused_parameters_true"), tiny_gan, tiny_data, {}),
        r"^trainer\.strategy: ddp_spawn",
    ),
    "processes that share a model": (
        *(lambda: trainer_of(devices=2, strategy=ModelParallelStrategy()), tiny_gan, tiny_data, {}),
        r"^trainer\.strategy must be auto or one of the ddp .*, got ModelParallelStrategy$",
    ),
}

FINE: dict[str, tuple[Any, Any, Any, dict[str, Any]]] = {
    "no limit at all": (lambda: trainer_of(max_epochs=-1), tiny_gan, tiny_data, {}),
    "labels": (trainer_of, lambda: tiny_gan(labels=3), lambda: tiny_data(labels=3), {}),
    "a batch smaller than the group": (trainer_of, tiny_gan, lambda: data_of(1, 8, 8, batch_size=2), {}),
    "one image without group statistics": (
        *(trainer_of, lambda: gan_with(mbstd_num_channels=0), lambda: data_of(1, 8, 8, batch_size=1), {}),
    ),
    "equal parts": (trainer_of, lambda: parts_of(2), tiny_data, {}),
    "Wasserstein with a gradient penalty": (
        trainer_of,
        lambda: tiny_gan(adversarial="wasserstein", r1_gamma=0.0, gradient_penalty_weight=10.0),
        tiny_data,
        {},
    ),
    "Wasserstein with R2": (
        *(trainer_of, lambda: tiny_gan(adversarial="wasserstein", r1_gamma=0.0, r2_gamma=1.0), tiny_data, {}),
    ),
    "bfloat16 on CPUs": (lambda: trainer_of(precision="bf16-mixed"), tiny_gan, tiny_data, {"precision": "bf16-mixed"}),
    "half precision on GPUs": (lambda: on_gpus("16-mixed"), tiny_gan, tiny_data, {}),
    "weights of float16": (
        *(
            lambda: on_gpus("16-true"),
            lambda: tiny_gan(optimizer=partial(torch.optim.Adam, lr=1, eps=1e-4)),
            tiny_data,
            {},
        ),
    ),
    "weights of bfloat16": (lambda: trainer_of(precision="bf16-true"), tiny_gan, tiny_data, {}),
    "several processes": (lambda: trainer_of(devices=2), tiny_gan, tiny_data, {}),
    "processes forked": (lambda: trainer_of(devices=2, strategy="ddp_fork"), tiny_gan, tiny_data, {}),
    "a sweep of one process": (lambda: trainer_of(strategy="ddp"), tiny_gan, tiny_data, {"multirun": True}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_by_name(case: str) -> None:
    trainer, model, data, options, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        check_run(trainer(), model(), data(), **{"multirun": False, **options})


@pytest.mark.parametrize("case", FINE)
def test_what_fits_is_not(case: str) -> None:
    trainer, model, data, options = FINE[case]
    check_run(trainer(), model(), data(), **{"multirun": False, **options})


def test_a_sweep_under_torchrun_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same trainer as in the table, but in a process that torchrun started."""
    variables = {"RANK": 0, "GROUP_RANK": 0, "LOCAL_RANK": 0, "LOCAL_WORLD_SIZE": 2, "WORLD_SIZE": 2}
    for name, value in {**variables, "TORCHELASTIC_RUN_ID": 0, "MASTER_ADDR": "localhost", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    trainer = trainer_of(devices=2, strategy="ddp")
    assert isinstance(trainer.accelerator, CPUAccelerator)
    assert trainer.world_size == 2
    check_run(trainer, tiny_gan(), tiny_data(), multirun=True)
