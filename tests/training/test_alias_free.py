"""Training of alias-free generators: steps, penalties, resume, precision, transfer, and runs of ``train.py``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import train
from stylelayers import AliasFreeGenerator, Discriminator
from stylelayers.augment import AdaptiveAugment, FadingBlur
from stylelayers.checkpoints import load_generator, load_networks
from stylelayers.training import GAN, LatestCheckpoint, StyleGAN2Loss
from stylelayers.training.run.resuming import check_resumable
from stylelayers.training.run.transfer import initialize
from tests.training.test_network_calls import COMPILE
from tests.training.tiny import BATCH, LABELS, REPOSITORY, fit, tiny_config, tiny_gan

OFFICIAL = {name: REPOSITORY / "tests" / "data" / f"stylegan3_{name.lower()}_32.pkl" for name in "TR"}
PLAN: dict[str, Any] = {"channel_base": 16, "num_layers": 3, "num_critical": 1, "margin": 1}
TINY = tuple(f"model.generator.{key}={value}" for key, value in PLAN.items())
pytestmark = pytest.mark.filterwarnings("ignore:.*(eval mode|isinstance|ckpt_path)")  # Lightning's


def gan(
    configuration: str = "T",
    *,
    blur: float = 0.0,
    options: dict[str, Any] | None = None,
    plan: dict[str, Any] | None = None,
    **loss: Any,
) -> GAN:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"num_labels": LABELS, "image_channels": 1}
    whole = {**PLAN, **(plan or {})}
    generator = AliasFreeGenerator(8, z_dim=4, w_dim=4, configuration=configuration, **sizes, **whole)
    discriminator = Discriminator(8, channel_base=32, label_layers=2, **sizes)
    adam = partial(torch.optim.Adam, lr=0.002, betas=(0.0, 0.99))
    settings = {"blur_sigma": blur, "blur_images": 6 * BATCH, **(options or {})}
    return GAN(generator, discriminator, StyleGAN2Loss(**loss), adam, adam, **settings)


def state(model: GAN) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def different(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> list[str]:
    assert ours.keys() == theirs.keys()
    return [name for name, value in theirs.items() if not torch.equal(ours[name], value)]


@pytest.mark.parametrize("configuration", ["T", "R"])
@pytest.mark.parametrize("blur", [0.0, 2.0])
def test_every_penalty_moves_every_parameter_and_the_averages_follow(configuration: str, blur: float) -> None:
    model = gan(configuration, blur=blur, r1_interval=2, path_length_interval=2, style_mixing=0.5)
    before = state(model)
    trainer = fit(model, 4)
    assert all(value.isfinite() for value in trainer.callback_metrics.values())
    assert model.guard.skipped == 0
    still = {name for name, value in state(model).items() if torch.equal(value, before[name])}
    assert [name for name in still if not name.endswith((".frequencies", ".phases", ".transform"))] == []
    for ours, averaged in zip(model.generator.buffers(), model.average.module.buffers(), strict=True):
        assert torch.equal(ours, averaged)
    assert ("blur/sigma" in trainer.callback_metrics) == bool(blur)


def test_micro_batches_have_the_gradients_and_magnitudes_of_the_batch() -> None:
    options = [{}, {"micro_batches": 2}]
    whole, parts = (gan(options=each, r1_gamma=0.0, path_length_weight=0.0) for each in options)
    for model in (whole, parts):  # a batch without group statistics, and the same latents for both
        model.discriminator.epilogue.mbstd_num_channels = 0  # type: ignore[assignment]
    magnitudes = []
    for model in (whole, parts):
        torch.manual_seed(1)
        fit(model, 1)
        magnitudes.append([layer.magnitude_ema for layer in model.generator.synthesis.layers])  # type: ignore[union-attr]
    torch.testing.assert_close(magnitudes[1], magnitudes[0], rtol=1e-3, atol=0)


def test_the_blur_is_that_of_the_images_seen_before_the_iteration_and_of_reals_and_fakes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[tuple[float, int]] = []
    model = gan(blur=2.0, options={"augment": AdaptiveAugment(p=0.5, interval=1)}, r1_interval=1)
    forward = FadingBlur.forward

    def noting(self: FadingBlur, images: Tensor) -> Tensor:
        seen.append((float(self.sigma), len(images)))
        return forward(self, images)

    monkeypatch.setattr(FadingBlur, "forward", noting)
    fit(model, 3)
    per_iteration = [BATCH, 2 * BATCH, BATCH]  # the generator's step, both kinds of images, and R1
    assert seen == [(pytest.approx(2 * (1 - n / 6)), count) for n in range(3) for count in per_iteration]
    with pytest.raises(ValueError, match="FadingBlur: sigma must be a number of at least 0, got -1"):
        gan(blur=-1.0)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "bf16-true"])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(precision: Any, tmp_path: Path) -> None:
    def part(iterations: int, resume: Path | None = None) -> dict[str, Tensor]:
        model = gan("R", blur=2.0, r1_interval=2, path_length_weight=0.0)
        torch.manual_seed(1)
        fit(model, iterations, LatestCheckpoint(tmp_path), resume=resume, precision=precision)
        assert model.guard.skipped == 0
        return state(model)

    whole = part(4)
    part(2)
    assert different(part(2, tmp_path / "checkpoints" / "last.ckpt"), whole) == []
    wide = {name for name, value in whole.items() if value.dtype == torch.float32}
    assert {name for name in whole if name.endswith(("magnitude_ema", "frequencies"))} <= wide


@pytest.mark.slow
def test_compiled_training_takes_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda f, *, options=None, **rest: COMPILE(f, backend="aot_eager", **rest))
    states = []
    for compiled in (False, True):
        model = gan(blur=2.0, options={"compile": compiled}, r1_interval=2, path_length_weight=0.0)
        torch.manual_seed(1)
        fit(model, 3)
        states.append(state(model))
    torch.testing.assert_close(states[1], states[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("configuration", ["T", "R"])
def test_an_official_pickle_has_all_networks(configuration: str) -> None:
    official = load_networks(OFFICIAL[configuration])
    other = load_networks(OFFICIAL[configuration])
    assert other.discriminator is not None
    for network in (other.generator, other.discriminator):
        network.reset_parameters()  # type: ignore[operator]
    adam = partial(torch.optim.Adam, lr=0.01)
    model = GAN(other.generator, other.discriminator, StyleGAN2Loss(), adam, adam)
    initialize(model, OFFICIAL[configuration])
    for ours, theirs in (
        (model.generator, official.generator),
        (model.average.module, official.generator),
        (model.discriminator, official.discriminator),
    ):
        assert theirs is not None
        assert different(ours.state_dict(), theirs.state_dict()) == []


def test_a_file_of_another_class_of_generators_is_named(tmp_path: Path) -> None:
    fit(gan(), 1, LatestCheckpoint(tmp_path))
    with pytest.raises(ValueError, match="of class AliasFreeGenerator, and here it is Generator; use model=stylegan3"):
        initialize(tiny_gan(labels=LABELS), tmp_path)


@pytest.mark.parametrize(("key", "value"), [("margin", 2), ("first_stopband", 4.0), ("output_scale", 0.5)])
def test_a_resume_with_another_meaning_of_the_weights_is_refused(key: str, value: float, tmp_path: Path) -> None:
    fit(gan(), 1, LatestCheckpoint(tmp_path))
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    check_resumable(checkpoint, gan())
    with pytest.raises(ValueError, match=f"of a generator with {key}=.*, with which its weights"):
        check_resumable(checkpoint, gan(plan={key: value}))


@pytest.mark.parametrize("configuration", ["T", "R"])
def test_a_run_of_train_py_trains_and_measures(
    configuration: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    meter = {"metrics": "[fid,eq_t]", "samples": 4, "features": "random", "cache": "null", "max_real": 20}
    metrics = ("callbacks=metrics", *(f"callbacks.quality.meter.{key}={value}" for key, value in meter.items()))
    config = ("model=stylegan3", f"model.generator.configuration={configuration}", *TINY, *metrics)
    measured = train.train(
        tiny_config(tmp_path / "run", *config, "loss.r1_gamma=auto", "loss.r2_gamma=0", "loss.mismatch_weight=0")
    )
    assert 0 < measured["quality/eq_t"] < 200
    assert f"R1 runs (loss.r1_gamma=auto is {64 / 1024 / BATCH:.4g})" in capsys.readouterr().out
    generator = load_generator(tmp_path / "run")
    assert isinstance(generator, AliasFreeGenerator)
    assert (generator.configuration, generator.synthesis.plan.layers[0].kernel_size) == (
        configuration,
        {"T": 3, "R": 1}[configuration],
    )
