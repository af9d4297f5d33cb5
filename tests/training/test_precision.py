"""Trainers of half and double precision: what has which dtype, that everything moves, and that runs go on exactly."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import train
from stylelayers.augment import AdaptiveAugment
from stylelayers.checkpoints import load_generator, load_networks
from stylelayers.training import GAN, LatestCheckpoint
from tests.training.tiny import LABELS, fit, tiny_config, tiny_gan

EVERYTHING: dict[str, Any] = {"r1_interval": 2, "r2_gamma": 1.0, "path_length_interval": 2}
LOSSES: dict[str, dict[str, Any]] = {
    "every penalty": EVERYTHING,
    "relativistic": {"adversarial": "relativistic", "r1_interval": 1, "r2_gamma": 1.0},
    "WGAN-GP": {"adversarial": "wasserstein", "r1_gamma": 0.0, "gradient_penalty_weight": 10.0},
}
pytestmark = pytest.mark.filterwarnings("ignore:.*(eval mode|isinstance|ckpt_path)")  # Lightning's


def gan(**loss: Any) -> GAN:
    torch.manual_seed(0)
    adam = partial(torch.optim.Adam, lr=0.002, betas=(0.0, 0.99))
    return tiny_gan(labels=LABELS, optimizer=adam, augment=AdaptiveAugment(p=0.3, target=0.0, interval=2), **loss)


def dtypes(module: nn.Module) -> set[torch.dtype]:
    return {tensor.dtype for tensor in module.state_dict().values()}


def changed(before: dict[str, Tensor], module: nn.Module) -> float:
    """The share of weights that are not what they were."""
    pairs = [(before[name], weight) for name, weight in module.named_parameters() if name.endswith("weight")]
    return sum(int((old != new).sum()) for old, new in pairs) / sum(new.numel() for _, new in pairs)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("precision", "dtype"), [("bf16-true", torch.bfloat16), ("64-true", torch.float64)])
def test_every_loss_trains(precision: Any, dtype: torch.dtype, loss: str) -> None:
    model = gan(**LOSSES[loss])
    trainer = fit(model, 4, precision=precision)
    assert trainer.callback_metrics["penalty/path_length"].isfinite()
    assert all(value.isfinite() for value in trainer.callback_metrics.values())
    assert model.guard.skipped == 0
    wide = torch.promote_types(dtype, torch.float32)
    discriminator = dict(model.discriminator.named_children())
    for part in (model.generator.mapping, discriminator["label_mapping"], model.average, model.loss, model.augment):
        assert part is not None
        assert dtypes(part) == {wide}
    for part in (model.generator.synthesis, discriminator["blocks"], discriminator["epilogue"]):
        assert dtypes(part) == {dtype}


def test_finite_differences_are_not_rounded_in_mixed_precision() -> None:
    found = {}
    for precision in ("bf16-mixed", "32-true"):
        model = gan(r1_form="finite_difference", r1_interval=1)
        found[precision] = fit(model, 1, precision=precision).callback_metrics["r1/gradient_square_norm"]
    torch.testing.assert_close(found["bf16-mixed"], found["32-true"], rtol=0.05, atol=0.0)


def test_in_bfloat16_every_network_moves_and_so_do_averages() -> None:
    model, exact = gan(**EVERYTHING).to(torch.bfloat16), gan(**EVERYTHING)
    parts = (model.generator.mapping, model.generator.synthesis, model.discriminator, model.average)
    before = [{name: weight.detach().clone() for name, weight in part.named_parameters()} for part in parts]
    fit(model, 40, precision="bf16-true")
    fit(exact, 40)
    shares = [changed(old, part) for old, part in zip(before, parts, strict=True)]
    assert min(shares) > 0.75
    assert shares[0] > 0.99
    for ours, theirs in (
        (model.generator.mapping.w_mean, exact.generator.mapping.w_mean),
        (model.loss.path_length_penalty.mean, exact.loss.path_length_penalty.mean),
    ):
        assert ours is not None
        assert theirs is not None
        assert (ours - theirs).norm() < 0.2 * theirs.norm()


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(precision: Any, tmp_path: Path) -> None:
    def part(iterations: int, name: str, resume: Path | None = None) -> dict[str, Tensor]:
        model = gan(**EVERYTHING)
        fit(model, iterations, LatestCheckpoint(tmp_path / name), resume=resume, precision=precision)
        return model.state_dict()

    whole = part(6, "whole")
    part(3, "parts")
    resumed = part(3, "parts", tmp_path / "parts" / "checkpoints" / "last.ckpt")
    assert [name for name, value in whole.items() if not torch.equal(resumed[name], value)] == []


@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_a_run_of_train_py_leaves_all_its_files_and_goes_on(precision: str, tmp_path: Path) -> None:
    overrides = (f"trainer.precision={precision}", "loss.path_length_weight=2", "augment=ada", "augment.p=0.5")
    train.train(tiny_config(tmp_path / "run", *overrides))
    checkpoint = tmp_path / "run" / "checkpoints" / "last.ckpt"
    assert list((tmp_path / "run" / "samples").glob("*.png"))
    generator, networks = load_generator(tmp_path / "run"), load_networks(checkpoint)
    labels = torch.arange(2)
    images = generator(torch.randn(2, generator.z_dim), labels, truncation_psi=0.7)
    assert images.dtype == torch.float32
    assert images.isfinite().all()
    assert networks.discriminator is not None
    assert networks.discriminator(images, labels).isfinite().all()
    metrics = train.train(
        tiny_config(tmp_path / "run", *overrides, f"resume={checkpoint}", "callbacks.stop.max_images=16")
    )
    assert metrics["progress/images"] == 16


def test_what_stays_wide_is_said_before_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = "bf16-true but for mapping networks, averages and statistics, which stay in float32"
    for precision, expected in (("bf16-true", True), ("bf16-mixed", False)):
        train.train(tiny_config(tmp_path / precision, f"trainer.precision={precision}"))
        assert (said in capsys.readouterr().out) == expected
