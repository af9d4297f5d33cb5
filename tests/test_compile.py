"""Gradient penalties inside one graph of `torch.compile`: the gradients of all parameters are those of eager mode.

A compiled penalty can have the right value and the wrong parameter gradients, silently, so the gradients are compared.
Most quick tests trace and differentiate as `torch.compile` does and leave out its code generator, which takes minutes
for networks of any size; the smallest networks and the slow tests have it. Seconds to compile are recorded as a
property of each test and printed (``pytest -s``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from time import perf_counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from stylelayers import Discriminator, EqualLinear, Generator
from stylelayers.functional import activation_names, blur2d, downsample2d, upsample2d
from stylelayers.losses import (
    PathLengthPenalty,
    gradient_penalty,
    path_lengths,
    path_lengths_vjp,
    r1_penalty,
    r1_penalty_vjp,
    r2_penalty,
)
from tests.matrix import ROWS, Row
from tests.modes import compiled

TOLERANCE = 1e-5  # relative
SINGLE, DOUBLE = torch.float32, torch.float64
TINY: dict[str, Any] = {"image_channels": 1, "channel_base": 64, "channel_max": 6}
needs_a_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
SIZES = [
    pytest.param(8, "inductor", SINGLE, id="8-inductor", marks=[needs_a_compiler, pytest.mark.slow]),
    pytest.param(32, "aot_eager", SINGLE, id="32"),
    pytest.param(64, "aot_eager", SINGLE, id="64", marks=pytest.mark.slow),
    pytest.param(32, "inductor", SINGLE, id="32-inductor", marks=pytest.mark.slow),
    # In float64, because inductor's float32 sums over 64x64 pixels round by 1.2e-5, twice as much as eager ones.
    pytest.param(64, "inductor", DOUBLE, id="64-inductor", marks=pytest.mark.slow),
]


class R1(nn.Module):
    def __init__(self, critic: nn.Module) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, images: Tensor) -> Tensor:
        return r1_penalty_vjp(self.critic, images)


class PathLength(nn.Module):
    """Of the whole generator: the mapping is reached through the styles, whose Jacobian it moves."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator, self.penalty = generator, PathLengthPenalty(0.5)

    def forward(self, z: Tensor, noise: Tensor) -> Tensor:
        ws = self.generator.mapping(z)
        return self.penalty(path_lengths_vjp(lambda w: self.generator.synthesis(w, noise="const"), ws, noise))


def make_r1(size: int) -> tuple[R1, Callable[[], tuple[Tensor, ...]]]:
    return R1(Discriminator(size, **TINY)), lambda: (torch.randn(4, 1, size, size),)


def make_path_length(size: int) -> tuple[PathLength, Callable[[], tuple[Tensor, ...]]]:
    generator = Generator(size, **TINY, z_dim=4, w_dim=4, mapping_layers=2)
    for name, parameter in generator.named_parameters():
        if name.endswith("strength"):
            nn.init.constant_(parameter, 0.1)
    return PathLength(generator), lambda: (torch.randn(2, 4), torch.randn(2, 1, size, size))


def gradients(module: nn.Module, call: Callable[..., Tensor], *inputs: Tensor) -> dict[str, Tensor]:
    """The value of the penalty, and what ``penalty.backward()`` leaves at every parameter."""
    module.zero_grad()
    value = call(*inputs)
    value.backward()
    found = {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in module.named_parameters()}
    return {"the penalty": value.detach(), **found}


def deviations(actual: dict[str, Tensor], expected: dict[str, Tensor], exact: dict[str, Tensor]) -> dict[str, float]:
    """Relative errors above the tolerance, or above the rounding of eager float32 itself where that is larger."""
    found = {}
    for name, reference in exact.items():
        norm = reference.norm().item()
        error = (actual[name] - expected[name]).double().norm().item()
        rounding = (expected[name] - reference).norm().item()
        if not error <= max(TOLERANCE * norm, 4 * rounding):
            found[name] = error / max(norm, 1e-30)
    return found


def compare_with_eager(
    module: nn.Module,
    draw: Callable[[], tuple[Tensor, ...]],
    backend: str,
    dtype: torch.dtype = SINGLE,
    device: torch.device | str = "cpu",
) -> float:
    """Two batches, the second without compiling again; returns seconds spent on the first."""
    torch._dynamo.reset()
    module = module.to(device, dtype)
    compiled = torch.compile(module, fullgraph=True, backend=backend)
    eager, exact = deepcopy(module), deepcopy(module).double()
    seconds = 0.0
    for recompiling in (False, True):
        inputs = [tensor.to(device, dtype) for tensor in draw()]
        start = perf_counter()
        with torch._dynamo.config.patch(error_on_recompile=recompiling):
            ours = gradients(module, compiled, *inputs)
        seconds = seconds or perf_counter() - start
        theirs = gradients(eager, eager, *inputs)
        truth = gradients(exact, exact, *(tensor.double() for tensor in inputs))
        assert deviations(ours, theirs, truth) == {}
    return seconds


@pytest.mark.parametrize(("size", "backend", "dtype"), SIZES)
@pytest.mark.parametrize("make", [make_r1, pytest.param(make_path_length, marks=pytest.mark.slow)])
def test_parameter_gradients_of_a_compiled_penalty(
    make: Callable[[int], Any],
    size: int,
    backend: str,
    dtype: torch.dtype,
    record_property: Callable[[str, object], None],
) -> None:
    module, draw = make(size)
    seconds = compare_with_eager(module, draw, backend, dtype)
    record_property("compile_seconds", round(seconds, 1))
    print(f"{type(module).__name__} at {size}x{size}: {seconds:.1f} s to compile with {backend}")


class Dense(nn.Module):
    """A layer for every activation: a bias added to a matrix product, scaled by the activation's gain."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EqualLinear(4, 4, bias_init=0.5, activation=name) for name in activation_names())

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([layer(x) for layer in self.layers]).sin().sum()


@needs_a_compiler
def test_inductor_keeps_the_gain_of_an_activation_after_a_matrix_product() -> None:
    compare_with_eager(Dense(), lambda: (torch.randn(3, 4),), "inductor")


class Filters(nn.Module):
    """Filters that differ in taps, gain and dtype: several constants of one graph."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = downsample2d(self.conv(upsample2d(x, [1, 3, 3, 1])), [1, 3, 3, 1])
        return (blur2d(y, [[1, 2], [3, 5]]) + blur2d(y.half(), [1, 2, 1])).square().sum()


@pytest.mark.parametrize("backend", ["aot_eager", pytest.param("inductor", marks=needs_a_compiler)])
def test_a_graph_may_have_several_filters(backend: str) -> None:
    torch._dynamo.reset()
    filters, x = Filters(), torch.randn(2, 2, 4, 4)
    ours = gradients(filters, torch.compile(filters, fullgraph=True, backend=backend), x)
    for name, theirs in gradients(filters, filters, x).items():
        torch.testing.assert_close(ours[name], theirs, rtol=2e-3, atol=2e-3)  # half precision is part of it


@needs_a_compiler
@pytest.mark.slow
@pytest.mark.parametrize("row", [row for row in ROWS if row.reason("compile") is None], ids=str)
def test_inductor_agrees_with_eager_mode_on_every_row_of_the_matrix(row: Row) -> None:
    compiled(row, "inductor")


# What is asked of the wrong form ----------------------------------------------------------------------------------


class Quadratic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4))

    def forward(self, x: Tensor) -> Tensor:
        return (x.flatten(1) @ self.weight).square()


LIVE_FORMS: dict[str, Callable[[nn.Module, Tensor], Tensor]] = {
    "r1_penalty": lambda net, x: r1_penalty(net(x), x),
    "r2_penalty": lambda net, x: r2_penalty(net(x), x),
    "gradient_penalty": lambda net, x: gradient_penalty(net(x), x),
    "path_lengths": lambda net, x: path_lengths(net(x).unflatten(1, (1, 2, 2)), x).sum(),
}


@pytest.mark.parametrize("fullgraph", [False, True])
@pytest.mark.parametrize("name", LIVE_FORMS)
def test_a_compiled_live_form_names_the_form_that_compiles(name: str, fullgraph: bool) -> None:
    torch._dynamo.reset()
    network, x = Quadratic(), torch.randn(3, 4, requires_grad=True)
    compiled_form = torch.compile(lambda x: LIVE_FORMS[name](network, x), fullgraph=fullgraph, backend="aot_eager")
    expected = "r1_penalty_vjp" if name == "r2_penalty" else f"{name}_vjp"
    with pytest.raises(Exception, match=rf"{name}: .*use {expected}"):
        compiled_form(x).backward()


def test_an_error_of_the_network_is_not_taken_for_a_compiled_one() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    y = x.exp()
    logits = y * 2
    with torch.no_grad():
        y.mul_(2)  # exp saved its result
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        r1_penalty(logits, x)


# That silently wrong gradients are noticed ------------------------------------------------------------------------


class Critic(nn.Module):
    """softplus(x W + b) v, which drops the bias out of every derivative when it is compiled, but not out of values."""

    def __init__(self, faulty: bool) -> None:
        super().__init__()
        self.faulty = faulty
        self.weight, self.last = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(3, 1))
        self.bias = nn.Parameter(torch.randn(3))

    def forward(self, x: Tensor) -> Tensor:
        bias = self.bias.detach() if self.faulty and torch.compiler.is_compiling() else self.bias
        return softplus(x.flatten(1) @ self.weight + bias) @ self.last


def test_a_lost_parameter_gradient_is_noticed_though_the_penalty_is_right() -> None:
    compare_with_eager(R1(Critic(faulty=False)), lambda: (torch.randn(2, 1, 2, 2),), "aot_eager")
    with pytest.raises(AssertionError, match=r"critic\.bias") as caught:
        compare_with_eager(R1(Critic(faulty=True)), lambda: (torch.randn(2, 1, 2, 2),), "aot_eager")
    assert "the penalty" not in str(caught.value)
    assert "critic.weight" not in str(caught.value)


def test_every_parameter_is_compared() -> None:
    module, draw = make_r1(8)
    inputs = draw()
    eager, exact = deepcopy(module), deepcopy(module).double()
    theirs, truth = gradients(eager, eager, *inputs), gradients(exact, exact, *(x.double() for x in inputs))
    reached = [name for name, gradient in truth.items() if gradient.any()]
    assert len(reached) == len(truth) - 3  # the last three biases: see NOT_FROM_R1 in tests/losses/test_gradients.py
    for name in reached:
        for wrong in (theirs[name] * (1 + 1e-3), torch.zeros_like(theirs[name])):
            assert list(deviations({**theirs, name: wrong}, theirs, truth)) == [name]
