"""R1 by finite differences: its expectation, its bias, one draw for both calls, and where exact R1 cannot go."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from stylelayers import Discriminator
from stylelayers.augment import DiffAugment
from stylelayers.losses import finite_difference_penalty, r1_penalty, r1_penalty_vjp
from tests.conftest import assert_same, randn

SHAPE = (1, 8, 8)
PIXELS = 64


def every_direction(images: Tensor) -> tuple[Tensor, Tensor]:
    """Each image and noise along each of its pixels, both ways: the mean over them is the expectation over noise."""
    basis = torch.eye(PIXELS, dtype=images.dtype).view(PIXELS, *SHAPE) * PIXELS**0.5
    directions = torch.cat([basis, -basis])
    return images.repeat_interleave(len(directions), 0), directions.repeat(len(images), 1, 1, 1)


def critic(**options: Any) -> Discriminator:
    small: dict[str, Any] = {"image_channels": 1, "channel_base": 32, "dtype": torch.float64, **options}
    return Discriminator(8, **{"activation": "swish", "mbstd_num_channels": 0, **small})


def test_the_expectation_for_a_linear_discriminator_is_exact() -> None:
    weight = randn(PIXELS, 2).requires_grad_()
    images, noise = every_direction(randn(2, *SHAPE))
    value = finite_difference_penalty(lambda x: x.flatten(1) @ weight, images, noise=noise)
    expected = weight.sum(1).square().sum()  # of the sum of both logits of an image, as for exact R1
    assert_same(value, expected)
    (slope,), (expected_slope,) = (torch.autograd.grad(v, weight) for v in (value, expected))
    assert_same(slope, expected_slope)


def test_random_noise_has_the_expectation_too() -> None:
    weight = randn(PIXELS)
    value = finite_difference_penalty(lambda x: x.flatten(1) @ weight, torch.zeros(20_000, *SHAPE, dtype=torch.double))
    torch.testing.assert_close(value, weight.square().sum(), rtol=0.05, atol=0.0)  # five standard deviations


def test_the_bias_of_a_smooth_discriminator_falls_with_sigma_squared() -> None:
    network, images = critic(), randn(2, *SHAPE)
    parameters = list(network.parameters())[:-1]  # the last bias moves no difference

    def value_and_slopes(value: Tensor) -> Tensor:
        return torch.cat([value.detach().view(1), *(g.flatten() for g in torch.autograd.grad(value, parameters))])

    exact = value_and_slopes(r1_penalty_vjp(network, images))
    moved, noise = every_direction(images)
    errors = torch.stack(
        [
            value_and_slopes(finite_difference_penalty(network, moved, sigma=sigma, noise=noise)) - exact
            for sigma in (0.01, 0.001)
        ]
    )
    assert errors[1].norm() < 1e-4 * exact.norm()
    for error in (errors[:, 0].abs(), errors[:, 1:].norm(dim=1)):
        assert (error[0] / error[1]).item() == pytest.approx(100, rel=0.1)


def test_gradients_of_the_parameters_average_to_the_exact_ones() -> None:
    network, images = critic(), randn(1, *SHAPE)
    many = images.expand(4000, *SHAPE)
    found = torch.autograd.grad(finite_difference_penalty(network, many), network.epilogue.fc.weight)[0]
    exact = torch.autograd.grad(r1_penalty_vjp(network, images), network.epilogue.fc.weight)[0]
    assert (found - exact).norm() < 0.15 * exact.norm()


def test_each_logit_has_its_gradient_by_all_images_of_its_group() -> None:
    network, images = critic(mbstd_num_channels=1, mbstd_group_size=2), randn(2, *SHAPE)
    jacobian = torch.autograd.functional.jacobian(lambda x: network(x).squeeze(1), images)
    total = torch.zeros((), dtype=torch.double)
    for sample in range(2):
        for pixel in range(PIXELS):
            noise = torch.zeros(2, PIXELS, dtype=torch.double)
            noise[sample, pixel] = 1
            total += finite_difference_penalty(network, images, sigma=1e-5, noise=noise.view_as(images)).detach()
    assert_same(total, jacobian.square().sum() / 2, 1e-4)
    assert jacobian[0, 1].abs().max() > 0


# One draw ----------------------------------------------------------------------------------------------------------


def test_both_calls_draw_the_same_random_numbers() -> None:
    augment, images = DiffAugment(), torch.rand(4, 1, 8, 8)

    def augmented(x: Tensor) -> Tensor:
        return augment(x * (1 + random.random()) + float(np.random.rand())).flatten(1).sum(1)

    assert finite_difference_penalty(augmented, images, noise=torch.zeros_like(images)) == 0
    torch.manual_seed(0)
    finite_difference_penalty(augmented, images, noise=torch.zeros_like(images))
    after = torch.rand(2)
    torch.manual_seed(0)
    augmented(images)
    assert torch.equal(after, torch.rand(2))  # as after one call
    assert not torch.equal(augmented(images), augmented(images))


def test_labels_are_those_of_the_images() -> None:
    network, images, labels = critic(num_labels=3, label_layers=1), randn(3, *SHAPE), torch.arange(3)
    noise = randn(3, *SHAPE)
    found = finite_difference_penalty(network, images, labels, noise=noise)
    assert_same(found, ((network(images + 0.003 * noise, labels) - network(images, labels)) / 0.003).square().mean())
    assert found != finite_difference_penalty(network, images, labels.flip(0), noise=noise)


# Where exact R1 cannot go ----------------------------------------------------------------------------------------


class Once(torch.autograd.Function):
    """tanh, without a second derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(y := x.tanh())
        return y

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (y,) = ctx.saved_tensors
        return grad * (1 - y.square())


def test_a_discriminator_without_second_derivatives_is_penalised() -> None:
    first, last, images = nn.Linear(PIXELS, 8).double(), nn.Linear(8, 1).double(), randn(4, *SHAPE).requires_grad_()

    def network(x: Tensor, tanh: Callable[[Tensor], Tensor] = Once.apply) -> Tensor:
        result: Tensor = last(tanh(first(x.flatten(1))))
        return result

    with pytest.raises(RuntimeError, match="once_differentiable"):
        r1_penalty(network(images), images).backward()
    noise = randn(4, *SHAPE)
    found, expected = (
        torch.autograd.grad(finite_difference_penalty(f, images.detach(), noise=noise), first.weight)[0]
        for f in (network, lambda x: network(x, torch.tanh))
    )
    assert_same(found, expected)


def test_autocast_does_not_round_the_difference() -> None:
    network, images, noise = critic().float(), torch.randn(4, *SHAPE), torch.randn(4, *SHAPE)
    expected = finite_difference_penalty(network, images, noise=noise)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(finite_difference_penalty(network, images, noise=noise), expected)
        rounded = (network(images + 0.003 * noise).float() - network(images).float()) / 0.003
    assert not torch.isclose(rounded.square().mean(), expected, rtol=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: finite_difference_penalty(torch.sin, x, sigma=0.0), r"sigma must be a number above 0, got 0\.0"),
        (lambda x: finite_difference_penalty(torch.sin, x, sigma=-1), r"sigma must be a number above 0, got -1"),
        (
            lambda x: finite_difference_penalty(torch.sin, x, noise=x[:1]),
            r"noise must have the images' shape \(2, 3\), got \(1, 3\)",
        ),
        (
            lambda x: finite_difference_penalty(lambda x: x.bfloat16(), x),
            r"logits must be in float32 or float64, got torch\.bfloat16",
        ),
    ],
)
def test_wrong_inputs_raise(call: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=f"finite_difference_penalty: {message}"):
        call(torch.randn(2, 3))
