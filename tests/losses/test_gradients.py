"""Where gradients flow: to every parameter in a full step, to which ones from a penalty alone, and between samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from stylelayers import Discriminator, Generator
from stylelayers.losses import (
    PathLengthPenalty,
    logistic_loss,
    nonsaturating_loss,
    path_lengths,
    path_lengths_vjp,
    r1_penalty,
    r1_penalty_vjp,
    r2_penalty,
)
from tests.conftest import assert_same, randn

ARCHITECTURES = ("skip", "resnet", "orig")
TINY: dict[str, Any] = {"image_channels": 2, "channel_base": 32, "dtype": torch.float64}


def generator(**options: Any) -> Generator:
    return Generator(8, **{**TINY, "z_dim": 3, "w_dim": 4, "mapping_layers": 2, **options})


def discriminator(**options: Any) -> Discriminator:
    return Discriminator(8, **{**TINY, **options})


def without_gradient(module: nn.Module, loss: Tensor) -> set[str]:
    """Names of the parameters whose gradient of `loss` is None or 0 everywhere; the others' must be finite."""
    names = [name for name, _ in module.named_parameters()]
    gradients = torch.autograd.grad(loss, list(module.parameters()), allow_unused=True)
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)
    return {name for name, gradient in zip(names, gradients, strict=True) if gradient is None or not gradient.any()}


# A full step -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("labels", [0, 2])
@pytest.mark.parametrize("activation", ["lrelu", "swish"])
def test_a_generator_step_reaches_every_parameter(architecture: str, labels: int, activation: str) -> None:
    painter = generator(architecture=architecture, num_labels=labels, activation=activation)
    critic = discriminator(num_labels=labels, label_layers=1)
    classes = torch.tensor([0, 1, 1, 0]) if labels else None
    ws = painter.mapping(randn(4, 3), classes)
    images = painter.synthesis(ws)
    loss = nonsaturating_loss(critic(images, classes)) + PathLengthPenalty().double()(path_lengths(images, ws))
    assert without_gradient(painter, loss) == set()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("labels", [0, 2])
@pytest.mark.parametrize("activation", ["lrelu", "swish"])
def test_a_discriminator_step_reaches_every_parameter(architecture: str, labels: int, activation: str) -> None:
    critic = discriminator(architecture=architecture, num_labels=labels, label_layers=1, activation=activation)
    classes = torch.tensor([0, 1, 1, 0]) if labels else None
    real, fake = randn(4, 2, 8, 8).requires_grad_(), randn(4, 2, 8, 8).requires_grad_()
    of_real, of_fake = critic(real, classes), critic(fake, classes)
    loss = logistic_loss(of_real, of_fake) + r1_penalty(of_real, real) + r2_penalty(of_fake, fake)
    assert without_gradient(critic, loss) == set()


# What a penalty alone does not reach ------------------------------------------------------------------------------
# A gradient penalty sees only what changes a gradient. The last bias adds a constant to the output, so it never gets
# one. Under piecewise linear activations a bias moves features only, not slopes: it is reached where features are
# multiplied by one another further up (by statistics of a group), or by a style.

CONVOLUTIONS = ("blocks.0.from_rgb", "blocks.0.conv0", "blocks.0.conv1")
NOT_FROM_R1 = {
    ("lrelu", 0): {f"{name}.bias" for name in (*CONVOLUTIONS, "epilogue.conv", "epilogue.fc", "epilogue.out")},
    ("lrelu", 1): {f"{name}.bias" for name in ("epilogue.conv", "epilogue.fc", "epilogue.out")},
    ("swish", 0): {"epilogue.out.bias"},
    ("swish", 1): {"epilogue.out.bias"},
}
NOT_FROM_PATH_LENGTH = {
    "skip": {"synthesis.blocks.0.to_rgb.act.bias", "synthesis.blocks.1.to_rgb.act.bias"},
    "resnet": {"synthesis.blocks.1.to_rgb.act.bias"},
    "orig": {"synthesis.blocks.1.to_rgb.act.bias"},
}
FORMS = pytest.mark.parametrize("form", ["graph", "vjp"])


@FORMS
@pytest.mark.parametrize(("activation", "stddev"), NOT_FROM_R1)
def test_r1_alone_misses_only_known_parameters(activation: str, stddev: int, form: str) -> None:
    critic, images = discriminator(activation=activation, mbstd_num_channels=stddev), randn(4, 2, 8, 8).requires_grad_()
    penalty = r1_penalty(critic(images), images) if form == "graph" else r1_penalty_vjp(critic, images.detach())
    assert without_gradient(critic, penalty) == NOT_FROM_R1[activation, stddev]


@FORMS
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("activation", ["lrelu", "swish"])
def test_path_length_alone_misses_only_known_parameters(architecture: str, activation: str, form: str) -> None:
    painter = generator(architecture=architecture, activation=activation)
    ws = painter.mapping(randn(4, 3))
    lengths = path_lengths(painter.synthesis(ws), ws) if form == "graph" else path_lengths_vjp(painter.synthesis, ws)
    assert without_gradient(painter, lengths.square().sum()) == NOT_FROM_PATH_LENGTH[architecture]


def test_without_noise_only_its_strengths_get_no_gradient() -> None:
    painter = generator()
    ws = painter.mapping(randn(4, 3))
    images = painter.synthesis(ws, noise="none")
    left_out = without_gradient(painter, images.square().sum() + path_lengths(images, ws).sum())
    assert left_out == {name for name, _ in painter.named_parameters() if name.endswith("noise.strength")}


# Batches and samples -----------------------------------------------------------------------------------------------


def gradients_of(module: nn.Module, value: Tensor) -> list[Tensor]:
    parameters = list(module.parameters())
    return [value.detach(), *torch.autograd.grad(value, parameters, allow_unused=True, materialize_grads=True)]


def test_r1_of_a_batch_is_the_mean_over_its_images() -> None:
    critic, images = discriminator(mbstd_num_channels=0, activation="swish"), randn(3, 2, 8, 8)
    whole = gradients_of(critic, r1_penalty_vjp(critic, images))
    alone = [gradients_of(critic, r1_penalty_vjp(critic, image.unsqueeze(0))) for image in images]
    doubled = gradients_of(critic, r1_penalty_vjp(critic, images.repeat(2, 1, 1, 1)))
    for total, twice, *parts in zip(whole, doubled, *alone, strict=True):
        assert_same(sum(parts, torch.zeros_like(total)), 3 * total)
        assert_same(twice, total)


@pytest.mark.parametrize("several", [False, True])
def test_path_lengths_of_a_batch_are_those_of_its_samples(several: bool) -> None:
    painter, noise = generator().eval(), randn(3, 2, 8, 8)
    latents = randn(3, painter.num_ws, 4) if several else randn(3, 3)
    run = partial(painter.synthesis if several else painter, noise="const")
    whole = path_lengths_vjp(run, latents, noise)
    alone = [path_lengths_vjp(run, latents[n : n + 1], noise[n : n + 1]) for n in range(3)]
    assert_same(whole, torch.cat(alone))
    together, apart = gradients_of(painter, whole.sum()), gradients_of(painter, torch.cat(alone).sum())
    for ours, theirs in zip(together, apart, strict=True):
        assert_same(ours, theirs)


EYE = torch.eye(4, dtype=torch.bool)
PAIRS = torch.arange(4) % 2 == torch.arange(4).unsqueeze(1) % 2  # image n is in group n % 2
WHO_MOVES_WHOM = {
    "no statistics": ({"mbstd_num_channels": 0}, EYE),
    "groups of one": ({"mbstd_group_size": 1}, EYE),
    "groups of two": ({"mbstd_group_size": 2}, PAIRS),
    "one group": ({"mbstd_group_size": 4}, torch.ones(4, 4, dtype=torch.bool)),
}


@pytest.mark.parametrize(("options", "moves"), WHO_MOVES_WHOM.values(), ids=WHO_MOVES_WHOM)
def test_logits_depend_on_the_images_of_their_group(options: dict[str, int], moves: Tensor) -> None:
    """Therefore R1, which differentiates the sum of all logits, is per sample without statistics and not with them."""
    critic, images = discriminator(**options), randn(4, 2, 8, 8)
    jacobian: Any = torch.func.jacrev(lambda x: critic(x)[:, 0])(images)  # (logit, image, C, H, W)
    assert torch.equal(jacobian.flatten(2).any(2), moves)
    per_sample = jacobian.diagonal().movedim(-1, 0)
    mean_of_norms = per_sample.square().flatten(1).sum(1).mean()
    agree = torch.allclose(r1_penalty_vjp(critic, images), mean_of_norms, rtol=1e-9)
    assert agree == torch.equal(moves, EYE)


# Finite differences through parameters -----------------------------------------------------------------------------


def check_through_parameters(module: nn.Module, penalty: Callable[[Callable[..., Tensor]], Tensor]) -> None:
    names = [name for name, _ in module.named_parameters()]

    def function(*values: Tensor) -> Tensor:
        named = dict(zip(names, values, strict=True))
        return penalty(lambda *x, **options: torch.func.functional_call(module, named, x, options))

    assert gradcheck(function, [p.detach().clone().requires_grad_() for p in module.parameters()], fast_mode=True)


@FORMS
@pytest.mark.parametrize("several", [False, True])
def test_path_length_gradients_match_finite_differences(several: bool, form: str) -> None:
    """Latents ``(N, D)`` of the whole generator and ``(N, L, D)`` of its synthesis, behind the running mean."""
    painter, noise = generator(activation="swish").eval(), randn(2, 2, 8, 8)
    latents = (randn(2, painter.num_ws, 4) if several else randn(2, 3)).requires_grad_()
    to_mean = PathLengthPenalty().double().eval()
    to_mean.mean.fill_(0.5)

    def penalty(run: Callable[..., Tensor]) -> Tensor:
        if form == "graph":
            return to_mean(path_lengths(run(latents, noise="const"), latents, noise))
        return to_mean(path_lengths_vjp(lambda w: run(w, noise="const"), latents.detach(), noise))

    check_through_parameters(painter.synthesis if several else painter, penalty)


@FORMS
@pytest.mark.parametrize("labels", [0, 2])
def test_discriminator_gradients_match_finite_differences(labels: int, form: str) -> None:
    """Losses and R1 together, statistics and label projection included."""
    critic = discriminator(activation="softplus", num_labels=labels, label_layers=1)
    real, fake = randn(3, 2, 8, 8).requires_grad_(), randn(3, 2, 8, 8)
    classes = torch.tensor([0, 1, 1]) if labels else None

    def step(run: Callable[..., Tensor]) -> Tensor:
        logits = run(real, classes)
        graph = form == "graph"
        penalty = r1_penalty(logits, real) if graph else r1_penalty_vjp(run, real.detach(), classes)
        return logistic_loss(logits, run(fake, classes)) + penalty

    check_through_parameters(critic, step)
