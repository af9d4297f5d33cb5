"""Gradient penalties: closed forms, the two ways to compute them, finite differences, and wrong inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck

from stylelayers import Discriminator, SynthesisNetwork
from stylelayers.losses import (
    PathLengthPenalty,
    gradient_penalty,
    gradient_penalty_vjp,
    interpolates,
    path_lengths,
    path_lengths_vjp,
    r1_penalty,
    r1_penalty_vjp,
    r2_penalty,
)
from tests.conftest import assert_same, randn

PENALTIES = {"r1_penalty": r1_penalty, "r2_penalty": r2_penalty, "gradient_penalty": gradient_penalty}
SHAPE = (2, 3, 4)  # of the images of the linear generator
PIXELS = 2 * 3 * 4


def quadratic(x: Tensor, matrix: Tensor, vector: Tensor) -> Tensor:
    """Logits ``x^T A x / 2 + b^T x``, whose gradient is ``(A + A^T) x / 2 + b``."""
    x = x.flatten(1)
    return (0.5 * x * (x @ matrix)).sum(1, keepdim=True) + x @ vector.unsqueeze(1)


@pytest.mark.parametrize("penalty", [r1_penalty, r2_penalty, None])
def test_r1_of_a_quadratic_discriminator_is_exact(penalty: Callable[..., Tensor] | None) -> None:
    x, matrix, vector = randn(5, *SHAPE).requires_grad_(), randn(PIXELS, PIXELS), randn(PIXELS).requires_grad_()
    if penalty is None:
        value = r1_penalty_vjp(lambda images: quadratic(images, matrix, vector), x.detach())
    else:
        value = penalty(quadratic(x, matrix, vector), x)
    slope = x.detach().flatten(1) @ (matrix + matrix.T) / 2 + vector.detach()
    assert_same(value, slope.square().sum(1).mean())
    (gradient,) = torch.autograd.grad(value, vector)
    assert_same(gradient, 2 * slope.mean(0))


def test_r1_differentiates_the_sum_of_all_logits() -> None:
    x, vectors = randn(4, 1, 2, 2).requires_grad_(), randn(4, 3)
    logits = x.flatten(1) @ vectors  # (4, 3)
    assert_same(r1_penalty(logits, x), vectors.sum(1).square().sum())


def network_and_input(labels: int) -> tuple[Discriminator, Tensor, Tensor | None]:
    critic = Discriminator(
        8, image_channels=1, channel_base=32, num_labels=labels, activation="swish", dtype=torch.double
    )
    return critic, randn(4, 1, 8, 8), torch.arange(4) % labels if labels else None


@pytest.mark.parametrize("labels", [0, 3])
def test_both_forms_of_r1_and_their_gradients_agree(labels: int) -> None:
    critic, images, classes = network_and_input(labels)
    leaf = images.clone().requires_grad_()
    graph = r1_penalty(critic(leaf, classes), leaf)
    functional = r1_penalty_vjp(critic, images, classes)
    assert graph > 0
    assert_same(functional, graph)
    parameters = list(critic.parameters())
    expected, actual = (torch.autograd.grad(p, parameters, allow_unused=True) for p in (graph, functional))
    compare(actual, expected)


@pytest.mark.parametrize("form", ["graph", "vjp"])
def test_r1_parameter_gradients_match_finite_differences(form: str) -> None:
    critic, images, _ = network_and_input(0)
    leaf = images.clone().requires_grad_()

    def penalty(run: Callable[[Tensor], Tensor]) -> Tensor:
        return r1_penalty(run(leaf), leaf) if form == "graph" else r1_penalty_vjp(run, images)

    check_through_parameters(critic, penalty)


# The gradient penalty of WGAN-GP --------------------------------------------------------------------------------------


def per_image_penalty(critic: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """The reference: a backward pass and a norm for every image."""
    terms = []
    for n in range(len(images)):
        leaf = images.detach().clone().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(leaf).sum(), leaf, create_graph=True)
        terms.append(((gradient[n] ** 2).sum() ** 0.5 - 1) ** 2)
    return sum(terms, torch.zeros((), dtype=images.dtype)) / len(images)


@pytest.mark.parametrize("form", ["graph", "vjp"])
@pytest.mark.parametrize("labels", [0, 3])
def test_gradient_penalty_matches_the_reference(form: str, labels: int) -> None:
    critic, images, classes = network_and_input(labels)
    leaf = images.clone().requires_grad_()
    value = gradient_penalty(critic(leaf, classes), leaf) if form == "graph" else None
    value = gradient_penalty_vjp(critic, images, classes) if value is None else value
    expected = per_image_penalty(lambda x: critic(x, classes), images)
    assert_same(value, expected)
    parameters = list(critic.parameters())
    ours, theirs = (torch.autograd.grad(p, parameters, allow_unused=True) for p in (value, expected))
    compare(ours, theirs)


@pytest.mark.parametrize("form", ["graph", "vjp"])
def test_gradient_penalty_derivatives_match_finite_differences(form: str) -> None:
    x, matrix, vector = randn(3, *SHAPE), randn(PIXELS, PIXELS).requires_grad_(), randn(PIXELS).requires_grad_()

    def penalty(matrix: Tensor, vector: Tensor) -> Tensor:
        leaf = x.clone().requires_grad_()
        if form == "graph":
            return gradient_penalty(quadratic(leaf, matrix, vector), leaf)
        return gradient_penalty_vjp(lambda images: quadratic(images, matrix, vector), x)

    assert gradcheck(penalty, (matrix, vector), fast_mode=True)
    assert gradgradcheck(penalty, (matrix, vector), fast_mode=True)
    critic, images, _ = network_and_input(0)
    check_through_parameters(critic, lambda run: gradient_penalty_vjp(run, images))


def test_unit_slope_costs_nothing_and_flat_critics_stay_finite() -> None:
    x, slope = randn(3, 4).requires_grad_(), torch.tensor([0.6, 0.0, 0.8, 0.0], dtype=torch.double)
    assert_same(gradient_penalty(x @ slope, x), torch.zeros((), dtype=torch.double))
    flat = torch.zeros(4, dtype=torch.double, requires_grad=True)
    value = gradient_penalty(x @ flat, x)
    assert value == 1
    (gradient,) = torch.autograd.grad(value, flat)
    assert torch.equal(gradient, torch.zeros_like(flat))


def test_each_image_is_interpolated_with_its_own_fraction() -> None:
    real, fake = torch.zeros(1000, 2, 3), torch.ones(1000, 2, 3).requires_grad_()
    points = interpolates(real, fake)
    assert not points.requires_grad
    shares = points[:, 0, 0]
    assert torch.equal(points, shares[:, None, None].expand_as(points))
    assert 0 <= shares.min() < 0.02 < 0.98 < shares.max() <= 1
    assert abs(shares.mean() - 0.5) < 0.04
    assert_same(interpolates(points, points.clone()), points, 1e-6)
    with pytest.raises(ValueError, match=r"interpolates: real and fake must .* got \(1000, 2, 3\) and \(10, 2, 3\)"):
        interpolates(real, fake[:10])


def linear_images(latents: Tensor, matrix: Tensor) -> Tensor:
    """Images ``sum_l A_l w_l`` of latents ``(N, L, D)`` or ``(N, D)``; `matrix` is ``(L, pixels, D)``."""
    latents = latents if latents.ndim == 3 else latents.unsqueeze(1)
    return torch.einsum("lpd,nld->np", matrix, latents).unflatten(1, SHAPE)


@pytest.mark.parametrize("form", ["graph", "vjp"])
@pytest.mark.parametrize("layers", [None, 1, 3])
def test_path_lengths_of_a_linear_generator_are_exact(layers: int | None, form: str) -> None:
    matrix, noise = randn(layers or 1, PIXELS, 5), randn(4, *SHAPE)
    latents = randn(4, 5) if layers is None else randn(4, layers, 5)
    if form == "graph":
        latents.requires_grad_()
        lengths = path_lengths(linear_images(latents, matrix), latents, noise)
    else:
        lengths = path_lengths_vjp(lambda w: linear_images(w, matrix), latents, noise)
    pulled = torch.einsum("lpd,np->nld", matrix, noise.flatten(1) / (SHAPE[1] * SHAPE[2]) ** 0.5)
    assert_same(lengths, pulled.square().sum(2).mean(1).sqrt())


def test_default_noise_is_unit_normal() -> None:
    latents = randn(4, 1, 5).requires_grad_()
    images = linear_images(latents, randn(1, PIXELS, 5))
    torch.manual_seed(3)
    drawn = path_lengths(images, latents)
    torch.manual_seed(3)
    assert_same(drawn, path_lengths(images, latents, torch.randn_like(images)), 0.0)


def test_expected_square_length_is_the_jacobian_norm_over_pixels() -> None:
    matrix = randn(1, PIXELS, 5)
    lengths = path_lengths_vjp(lambda w: linear_images(w, matrix), randn(20_000, 5))
    expected = matrix.square().sum() / (SHAPE[1] * SHAPE[2])
    torch.testing.assert_close(lengths.square().mean(), expected, rtol=0.03, atol=0.0)


def synthesis() -> SynthesisNetwork:
    return SynthesisNetwork(3, 8, image_channels=1, channel_base=32, activation="swish", dtype=torch.double)


def test_both_forms_of_path_lengths_and_their_gradients_agree() -> None:
    network = synthesis()
    ws, noise = randn(3, network.num_ws, 3), randn(3, 1, 8, 8)
    leaf = ws.clone().requires_grad_()
    graph = path_lengths(network(leaf, noise="const"), leaf, noise)
    functional = path_lengths_vjp(lambda w: network(w, noise="const"), ws, noise)
    assert (graph > 0).all()
    assert_same(functional, graph)
    parameters = list(network.parameters())
    expected, actual = (
        torch.autograd.grad(p.square().sum(), parameters, allow_unused=True) for p in (graph, functional)
    )
    compare(actual, expected)


@pytest.mark.parametrize("form", ["graph", "vjp"])
def test_path_length_parameter_gradients_match_finite_differences(form: str) -> None:
    network = synthesis()
    ws, noise = randn(2, network.num_ws, 3), randn(2, 1, 8, 8)
    leaf = ws.clone().requires_grad_()

    def penalty(run: Callable[[Tensor], Tensor]) -> Tensor:
        return path_lengths(run(leaf), leaf, noise) if form == "graph" else path_lengths_vjp(run, ws, noise)

    check_through_parameters(network, penalty, noise="const")


def check_through_parameters(network: nn.Module, penalty: Callable[..., Tensor], **options: str) -> None:
    """Compare the derivative of ``penalty(x -> network(x))`` by all parameters with finite differences."""
    names = [name for name, _ in network.named_parameters()]

    def function(*values: Tensor) -> Tensor:
        named = dict(zip(names, values, strict=True))
        return penalty(lambda x: torch.func.functional_call(network, named, (x,), options))

    assert gradcheck(function, [p.detach().clone().requires_grad_() for p in network.parameters()], fast_mode=True)


def compare(actual: Any, expected: Any) -> None:
    """Gradients are equal, None meaning 0, and most of them are not 0."""
    pairs = list(zip(actual, expected, strict=True))
    for ours, theirs in pairs:
        like = ours if theirs is None else theirs
        if like is not None:
            assert_same(
                torch.zeros_like(like) if ours is None else ours, torch.zeros_like(like) if theirs is None else theirs
            )
    moving = [theirs for _, theirs in pairs if theirs is not None and theirs.any()]
    assert len(moving) > len(pairs) / 2


def test_penalty_is_the_squared_distance_from_the_running_mean() -> None:
    penalty, mean = PathLengthPenalty(decay=0.25), 0.0
    for batch in (torch.tensor([1.0, 3.0]), torch.tensor([5.0]), torch.tensor([0.0, 1.0, 8.0])):
        lengths = batch.requires_grad_()
        value = penalty(lengths)
        mean += 0.25 * (lengths.detach().mean().item() - mean)
        assert penalty.mean.item() == pytest.approx(mean)
        torch.testing.assert_close(value, (lengths.detach() - mean).square().mean())
        value.backward()  # the mean is a constant: no gradient runs through it
        torch.testing.assert_close(lengths.grad, 2 * (lengths.detach() - mean) / len(lengths))


def test_evaluation_does_not_update_the_mean() -> None:
    penalty = PathLengthPenalty(decay=1.0)
    penalty(torch.tensor([2.0]))
    assert penalty.eval()(torch.tensor([5.0])) == 9
    assert penalty.mean == 2


def test_mean_is_in_the_state_dict_and_decay_in_the_repr() -> None:
    penalty, other = PathLengthPenalty(decay=0.5), PathLengthPenalty()
    penalty(torch.tensor([2.0]))
    assert list(penalty.state_dict()) == ["mean"]
    other.load_state_dict(penalty.state_dict())
    assert other.mean == 1
    assert repr(penalty) == "PathLengthPenalty(decay=0.5)"


def test_running_mean_averages_over_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.all_reduce", lambda value: value.add_(5.0))  # the other rank's mean
    penalty, lengths = PathLengthPenalty(decay=1.0), torch.tensor([1.0, 5.0])
    penalty(lengths)
    assert penalty.mean == (3 + 5) / 2
    assert lengths.tolist() == [1.0, 5.0]


def leaf(*shape: int) -> Tensor:
    return torch.randn(*shape, requires_grad=True)


def images_of(latents: Tensor, batch: int = 2) -> Tensor:
    return latents.sum().expand(batch, 1, 2, 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        *(
            case
            for name, penalty in PENALTIES.items()
            for case in (
                (lambda p=penalty: p(leaf(2, 1), torch.randn(2, 1, 2, 2)), f"{name}: images must require grad before"),
                (lambda p=penalty: p(torch.randn(2, 1), leaf(2, 1, 2, 2)), f"{name}: logits have no graph"),
                (lambda p=penalty: p(leaf(2, 1), leaf(2, 1, 2, 2)), f"{name}: logits were not computed from"),
            )
        ),
        (lambda: path_lengths(leaf(2, 1, 2, 2), torch.randn(2, 3)), "latents must require grad .*requires_grad_"),
        (lambda: path_lengths(torch.randn(2, 1, 2, 2), leaf(2, 3)), "images have no graph"),
        (lambda: path_lengths(leaf(2, 1, 2, 2), leaf(2, 3)), "images were not computed from these latents"),
        (lambda: path_lengths(leaf(2, 2, 2), leaf(2, 3)), r"must be \(N, C, H, W\).* got \(2, 2, 2\)"),
        (lambda: path_lengths(images_of(w := leaf(2, 3)), w, torch.randn(2, 1, 1, 2)), r"got .* and \(2, 1, 1, 2\)"),
        (lambda: path_lengths(images_of(w := leaf(3)), w), r"latents must be \(N, D\) or .* got \(3,\)"),
        (lambda: path_lengths(images_of(w := leaf(2, 3, 4, 5)), w), r"latents must be .* got \(2, 3, 4, 5\)"),
        (lambda: path_lengths(images_of(w := leaf(1, 3)), w), r"latents .* \(1, 3\)"),
        (lambda: path_lengths_vjp(images_of, torch.randn(3)), r"latents must be .* got \(3,\)"),
        (lambda: path_lengths_vjp(images_of, torch.randn(1, 3)), r"latents .* \(1, 3\)"),
        (lambda: path_lengths_vjp(lambda w: w, torch.randn(2, 3)), r"must be \(N, C, H, W\)"),
        *(
            (lambda decay=d: PathLengthPenalty(decay), rf"decay must be a number above 0 and at most 1.*{d}")
            for d in (0.0, 1.5)
        ),
    ],
)
def test_wrong_inputs_raise_with_the_cure(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
