"""What is minimized: weights of the penalties, the law of style mixing, and values out of range."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch

from stylelayers import MappingNetwork, losses
from stylelayers.augment import DiffAugment
from stylelayers.data import ImageDataModule
from stylelayers.training import GAN, StyleGAN2Loss, mix_styles
from stylelayers.training.loss import ADVERSARIAL_LOSSES
from stylelayers.training.network_calls import NetworkCalls
from stylelayers.training.run import Preflight
from stylelayers.training.steps import MicroBatch, Term, penalty
from tests.conftest import assert_same, randn
from tests.training.tiny import BATCH, fit, tiny_data, tiny_gan

LAYERS = 6
ADAM = partial(torch.optim.Adam, lr=0.001, betas=(0.0, 0.99))


# Style mixing ------------------------------------------------------------------------------------------------------


def sources(share: float, samples: int = 64, num_ws: int = LAYERS) -> torch.Tensor:
    """For every sample and layer, 0 where the style is of the first latent and 1 where it is of the second."""
    mapping = MappingNetwork(3, 5, num_ws, num_layers=2, dtype=torch.float64).eval()
    z, other = randn(samples, 3), randn(samples, 3)
    mixed, first, second = mix_styles(mapping, z, other, None, share), mapping(z), mapping(other)
    is_first, is_second = (mixed == first).all(-1), (mixed == second).all(-1)
    assert (is_first ^ is_second).all()
    return is_second.int()


def test_without_mixing_all_layers_are_of_the_first_latent() -> None:
    assert not sources(0.0).any()
    assert not sources(1.0, num_ws=1).any()


def test_full_mixing_switches_every_sample_once_at_a_layer_after_the_first() -> None:
    chosen = sources(1.0, samples=400)
    assert (chosen.diff(dim=1) >= 0).all()  # never back
    assert not chosen[:, 0].any()
    assert chosen[:, -1].all()
    counts = torch.bincount(LAYERS - chosen.sum(1), minlength=LAYERS)
    assert counts[0] == 0
    assert (counts[1:] > 400 / (LAYERS - 1) / 2).all()  # about as often at each layer


def test_the_share_is_the_probability_of_a_switch() -> None:
    switched = sources(0.3, samples=1000)[:, -1].double().mean()
    assert 0.3 - 0.06 < switched < 0.3 + 0.06  # four standard deviations


def test_labels_belong_to_both_latents() -> None:
    mapping = MappingNetwork(3, 5, 4, num_layers=2, num_labels=2, dtype=torch.float64).eval()
    z, other, labels = randn(8, 3), randn(8, 3), torch.arange(8) % 2
    mixed = mix_styles(mapping, z, other, labels, 1.0)
    assert_same(mixed[:, 0], mapping(z, labels)[:, 0], 0.0)
    assert_same(mixed[:, -1], mapping(other, labels)[:, -1], 0.0)


# Weights -----------------------------------------------------------------------------------------------------------


def micro_batch(batch: int) -> MicroBatch:
    return MicroBatch(torch.randn(batch, 1, 8, 8), None, torch.randn(batch, 1, 8, 8))


def only_penalty(loss: StyleGAN2Loss, name: str) -> Term:
    (found,) = [penalty for penalty in loss.penalties if penalty.name == name]
    return found


@pytest.mark.parametrize(("penalty", "images"), [("r1", "images"), ("r2", "fakes")])
def test_r1_and_r2_are_half_gamma_times_their_interval(penalty: str, images: str) -> None:
    options: dict[str, Any] = {"r1_gamma": 0.0, "path_length_weight": 0.0, f"{penalty}_gamma": 3.0, "r1_interval": 5}
    model, part = tiny_gan(**options), micro_batch(BATCH)
    value, logged = only_penalty(model.loss, penalty.upper()).compute(model.calls, part)
    expected = losses.r1_penalty_vjp(model.discriminator, getattr(part, images))
    torch.testing.assert_close(logged[f"{penalty}/gradient_square_norm"], expected)
    torch.testing.assert_close(value, expected * (3.0 / 2 * 5))
    assert value.requires_grad
    assert not getattr(part, images).requires_grad


@pytest.mark.parametrize(("penalty", "images"), [("r1", "images"), ("r2", "fakes")])
@pytest.mark.parametrize(("sigma", "expected_sigma"), [(None, 0.003), (0.3, 0.3)])
def test_finite_differences_have_the_same_weight(
    penalty: str, images: str, sigma: float | None, expected_sigma: float
) -> None:
    form: dict[str, Any] = {"r1_form": "finite_difference", "r1_sigma": sigma, "r1_interval": 5}
    model = tiny_gan(**{"r1_gamma": 0.0, "path_length_weight": 0.0, f"{penalty}_gamma": 3.0, **form})
    part = micro_batch(BATCH)
    torch.manual_seed(0)
    value, logged = only_penalty(model.loss, penalty.upper()).compute(model.calls, part)
    torch.manual_seed(0)
    expected = losses.finite_difference_penalty(model.discriminator, getattr(part, images), sigma=expected_sigma)
    torch.testing.assert_close(logged[f"{penalty}/gradient_square_norm"], expected)
    torch.testing.assert_close(value, expected * (3.0 / 2 * 5))
    assert value.requires_grad


def test_both_images_of_a_difference_have_the_same_augmentation() -> None:
    model, images = tiny_gan(augment=DiffAugment()), torch.rand(BATCH, 1, 8, 8)
    tiny = model.calls.penalize_difference(images, sigma=1e-6)
    assert tiny < model.calls.penalize_difference(images, sigma=0.01) * 100  # another draw would give 1e8 times that


def test_the_gradient_penalty_is_weighted_and_between_the_images() -> None:
    model, part = tiny_gan(r1_gamma=0.0, gradient_penalty_weight=3.0, gradient_penalty_interval=5), micro_batch(BATCH)
    torch.manual_seed(0)
    value, logged = only_penalty(model.loss, "gradient penalty").compute(model.calls, part)
    torch.manual_seed(0)
    between = losses.interpolates(part.images, cast(torch.Tensor, part.fakes))
    torch.testing.assert_close(value, losses.gradient_penalty_vjp(model.discriminator, between) * 15)
    assert logged["penalty/gradient_penalty"] is value
    assert value.requires_grad


def test_the_mismatch_compares_labels_of_the_same_images() -> None:
    model, part = tiny_gan(labels=3, mismatch_weight=3.0, mismatch_interval=5), micro_batch(BATCH)
    part.labels = torch.tensor([0, 1, 2, 0])
    torch.manual_seed(0)
    value, logged = only_penalty(model.loss, "mismatch").compute(model.calls, part)
    torch.manual_seed(0)
    others = part.labels.roll(int(torch.randint(1, BATCH, ())))
    gap = model.discriminator(part.images, part.labels) - model.discriminator(part.images, others)
    torch.testing.assert_close(value, torch.log1p((-gap).exp()).mean() * 15)
    assert logged["penalty/mismatch"] is value
    assert value.requires_grad


@pytest.mark.parametrize("labels", [torch.arange(8) % 2, torch.eye(2).repeat(4, 1)], ids=["classes", "vectors"])
def test_the_mismatch_teaches_the_discriminator_what_labels_mean(labels: torch.Tensor) -> None:
    model = tiny_gan(labels=2, mismatch_weight=1.0)
    shades = (torch.arange(8) % 2).float().view(-1, 1, 1, 1).expand(-1, 1, 8, 8) * 2 - 1
    part, term = MicroBatch(shades, labels), only_penalty(model.loss, "mismatch")
    optimizer = torch.optim.Adam(model.discriminator.parameters(), lr=0.01)
    for _ in range(30):
        optimizer.zero_grad()
        term.compute(model.calls, part)[0].backward()
        optimizer.step()
    own, others = model.discriminator(shades, labels), model.discriminator(shades, labels.roll(1, 0))
    assert (own > others + 1).all()


@pytest.mark.parametrize(("images", "labels", "came"), [(4, None, "no labels"), (1, torch.tensor([0]), "1 image")])
def test_a_mismatch_without_other_labels_is_refused(images: int, labels: torch.Tensor | None, came: str) -> None:
    model, part = tiny_gan(labels=3, mismatch_weight=1.0), micro_batch(images)
    part.labels = labels
    message = f"StyleGAN2Loss: mismatch_weight needs labels of at least two images, got {came}"
    with pytest.raises(ValueError, match=message):
        only_penalty(model.loss, "mismatch").compute(model.calls, part)


@pytest.mark.parametrize(("batch", "shrink", "seen"), [(4, 2, 2), (5, 2, 2), (4, 1, 4), (1, 2, 1), (4, 100, 1)])
def test_path_length_is_weighted_and_sees_a_share_of_the_batch(batch: int, shrink: int, seen: int) -> None:
    model = tiny_gan(path_length_weight=3.0, path_length_interval=5, path_length_batch_shrink=shrink)
    seen_styles: list[torch.Tensor] = []
    model.generator.synthesis.register_forward_pre_hook(lambda _, inputs: seen_styles.append(inputs[0]))
    value, logged = only_penalty(model.loss, "path length").compute(model.calls, micro_batch(batch))
    mean_length = logged["path_length/mean"].detach()
    assert [len(ws) for ws in seen_styles] == [seen]
    # The running mean began at 0 with decay 0.01, and one sample has no spread.
    if seen == 1:
        torch.testing.assert_close(value, (0.99 * mean_length).square() * 15)
    torch.testing.assert_close(model.loss.path_length_penalty.mean, 0.01 * mean_length)
    assert value > (0.99 * mean_length).square() * 15 * (1 - 1e-5)


def test_the_decay_is_that_of_the_running_mean() -> None:
    assert StyleGAN2Loss(path_length_decay=0.25).path_length_penalty.decay == 0.25


@pytest.mark.parametrize("adversarial", ADVERSARIAL_LOSSES)
def test_adversarial_losses_oppose_each_other(adversarial: str) -> None:
    model, part = tiny_gan(adversarial=adversarial), micro_batch(BATCH)
    logits: list[torch.Tensor] = []
    model.discriminator.register_forward_hook(lambda _, inputs, output: logits.append(output))
    for loss, sign in ((model.loss.generator_loss, -1), (model.loss.discriminator_loss, 1)):
        value, _ = loss(model.calls, part)
        (slope,) = torch.autograd.grad(value, logits[0])
        fake = slope if sign < 0 else slope[BATCH:]
        assert len(fake) == BATCH
        assert (fake * sign > 0).all()
        logits.clear()


@pytest.mark.parametrize("adversarial", ADVERSARIAL_LOSSES)
def test_a_level_that_the_loss_does_not_see_is_not_in_the_logits(adversarial: str) -> None:
    model, part = tiny_gan(adversarial=adversarial), micro_batch(BATCH)
    _, before = model.loss.discriminator_loss(model.calls, part)
    kept = cast(torch.Tensor, part.real_logits)
    model.discriminator.register_forward_hook(lambda _, inputs, output: output - 50)
    _, after = model.loss.discriminator_loss(model.calls, part)
    moved = 0.0 if adversarial in ("wasserstein", "relativistic") else -50.0
    torch.testing.assert_close(cast(torch.Tensor, part.real_logits), kept + moved, rtol=0, atol=1e-4)
    for name in ("logits/real", "logits/fake"):
        torch.testing.assert_close(after[name], before[name] + moved, rtol=0, atol=1e-4)


# Steps -------------------------------------------------------------------------------------------------------------


def test_each_network_steps_with_its_loss_and_then_with_lazy_penalties() -> None:
    loss = StyleGAN2Loss(r2_gamma=1.0, gradient_penalty_weight=1.0, path_length_interval=4, r1_interval=16)
    assert [(step.name, step.network, step.interval) for step in loss.steps] == [
        ("generator", "generator", 1),
        ("path length", "generator", 4),
        ("discriminator and gradient penalty", "discriminator", 1),
        ("R1 and R2", "discriminator", 16),
    ]
    assert [penalty.name for penalty in loss.penalties] == ["path length", "gradient penalty", "R1", "R2"]


def test_a_penalty_of_weight_0_has_no_step() -> None:
    loss = StyleGAN2Loss(r1_gamma=0.0, path_length_weight=0.0)
    assert [step.losses[1:] for step in loss.steps] == [(), ()]
    assert not loss.has("r1_gamma")


@dataclass(kw_only=True, eq=False, repr=False)
class WithMeanLogit(StyleGAN2Loss):
    """A penalty of one's own: its settings, and one method."""

    mean_weight: float = 0.5
    mean_interval: int = 2

    @penalty("mean logit", network="discriminator", weight="mean_weight", interval="mean_interval")
    def mean_logit(self, calls: NetworkCalls, batch: MicroBatch) -> tuple[torch.Tensor, ...]:
        return (calls.discriminate(batch.images, batch.labels).mean().square(),)


def test_a_subclass_adds_a_penalty_that_is_trained_and_logged() -> None:
    model = tiny_gan()
    own = GAN(model.generator, model.discriminator, WithMeanLogit(), model.generator_optimizer, ADAM)
    trainer = fit(own, 3)
    assert trainer.callback_metrics["penalty/mean_logit"] > 0
    assert own.loss.steps[-1].name == "mean logit"
    with pytest.raises(ValueError, match="WithMeanLogit: mean_weight must be a number of at least 0, got -1"):
        WithMeanLogit(mean_weight=-1)


def test_every_step_logs_what_it_says() -> None:
    model = tiny_gan(r2_gamma=1.0, gradient_penalty_weight=1.0)
    batch = micro_batch(BATCH)
    for step in model.loss.steps:
        for term in step.losses:
            assert term.compute(model.calls, batch)[1].keys() == set(term.logs)


# Values out of range -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"adversarial": "ns"},
            r"StyleGAN2Loss: adversarial must be one of nonsaturating, hinge, wasserstein, relativistic, got 'ns'",
        ),
        ({"r1_gamma": -1.0}, r"StyleGAN2Loss: r1_gamma must be a number of at least 0, got -1\.0"),
        ({"r1_gamma": float("nan")}, r"StyleGAN2Loss: r1_gamma must be a number of at least 0, got nan"),
        ({"r2_gamma": -2}, r"StyleGAN2Loss: r2_gamma must be a number of at least 0, got -2"),
        (
            {"gradient_penalty_weight": "x"},
            r"StyleGAN2Loss: gradient_penalty_weight must be a number of at least 0, got 'x'",
        ),
        (
            {"gradient_penalty_interval": 0},
            r"StyleGAN2Loss: gradient_penalty_interval must be an int of at least 1, got 0",
        ),
        ({"path_length_weight": -0.5}, r"StyleGAN2Loss: path_length_weight must be a number of at least 0, got -0\.5"),
        ({"style_mixing": 1.1}, r"StyleGAN2Loss: style_mixing must be a number in \[0, 1\], got 1\.1"),
        ({"style_mixing": -0.1}, r"StyleGAN2Loss: style_mixing must be a number in \[0, 1\], got -0\.1"),
        ({"r1_interval": 0}, r"StyleGAN2Loss: r1_interval must be an int of at least 1, got 0"),
        ({"r1_interval": 1.5}, r"StyleGAN2Loss: r1_interval must be an int of at least 1, got 1\.5"),
        (
            {"r1_form": "approximate"},
            r"StyleGAN2Loss: r1_form must be one of exact, finite_difference, got 'approximate'",
        ),
        (
            {"r1_form": "finite_difference", "r1_sigma": 0.0},
            r"StyleGAN2Loss: r1_sigma must be a number above 0, got 0\.0",
        ),
        (
            {"r1_sigma": 0.01},
            r"StyleGAN2Loss: r1_sigma must be None unless r1_form is 'finite_difference', got 0\.01",
        ),
        ({"path_length_interval": -4}, r"StyleGAN2Loss: path_length_interval must be an int of at least 1, got -4"),
        (
            {"path_length_batch_shrink": 0},
            r"StyleGAN2Loss: path_length_batch_shrink must be an int of at least 1, got 0",
        ),
        (
            {"path_length_decay": 0.0},
            r"StyleGAN2Loss: path_length_decay must be a number above 0 and at most 1, got 0\.0",
        ),
    ],
)
def test_values_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StyleGAN2Loss(**options)


# Automatic weights -------------------------------------------------------------------------------------------------


def test_auto_follows_pixels_and_the_batch_of_all_processes() -> None:
    loss = StyleGAN2Loss(r1_gamma="auto", r2_gamma="auto")
    assert loss.has("r1_gamma") and loss.has("r2_gamma")
    loss.set_automatic_gammas((256, 128), 32)
    assert (loss.r1_gamma, loss.r2_gamma) == (pytest.approx(0.0002 * 256 * 128 / 32),) * 2
    loss.set_automatic_gammas((8, 8), 1)  # known already
    assert loss.automatic == {"r1_gamma": loss.r1_gamma, "r2_gamma": pytest.approx(0.2048)}


def test_a_number_is_not_resolved() -> None:
    loss = StyleGAN2Loss(r1_gamma=3.0, r2_gamma="auto")
    loss.restore_automatic_gammas({"r1_gamma": 7.0, "r2_gamma": 5.0})
    assert (loss.r1_gamma, loss.r2_gamma) == (3.0, 5.0)
    with pytest.raises(ValueError, match="StyleGAN2Loss: r1_gamma='auto' needs a data module with a batch_size"):
        StyleGAN2Loss(r1_gamma="auto").set_automatic_gammas((8, 8), None)


def test_training_resolves_auto_before_the_rehearsal_and_a_resume_keeps_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tiny_gan(r1_gamma="auto"), tiny_gan(r1_gamma="auto")
    gamma = 0.0002 * 64 / BATCH
    fit(first, 1, Preflight(tmp_path)).save_checkpoint(tmp_path / "last.ckpt")
    assert first.loss.r1_gamma == pytest.approx(gamma)
    assert "path length and R1 run (loss.r1_gamma=auto is 0.0032); peak" in capsys.readouterr().out
    other = ImageDataModule(tiny_data().dataset, batch_size=2)
    with pytest.warns(UserWarning, match=r"r1_gamma='auto' stays the 0\.0032 .* for 2 images .* be 0\.0064: set"):
        fit(second, 1, resume=tmp_path / "last.ckpt", data=other)
    assert second.loss.r1_gamma == pytest.approx(gamma)
    fresh = tiny_gan(r1_gamma="auto")
    fit(fresh, 1, data=other)
    assert fresh.loss.r1_gamma == pytest.approx(2 * gamma)
