"""Adversarial losses: closed forms, symmetries, where they push the logits, and where they are smallest."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log, log1p

import pytest
import torch
from torch import Tensor

from stylelayers import losses
from tests.conftest import assert_same, check_derivatives

REAL, FAKE = (-2.0, 0.0, 0.5, 3.0), (1.5, -0.25, -4.0, 0.75)

Loss = Callable[..., Tensor]


def logits(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def softplus(x: float) -> float:
    return log1p(exp(x))


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


GENERATOR_LOSSES: dict[Loss, Callable[[float], float]] = {
    losses.nonsaturating_loss: lambda f: softplus(-f),
    losses.hinge_generator_loss: lambda f: -f,
    losses.wasserstein_generator_loss: lambda f: -f,
}
PAIR_LOSSES: dict[Loss, Callable[[float, float], float]] = {
    losses.logistic_loss: lambda r, f: softplus(-r) + softplus(f),
    losses.hinge_discriminator_loss: lambda r, f: max(0.0, 1 - r) + max(0.0, 1 + f),
    losses.wasserstein_discriminator_loss: lambda r, f: f - r,
    losses.relativistic_discriminator_loss: lambda r, f: softplus(f - r),
    losses.relativistic_generator_loss: lambda r, f: softplus(r - f),
}
DISCRIMINATOR_LOSSES = [loss for loss in PAIR_LOSSES if loss is not losses.relativistic_generator_loss]


def name(loss: Loss) -> str:
    return loss.__name__


@pytest.mark.parametrize("loss", GENERATOR_LOSSES, ids=name)
def test_generator_losses_match_their_closed_form(loss: Loss) -> None:
    value = loss(logits(*FAKE))
    assert_same(value, torch.tensor(mean([GENERATOR_LOSSES[loss](f) for f in FAKE]), dtype=torch.float64), 1e-14)


@pytest.mark.parametrize("loss", PAIR_LOSSES, ids=name)
def test_pair_losses_match_their_closed_form(loss: Loss) -> None:
    value = loss(logits(*REAL), logits(*FAKE))
    expected = mean([PAIR_LOSSES[loss](r, f) for r, f in zip(REAL, FAKE, strict=True)])
    assert_same(value, torch.tensor(expected, dtype=torch.float64), 1e-14)


@pytest.mark.parametrize("loss", [*GENERATOR_LOSSES, *PAIR_LOSSES], ids=name)
def test_derivatives_match_finite_differences(loss: Loss) -> None:
    inputs = [logits(*FAKE)] if loss in GENERATOR_LOSSES else [logits(*REAL), logits(*FAKE)]
    check_derivatives(loss, *inputs)


@pytest.mark.parametrize(
    ("loss", "inputs", "expected"),
    [
        (losses.nonsaturating_loss, (-1e4,), 1e4),
        (losses.nonsaturating_loss, (1e4,), 0.0),
        (losses.logistic_loss, (-1e4, 1e4), 2e4),
        (losses.relativistic_discriminator_loss, (-1e4, 1e4), 2e4),
        (losses.relativistic_generator_loss, (-1e4, 1e4), 0.0),
    ],
)
def test_large_logits_stay_finite(loss: Loss, inputs: tuple[float, ...], expected: float) -> None:
    assert loss(*(torch.tensor([[value]]) for value in inputs)).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", DISCRIMINATOR_LOSSES, ids=name)
def test_discriminator_losses_are_symmetric_in_real_and_fake(loss: Loss) -> None:
    real, fake = logits(*REAL), logits(*FAKE)
    assert_same(loss(real, fake), loss(-fake, -real), 1e-14)


def test_pairing_loss_depends_on_the_logit_difference() -> None:
    real, fake = logits(*REAL), logits(*FAKE)
    critic, generator = losses.relativistic_discriminator_loss, losses.relativistic_generator_loss
    assert_same(critic(real, fake), critic(real + 5, fake + 5), 1e-14)
    assert_same(critic(real, fake), generator(fake, real), 1e-14)


@pytest.mark.parametrize("loss", DISCRIMINATOR_LOSSES, ids=name)
def test_discriminator_losses_raise_real_and_lower_fake_logits(loss: Loss) -> None:
    real, fake = logits(*REAL).clamp(max=0.9).requires_grad_(), logits(*FAKE).clamp(min=-0.9).requires_grad_()
    loss(real, fake).backward()
    assert real.grad is not None and (real.grad < 0).all()
    assert fake.grad is not None and (fake.grad > 0).all()


@pytest.mark.parametrize("loss", [*GENERATOR_LOSSES, losses.relativistic_generator_loss], ids=name)
def test_generator_losses_raise_fake_logits(loss: Loss) -> None:
    fake = logits(*FAKE).requires_grad_()
    (loss(fake) if loss in GENERATOR_LOSSES else loss(logits(*REAL), fake)).backward()
    assert fake.grad is not None and (fake.grad < 0).all()


def test_logistic_loss_is_minimal_at_the_log_density_ratio() -> None:
    # Of the real images 1/2 are a and 1/2 are b; of the fakes 3/4 are a and 1/4 are b.
    a, b = log((1 / 2) / (3 / 4)), log((1 / 2) / (1 / 4))

    def loss(a: Tensor, b: Tensor) -> Tensor:
        return losses.logistic_loss(torch.stack([a, b]), torch.stack([a, a, a, b]))

    best = (torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64))
    gradients = torch.func.grad(loss, argnums=(0, 1))(*best)
    assert_same(torch.stack(gradients), torch.zeros(2, dtype=torch.float64), 1e-14)
    for nearby in ((a + 0.1, b), (a - 0.1, b), (a, b + 0.1), (a, b - 0.1)):
        assert loss(*(torch.tensor(value, dtype=torch.float64) for value in nearby)) > loss(*best)


def test_hinge_loss_is_zero_beyond_the_margin() -> None:
    real, fake = logits(1.0, 7.0), logits(-1.0, -3.0)
    assert losses.hinge_discriminator_loss(real, fake) == 0
    assert losses.hinge_discriminator_loss(real - 0.01, fake) > 0
    assert losses.hinge_discriminator_loss(real, fake + 0.01) > 0
