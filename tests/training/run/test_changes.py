"""A resumed run: state is the checkpoint's, every setting the configuration's, and what changed is said."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from lightning import Callback, Trainer
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

import train
from stylelayers.augment import AdaptiveAugment, DiffAugment
from stylelayers.training import GAN, LatestCheckpoint, Schedules, StyleGAN2Loss
from stylelayers.training.optimizers import keep_own_settings
from stylelayers.training.run.changes import changed_settings
from stylelayers.training.run.resuming import check_resumable
from tests.training.tiny import BATCH, fit, tiny_config, tiny_gan

BEGUN = (  # each of these is changed below
    "loss.r1_gamma=1",
    "loss.path_length_weight=2",
    "callbacks.schedules.learning_rate=[[0,0.5]]",
    "callbacks.schedules.beta2=[[0,0.5]]",
    "callbacks.schedules.average_half_life=[[0,77]]",
)
MORE = f"callbacks.stop.max_images={3 * BATCH}"
NO_SCHEDULES = tuple(f"callbacks.schedules.{name}=null" for name in ("learning_rate", "beta2", "average_half_life"))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two iterations."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    train.train(tiny_config(folder, *BEGUN))
    return folder


class InForce(Callback):
    """The model and its optimizers after the first iteration."""

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        self.model = pl_module
        self.generator, self.discriminator = (optimizer.param_groups[0] for optimizer in trainer.optimizers)


def resumed(run: Path, folder: Path, *overrides: str) -> InForce:
    cfg = tiny_config(folder, f"resume={run}", MORE, *BEGUN, *overrides)
    trainer, model, data = train.build(cfg)
    seen = InForce()
    cast(Any, trainer).callbacks.append(seen)
    trainer.fit(model, datamodule=data, ckpt_path=cfg.resume)
    return seen


NOT_BESIDE_IT = ("r1_gamma", "r2_gamma", "mismatch_weight")
G, D = "model.generator_optimizer", "model.discriminator_optimizer"
LAZY_G, LAZY_D = 4 / 5, 1 / (1 + 1 / 4 + 1 / 16)  # path length; mismatch, R1 and R2
SETTINGS: dict[str, tuple[tuple[str, ...], Callable[[InForce], Any], Any]] = {
    "learning rate": ((f"{G}.lr=0.1",), lambda s: s.generator["lr"], 0.1 * LAZY_G * 0.5),
    "of the other": ((f"{D}.lr=1e-9",), lambda s: s.discriminator["lr"], 1e-9 * LAZY_D * 0.5),
    "betas": ((f"{G}.betas=[0.5,0.9]", *NO_SCHEDULES), lambda s: s.generator["betas"], (0.5**LAZY_G, 0.9**LAZY_G)),
    "eps": ((f"{D}.eps=1e-3",), lambda s: s.discriminator["eps"], 1e-3),
    "weight decay": ((f"+{G}.weight_decay=0.5",), lambda s: s.generator["weight_decay"], 0.5),
    "fused": ((f"{G}.fused=false",), lambda s: s.generator["fused"], False),
    "a penalty off": (
        ("loss.path_length_weight=0", *NO_SCHEDULES),
        lambda s: (s.generator["lr"], *s.generator["betas"]),
        (0.005, 0.0, 0.99),
    ),
    "another interval": (("loss.r1_interval=4", *NO_SCHEDULES), lambda s: s.discriminator["lr"], 0.005 * 4 / 5),
    "a penalty on": (
        ("loss.gradient_penalty_weight=1", *(f"loss.{name}=0" for name in NOT_BESIDE_IT), *NO_SCHEDULES),
        lambda s: s.discriminator["lr"],
        0.005,
    ),
    "schedules removed": (
        NO_SCHEDULES,
        lambda s: (s.generator["lr"], s.generator["betas"][1], s.model.average.half_life),
        (0.005 * LAZY_G, 0.99**LAZY_G, 10_000),
    ),
    "no callback for schedules": (("~callbacks.schedules",), lambda s: s.generator["lr"], 0.005 * LAZY_G),
    "a schedule changed": (
        ("callbacks.schedules.learning_rate=[[0,0],[16,1]]",),
        lambda s: s.generator["lr"],
        pytest.approx(0.005 * LAZY_G * 0.5),
    ),
    "gamma": (("loss.r1_gamma=7",), lambda s: s.model.loss.r1_gamma, 7),
    "gamma found": (("loss.r1_gamma=auto",), lambda s: s.model.loss.r1_gamma, pytest.approx(0.0002 * 64 / BATCH)),
    "decay of lengths": (*(("loss.path_length_decay=0.5",), lambda s: s.model.loss.path_length_penalty.decay, 0.5),),
    "form of R1": (("loss.r1_form=finite_difference",), lambda s: s.model.loss.r1_form, "finite_difference"),
    "another loss": (("loss.adversarial=hinge",), lambda s: s.model.loss.adversarial, "hinge"),
    "half-life": (
        ("model.average_half_life=123", "model.average_rampup=null", *NO_SCHEDULES),
        lambda s: (s.model.average.half_life, s.model.average.rampup),
        (123, None),
    ),
    "guard": (("model.max_skipped_steps=3",), lambda s: s.model.guard.max_skipped_steps, 3),
    "parts": (("model.micro_batches=2",), lambda s: s.model.micro_batches, 2),
    "networks to begin with": (("initialize_from=absent",), lambda s: s.model.iterations, 3),
    "clamp": (("model.generator.clamp=9",), lambda s: s.model.generator.clamp, 9),
    "decay of w": (("model.generator.w_mean_decay=0.5",), lambda s: s.model.generator.mapping.w_mean_decay, 0.5),
    "batch size": (("data.batch_size=2",), lambda s: s.model.iterations, 2 + BATCH // 2),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_settings_are_those_of_the_configuration(case: str, run: Path, tmp_path: Path) -> None:
    overrides, probe, expected = SETTINGS[case]
    assert probe(resumed(run, tmp_path / "again", *overrides)) == pytest.approx(expected)


def test_weights_move_by_the_new_rate_from_the_state_of_the_old_one(run: Path, tmp_path: Path) -> None:
    held: Any = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    moved = {}
    for rate in ("1e-12", "0.1"):
        seen = resumed(run, tmp_path / rate, f"{G}.lr={rate}", f"{D}.lr={rate}", *NO_SCHEDULES)
        named = seen.model.generator.named_parameters(prefix="generator")
        moved[rate] = max(float((p.detach() - held["state_dict"][name]).abs().max()) for name, p in named)
    assert moved["1e-12"] < 1e-6
    assert moved["0.1"] > 1e-2


ADA: dict[str, tuple[Any, Callable[[GAN], Any], Any]] = {
    "a probability at the start": (lambda: AdaptiveAugment(p=0.75), lambda m: m.augment.p.item(), 0.25),  # type: ignore[union-attr, operator]
    "a fixed probability": (lambda: AdaptiveAugment(p=0.75, target=None), lambda m: m.augment.p.item(), 0.75),  # type: ignore[union-attr, operator]
    "another speed": (lambda: AdaptiveAugment(speed=99.0), lambda m: m.augment.speed, 99.0),  # type: ignore[union-attr]
    "another kind": (DiffAugment, lambda m: type(m.augment), DiffAugment),
    "none": (lambda: None, lambda m: m.augment, None),
}


@pytest.mark.parametrize("case", ADA)
def test_augmentation_changes_and_an_adaptive_probability_is_state(case: str, tmp_path: Path) -> None:
    make, probe, expected = ADA[case]
    fit(tiny_gan(augment=AdaptiveAugment(p=0.25, interval=99)), 1).save_checkpoint(tmp_path / "last.ckpt")
    model = tiny_gan(augment=make())
    check_resumable(tmp_path / "last.ckpt", model)
    fit(model, 1, resume=tmp_path / "last.ckpt")
    assert probe(model) == expected


def test_augmentation_can_be_switched_on(tmp_path: Path) -> None:
    fit(tiny_gan(), 1).save_checkpoint(tmp_path / "last.ckpt")
    model = tiny_gan(augment=AdaptiveAugment(p=0.25))
    check_resumable(tmp_path / "last.ckpt", model)
    fit(model, 1, resume=tmp_path / "last.ckpt")
    assert cast(Any, model.augment).p == 0.25


class Estimating(SGD):
    """Keeps what it estimates in its group, as Prodigy and D-Adaptation do."""

    def __init__(self, params: Any, lr: float = 1.0) -> None:
        super().__init__(params, lr=lr)
        self.param_groups[0].setdefault("estimate", 0)


def test_what_a_group_estimates_is_state() -> None:
    def make(rate: float) -> Optimizer:
        return keep_own_settings(Estimating([nn.Parameter(torch.zeros(1))], lr=rate))

    first, second = make(0.1), make(0.2)
    first.param_groups[0]["estimate"] = 5
    second.load_state_dict(first.state_dict())
    assert (second.param_groups[0]["lr"], second.param_groups[0]["estimate"]) == (0.2, 5)


# What cannot change ------------------------------------------------------------------------------------------------

adam = partial(Adam, lr=0.01, betas=(0.0, 0.99))
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "another class": (adam, partial(AdamW, lr=0.01), r"adamw\.AdamW, .* is of torch\.optim\.adam\.Adam"),
    "a class of other state": (
        adam,
        partial(SGD, lr=0.01),
        r"sgd\.SGD, .* is of torch\.optim\.adam\.Adam",
    ),
    "amsgrad switched on": (adam, partial(adam, amsgrad=True), r"lacks 'max_exp_avg_sq'"),
    "centring switched on": (
        *(partial(RMSprop, lr=0.01), partial(RMSprop, lr=0.01, centered=True), r"lacks 'grad_avg'"),
    ),
}
TAKEN: dict[str, tuple[Any, Any]] = {
    "amsgrad switched off": (partial(adam, amsgrad=True), adam),
    "momentum switched on": (partial(SGD, lr=0.01), partial(SGD, lr=0.01, momentum=0.9)),
    "another step": (partial(adam, foreach=True), partial(adam, fused=True)),
    "a step of graphs": (adam, partial(adam, foreach=False)),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_optimizer_that_cannot_use_the_state_is_refused(case: str, tmp_path: Path) -> None:
    before, after, message = REFUSED[case]
    path = tmp_path / "last.ckpt"
    fit(tiny_gan(optimizer=before), 1).save_checkpoint(path)
    model = tiny_gan(optimizer=after)
    who = r"the generator_optimizer is .*"
    with pytest.raises(ValueError, match="^resume: " + who + message + r".*initialize_from") as caught:
        check_resumable(path, model)
    assert str(path) in str(caught.value)
    with pytest.raises(ValueError, match=who + message):
        fit(model, 1, resume=path)


@pytest.mark.parametrize("case", TAKEN)
def test_other_settings_of_an_optimizer_are_not(case: str, tmp_path: Path) -> None:
    before, after = TAKEN[case]
    fit(tiny_gan(optimizer=before), 1).save_checkpoint(tmp_path / "last.ckpt")
    model = tiny_gan(optimizer=after)
    check_resumable(tmp_path / "last.ckpt", model)
    fit(model, 1, resume=tmp_path / "last.ckpt")


def test_files_without_the_names_of_classes_tell_them_by_their_settings(tmp_path: Path) -> None:
    fit(tiny_gan(optimizer=adam), 1).save_checkpoint(tmp_path / "last.ckpt")
    held: Any = torch.load(tmp_path / "last.ckpt", weights_only=True)
    del held["optimizers"], held["frozen"]
    torch.save(held, tmp_path / "last.ckpt")
    check_resumable(tmp_path / "last.ckpt", tiny_gan(optimizer=adam))
    with pytest.raises(ValueError, match="is of another class"):
        check_resumable(tmp_path / "last.ckpt", tiny_gan(optimizer=partial(SGD, lr=0.01)))


REPEAT = "; repeat the overrides of its run: "
NETWORKS = {  # overrides, and what is told of them
    "sizes": (("model.generator.w_dim=5",), REPEAT + r"model\.generator\.w_dim=4, or begin .* initialize_from$"),
    "channels": (("model.generator.channel_base=64",), REPEAT + r"model\.generator\.channel_base=32[ ,]"),
    "resolution": (("data.resolution=16",), REPEAT + r"data\.resolution=8, or"),
    "a rectangle": (("data.resolution=[8,16]",), REPEAT + r"data\.resolution=8, or"),
    "labels": (("data.labels=none",), REPEAT + r"data\.labels=classes \(data with 10 classes\), or"),
    "activation": (
        ("model.generator.activation=relu",),
        f"activation=lrelu, .* here activation=relu{REPEAT}" + r"model\.generator\.activation=lrelu,",
    ),
    "filter": (
        ("model.discriminator.resample_filter=[1,2,1]",),
        f"resample_filter=.* here .*{REPEAT}" + r"model\.discriminator\.resample_filter=\[1,3,3,1\],",
    ),
    "what scales weights": (
        ("model.generator.mapping_lr_multiplier=1",),
        f"here mapping_lr_multiplier=1{REPEAT}" + r"model\.generator\.mapping_lr_multiplier=0\.01,",
    ),
    "frozen": (("model.freeze=[generator.mapping]",), r"generator\.mapping\S+ is frozen here; freeze the same"),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_other_networks_are_refused_before_anything_is_written(case: str, run: Path, tmp_path: Path) -> None:
    overrides, message = NETWORKS[case]
    cfg = tiny_config(tmp_path / "again", f"resume={run}", MORE, *overrides)
    with pytest.raises(ValueError, match=message):
        train.train(cfg)
    assert list((tmp_path / "again").iterdir()) == []


def test_as_many_other_layers_frozen_are_refused(tmp_path: Path) -> None:
    first, second = "generator.synthesis.blocks.0.conv1.act.bias", "generator.synthesis.blocks.0.to_rgb.act.bias"
    fit(_freezing(first), 1).save_checkpoint(tmp_path / "last.ckpt")
    check_resumable(tmp_path / "last.ckpt", _freezing(first))
    with pytest.raises(ValueError, match=r"is (trained|frozen) here; freeze the same"):
        check_resumable(tmp_path / "last.ckpt", _freezing(second))


def _freezing(name: str) -> GAN:
    plain = tiny_gan()
    return GAN(plain.generator, plain.discriminator, StyleGAN2Loss(), adam, adam, freeze=[name])


# What is said ------------------------------------------------------------------------------------------------------

SAID: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "nothing": ((), []),
    "a rate": ((f"{G}.lr=0.1",), [f"{G}.lr: 0.005 → 0.1"]),
    "a gamma, once": (("loss.r1_gamma=3",), ["loss.r1_gamma: 1 → 3"]),
    "sizes that follow": (*(("model.generator.channel_max=32",), ["model.generator.channel_max: 64 → 32"]),),
    "both": (
        ("model.generator.channel_max=32", "model.discriminator.channel_max=32"),
        ["model.discriminator.channel_max: 64 → 32", "model.generator.channel_max: 64 → 32"],
    ),
    "lists": (
        (f"{D}.betas=[0.5,0.9]", "callbacks.schedules.beta2=null"),
        ["callbacks.schedules.beta2: [[0,0.5]] → null", f"{D}.betas: [0.0,0.99] → [0.5,0.9]"],
    ),
    "new keys": ((f"+{G}.weight_decay=0.5",), [f"{G}.weight_decay: null → 0.5"]),
    "groups": (("~callbacks.throughput",), ["callbacks.throughput._target_: stylelayers.training.Throughput → null"]),
    "a seed": (("seed=7",), ["seed: 0 → 7 (no effect: random numbers and the order of images go on from the"]),
    "networks to begin with": (
        *(("initialize_from=absent",), ["initialize_from: null → absent (no effect: the networks are"]),
    ),
}


@pytest.mark.parametrize("case", SAID)
def test_every_changed_key_is_a_line(case: str, run: Path, tmp_path: Path) -> None:
    overrides, expected = SAID[case]
    cfg = tiny_config(tmp_path / "again", *BEGUN, *overrides)
    cfg.model.generator.num_labels = cfg.model.discriminator.num_labels = 10
    lines = changed_settings(cfg, run / "checkpoints" / "last.ckpt")
    assert [line for line, start in zip(lines, expected, strict=False) if not line.startswith(start)] == []
    assert len(lines) - len(expected) == (1 if case == "groups" else 0)  # its window, too


def test_a_run_says_what_changed_since_its_last_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def start(images: int, *overrides: str) -> list[str]:
        limit = f"callbacks.stop.max_images={images * BATCH}"
        train.train(tiny_config(tmp_path / "run", "resume=auto", limit, *overrides))
        return [line for line in capsys.readouterr().out.splitlines() if "→" in line]

    limits = [f"callbacks.stop.max_images: {n * BATCH} → {(n + 1) * BATCH}" for n in range(4)]
    assert start(1) == []
    assert start(2, f"{G}.lr=0.1") == [limits[1], f"{G}.lr: 0.005 → 0.1"]
    assert start(3, f"{G}.lr=0.1", "loss.r1_gamma=3") == [limits[2], "loss.r1_gamma: 0.2 → 3"]


def test_an_encoding_without_arrows_ends_no_run(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1", write_through=True))
    train.train(tiny_config(tmp_path / "again", f"resume={run}", MORE, *BEGUN, f"{G}.lr=0.1"))
    assert f"{G}.lr: 0.005 ? 0.1\n".encode() in written.getvalue()


def test_a_checkpoint_alone_says_that_it_does_not_know(run: Path, tmp_path: Path) -> None:
    cfg = tiny_config(tmp_path / "again")
    (line,) = changed_settings(cfg, tmp_path / "last.ckpt")
    assert line.startswith("resume: there is no readable") and line.endswith("what has changed is not known")
    (tmp_path / "config.yaml").write_text("a: [")
    assert changed_settings(cfg, tmp_path / "checkpoints" / "last.ckpt") == [
        line.replace(str(tmp_path.parent), str(tmp_path))
    ]


# Callbacks ---------------------------------------------------------------------------------------------------------


IMAGES, RATE = "progress/images", "schedule/learning_rate"  # more and more; always the same


@pytest.mark.parametrize(
    ("before", "now", "kept"),
    [
        ((RATE, "min"), (RATE, "min"), 1),
        ((RATE, "max"), (RATE, "min"), 3),
        ((RATE, "min"), (IMAGES, "max"), 3),
        ((IMAGES, "max"), (IMAGES, "min"), 3),
        ((IMAGES, "min"), (RATE, "min"), 3),
    ],
)
def test_the_best_by_another_measure_begins_anew(
    before: tuple[str, str], now: tuple[str, str], kept: int, tmp_path: Path
) -> None:
    def part(iterations: int, measure: tuple[str, str], resume: Path | None = None) -> None:
        checkpoint = LatestCheckpoint(tmp_path, monitor=measure[0], mode=measure[1])
        fit(tiny_gan(), iterations, Schedules(learning_rate=[(0, 100.0)]), checkpoint, resume=resume)

    part(2, before)
    part(1, now, tmp_path / "checkpoints" / "last.ckpt")
    best: Any = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["iterations"] == kept
