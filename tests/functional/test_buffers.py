"""Running statistics: in place in eager mode, and gradients of compiled modules that do not see them move."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stylelayers.augment import AdaptiveAugment
from stylelayers.functional._buffers import move_buffer
from stylelayers.losses import PathLengthPenalty
from stylelayers.models import MappingNetwork

BACKENDS = [
    "aot_eager",
    pytest.param(
        "inductor", marks=pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler")
    ),
]


class Centred(nn.Module):
    """The mean squared distance of scores from their running mean, which moves first."""

    mean: Tensor

    def __init__(self, move: Callable[[nn.Module, str, Tensor], None] = move_buffer) -> None:
        super().__init__()
        self.weight, self.move = nn.Parameter(torch.randn(4, 3)), move
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        scores = (x @ self.weight).tanh().square().sum(1).add(1e-3).sqrt()
        moved = self.mean.lerp(scores.detach().mean(), 0.5)
        self.move(self, "mean", moved)
        return (scores - moved).square().mean()


class Lengths(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight, self.penalty = nn.Parameter(torch.randn(4, 3)), PathLengthPenalty(0.5)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.penalty((x @ self.weight).tanh().square().sum(1).add(1e-3).sqrt())
        return result


class Truncated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.mapping = MappingNetwork(4, 3, 2, num_layers=2, w_mean_decay=0.5)

    def forward(self, z: Tensor) -> Tensor:
        result: Tensor = self.mapping(z, truncation_psi=0.5).square().sin().sum()
        return result


class Observing(nn.Module):
    """A critic's logits on images that are augmented with a probability that moves afterwards, in the same call."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4))
        self.augment = AdaptiveAugment(nn.Identity(), p=0.5, interval=1, speed=10.0)

    def forward(self, x: Tensor) -> Tensor:
        logits = (x * self.augment.p.exp() * self.weight).tanh().sum(1)
        self.augment.observe(logits)
        return logits.square().mean()


def steps(module: nn.Module, call: Callable[..., Tensor]) -> list[Tensor]:
    """Gradients of all parameters and the buffers after each of two batches."""
    torch.manual_seed(1)
    found: list[Tensor] = []
    for _ in range(2):
        module.zero_grad()
        call(torch.randn(4, 4)).backward()
        found += [p.grad.clone() for p in module.parameters() if p.grad is not None]
        found += [buffer.clone() for buffer in module.buffers()]
    return found


def compiled_and_eager(module: nn.Module, backend: Any) -> tuple[list[Tensor], list[Tensor]]:
    torch._dynamo.reset()
    eager = deepcopy(module)
    return steps(module, torch.compile(module, fullgraph=True, backend=backend)), steps(eager, eager)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("make", [Centred, Lengths, Truncated, Observing])
def test_compiled_gradients_do_not_depend_on_when_a_buffer_moves(make: Callable[[], nn.Module], backend: Any) -> None:
    ours, theirs = compiled_and_eager(make(), backend)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_a_change_in_place_under_inductor_would_be_noticed(backend: Any) -> None:
    ours, theirs = compiled_and_eager(Centred(lambda module, name, value: getattr(module, name).copy_(value)), backend)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [Centred, Lengths, Truncated, Observing])
def test_eager_buffers_move_in_place(make: Callable[[], nn.Module]) -> None:
    module = make()
    before = list(module.buffers())
    values = [buffer.clone() for buffer in before]
    steps(module, module)
    assert all(new is old for new, old in zip(module.buffers(), before, strict=True))
    assert any(not new.equal(old) for new, old in zip(before, values, strict=True))
