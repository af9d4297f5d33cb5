"""Penalties where a Jacobian is 0, underflows or overflows: finite derivatives, right where they are not 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from stylelayers import Generator
from stylelayers.losses import (
    PathLengthPenalty,
    gradient_penalty,
    gradient_penalty_vjp,
    path_lengths,
    path_lengths_vjp,
    r1_penalty,
    r1_penalty_vjp,
)
from stylelayers.losses.differentiation import gradient_norms

Painter = Callable[[Tensor, Tensor], Tensor]
PAINTERS: dict[str, tuple[Painter, float]] = {  # latents and a weight to pixels; the weight's factor
    "zero weight": (lambda z, w: z @ w, 0.0),
    "zero last layer": (lambda z, w: (z @ w).tanh() * 0.0, 1.0),
    "dead relu": (lambda z, w: F.relu(-(z @ w).square() - 1), 1.0),
    "one dead sample": (lambda z, w: (z @ w) * torch.tensor([0.0, 1.0, 1.0, 1.0]).unsqueeze(1), 1.0),
    "saturated tanh": (lambda z, w: torch.tanh(1e4 * (z @ w).square() + 1e4), 1.0),
    "clamp": (lambda z, w: (z @ w + 100).clamp(-1, 1), 1.0),
    "underflow": (lambda z, w: z @ w, 1e-30),
    "overflow": (lambda z, w: z @ w, 1e15),
}
LENGTHS = {
    "live": lambda images_of, z, noise: path_lengths(images_of(z), z, noise),
    "vjp": lambda images_of, z, noise: path_lengths_vjp(images_of, z, noise),
    "compiled": lambda images_of, z, noise: torch.compile(
        lambda x: path_lengths_vjp(images_of, x, noise), fullgraph=True, backend="aot_eager"
    )(z),
}


def grid(pixels: Tensor) -> Tensor:
    return pixels.unflatten(1, (3, 2, 2))


@pytest.mark.parametrize("form", LENGTHS)
@pytest.mark.parametrize("case", PAINTERS)
def test_path_lengths_of_any_jacobian_have_finite_derivatives(case: str, form: str) -> None:
    painter, factor = PAINTERS[case]
    torch._dynamo.reset()
    z = torch.randn(4, 8, requires_grad=True)
    weight = (torch.randn(8, 12) * factor).requires_grad_()
    lengths = LENGTHS[form](lambda x: grid(painter(x, weight)), z, torch.randn(4, 3, 2, 2))
    assert lengths.isfinite().all()
    if "dead sample" in case:
        assert lengths[0] == 0 and (lengths[1:] > 0).all()
    elif "flow" in case:
        assert (lengths > 0).all()
    else:
        assert not lengths.any()
    scale = factor or 1.0
    PathLengthPenalty()(lengths / scale).backward()
    assert weight.grad is not None and weight.grad.isfinite().all()
    assert bool(weight.grad.any()) == bool(lengths.any())


def test_samples_of_zero_length_do_not_affect_others() -> None:
    painter, _ = PAINTERS["one dead sample"]
    z, weight = torch.randn(4, 8, requires_grad=True), torch.randn(8, 12, requires_grad=True)
    noise = torch.randn(4, 3, 2, 2)
    lengths = path_lengths(grid(painter(z, weight)), z, noise)
    alone = path_lengths_vjp(lambda x: grid(x @ weight), z[1:].detach(), noise[1:])
    torch.testing.assert_close(lengths[1:], alone)
    ours, theirs = (torch.autograd.grad(x.square().sum() + x.sum(), weight)[0] for x in (lengths, alone))
    torch.testing.assert_close(ours, theirs)


def test_generators_with_a_zero_last_layer_can_be_penalised() -> None:
    generator = Generator(8, z_dim=4, w_dim=4, channel_base=32, mapping_layers=1)
    for name, parameter in generator.named_parameters():
        if "to_rgb" in name:
            nn.init.zeros_(parameter)
    ws = generator.mapping(torch.randn(2, 4))
    PathLengthPenalty()(path_lengths(generator.synthesis(ws), ws)).backward()
    gradients = [p.grad for p in generator.parameters() if p.grad is not None]
    assert gradients and all(gradient.isfinite().all() for gradient in gradients)


CRITICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "flat": lambda x, w: (x.flatten(1) @ w) * 0.0,
    "dead": lambda x, w: F.relu(-(x.flatten(1) @ w).square() - 1),
    "one dead sample": lambda x, w: (x.flatten(1) @ w) * torch.tensor([[0.0], [1.0], [1.0]]),
    "underflow": lambda x, w: (x.flatten(1) @ w) * 1e-30,
}


@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize("penalty", ["r1", "r1_vjp", "gp", "gp_vjp"])
def test_gradient_penalties_of_flat_critics_have_finite_derivatives(penalty: str, critic: str) -> None:
    images, weight = torch.randn(3, 1, 2, 2, requires_grad=True), torch.randn(4, 1, requires_grad=True)
    call: Any = {
        "r1": lambda: r1_penalty(CRITICS[critic](images, weight), images),
        "gp": lambda: gradient_penalty(CRITICS[critic](images, weight), images),
        "r1_vjp": lambda: r1_penalty_vjp(lambda x: CRITICS[critic](x, weight), images),
        "gp_vjp": lambda: gradient_penalty_vjp(lambda x: CRITICS[critic](x, weight), images),
    }[penalty]
    value = call()
    first = torch.autograd.grad(value, weight, create_graph=True, materialize_grads=True)[0]
    second = torch.autograd.grad(first.sum(), weight, materialize_grads=True)[0] if first.requires_grad else first
    assert all(tensor.isfinite().all() for tensor in (value, first, second))


@pytest.mark.parametrize("magnitude", [1e-44, 1e-37, 1e-30, 1e-10, 1.0, 1e10, 1e25])
def test_norms_and_both_derivatives_agree_with_float64(magnitude: float) -> None:
    rows = torch.randn(5, 7) * magnitude
    rows[1] = 0
    direction = torch.randn(5, 7)

    def orders(x: Tensor) -> list[Tensor]:
        leaf = x.clone().requires_grad_()
        (first,) = torch.autograd.grad(gradient_norms(leaf).sum(), leaf, create_graph=True)
        (second,) = torch.autograd.grad((first * direction.to(x)).sum(), leaf)
        return [gradient_norms(x) / magnitude, first.detach(), second * magnitude]

    ours, exact = orders(rows), orders(rows.double())
    assert all(tensor.isfinite().all() for tensor in ours)
    if magnitude >= torch.finfo(torch.float32).tiny:
        torch.testing.assert_close(ours, [tensor.float() for tensor in exact], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(gradient_norms(rows.double()), torch.linalg.vector_norm(rows.double(), dim=1))


def test_curvature_of_the_shortest_rows_is_finite() -> None:
    rows = torch.randn(64, 512) * torch.logspace(-39, -37, 64).unsqueeze(1)
    rows.requires_grad_()
    (first,) = torch.autograd.grad(gradient_norms(rows).sum(), rows, create_graph=True)
    (second,) = torch.autograd.grad((first * torch.randn(64, 512)).sum(), rows)
    assert first.isfinite().all() and second.isfinite().all()


def test_non_finite_gradients_stay_non_finite() -> None:
    rows = torch.tensor([[torch.nan, 1.0], [torch.inf, 1.0], [3.0, 4.0]])
    norms = gradient_norms(rows)
    assert norms[0].isnan() and norms[1].isinf() and norms[2] == 5
