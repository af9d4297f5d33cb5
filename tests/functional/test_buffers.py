"""Running statistics: they move alike in every mode of torch, and no derivative sees them move."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call, stack_module_state

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
        self.augment.update(logits)
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
@pytest.mark.parametrize("make", [pytest.param(Centred, marks=pytest.mark.slow), Lengths, Truncated, Observing])
def test_compiled_gradients_ignore_buffer_updates(make: Callable[[], nn.Module], backend: Any) -> None:
    ours, theirs = compiled_and_eager(make(), backend)
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(torch.__version__ < "2.11", reason="inductor of torch 2.6 has no such fault")
@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_in_place_buffer_updates_under_inductor_are_detected(backend: Any) -> None:
    ours, theirs = compiled_and_eager(Centred(lambda module, name, value: getattr(module, name).copy_(value)), backend)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("make", [Centred, Lengths, Truncated, Observing])
def test_eager_buffers_are_updated_in_place(make: Callable[[], nn.Module]) -> None:
    module = make()
    before = list(module.buffers())
    values = [buffer.clone() for buffer in before]
    steps(module, module)
    assert all(new is old for new, old in zip(module.buffers(), before, strict=True))
    assert any(not new.equal(old) for new, old in zip(before, values, strict=True))


# Transforms, traces, inference -----------------------------------------------------------------------------------

MODULES = (Lengths, Truncated, Observing)


def in_inference_mode(module: nn.Module, x: Tensor) -> None:
    with torch.inference_mode():
        torch.compile(module, fullgraph=True, backend="aot_eager")(x)


def in_forward_mode(module: nn.Module, x: Tensor) -> None:
    with forward_ad.dual_level():
        module(forward_ad.make_dual(x, torch.ones_like(x)))


def of_parameters(module: nn.Module, x: Tensor) -> None:
    torch.func.grad(lambda parameters: functional_call(module, parameters, x))(dict(module.named_parameters()))


def with_buffers_passed(module: nn.Module, x: Tensor) -> None:
    state = dict(module.named_parameters()), dict(module.named_buffers())
    torch.func.grad(lambda parameters, buffers: functional_call(module, (parameters, buffers), x))(*state)


def twice_traced(module: nn.Module, x: Tensor) -> None:
    with torch.no_grad():
        start = {name: buffer.clone() for name, buffer in module.named_buffers()}
        trace = torch.jit.trace(module, (x,), check_trace=False)
        module.load_state_dict(start, strict=False)
    trace(x)


MODES: dict[str, Callable[[nn.Module, Tensor], object]] = {
    "grad": lambda module, x: torch.func.grad(module)(x),
    "vjp": lambda module, x: torch.func.vjp(module, x)[1](torch.ones(())),
    "jvp": lambda module, x: torch.func.jvp(module, (x,), (x,)),
    "hessian": lambda module, x: torch.func.hessian(module)(x),
    "grad of grad": lambda module, x: torch.func.grad(lambda x: torch.func.grad(module)(x).sum())(x),
    "forward mode": in_forward_mode,
    "parameters": of_parameters,
    "buffers passed": with_buffers_passed,
    "trace": twice_traced,
    "inference": in_inference_mode,
}


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit.trace.*deprecated")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("make", MODULES)
def test_buffers_are_updated_in_every_mode_as_in_a_plain_call(make: Callable[[], nn.Module], mode: str) -> None:
    torch._dynamo.reset()
    module, x = make(), torch.randn(4, 4)
    expected = deepcopy(module)
    MODES[mode](module, x)
    expected(x)
    for _ in range(2):
        for moved, plain in zip(module.buffers(), expected.buffers(), strict=True):
            torch.testing.assert_close(moved, plain)
            assert moved.grad_fn is None
        module(x)
        expected(x)


@pytest.mark.parametrize("make", MODULES)
def test_forward_derivatives_ignore_buffer_updates(make: Callable[[], nn.Module]) -> None:
    module, x = make(), torch.randn(4, 4)
    same = deepcopy(module)
    along = torch.func.jvp(module, (x,), (torch.ones_like(x),))[1]
    torch.testing.assert_close(along, torch.func.grad(same)(x).sum())


@pytest.mark.parametrize("make", MODULES)
@pytest.mark.parametrize("transform", [lambda function: function, torch.func.grad], ids=["values", "gradients"])
def test_ensemble_members_update_their_own_buffers(make: Callable[[], nn.Module], transform: Any) -> None:
    members, x = [make(), make()], torch.randn(4, 4)
    parameters, buffers = stack_module_state(members)
    skeleton = deepcopy(members[0]).to("meta")
    call = transform(lambda parameters, buffers: functional_call(skeleton, (parameters, buffers), x))
    torch.vmap(call)(parameters, buffers)
    for i, member in enumerate(members):
        member(x)
        for name, buffer in member.named_buffers():
            torch.testing.assert_close(buffers[name][i], buffer)


@pytest.mark.parametrize(
    ("make", "name"), zip(MODULES, ("PathLengthPenalty: mean", "MappingNetwork: w_mean"), strict=False)
)
def test_updating_a_buffer_shared_under_vmap_raises(make: Callable[[], nn.Module], name: str) -> None:
    module = make()
    before = [buffer.clone() for buffer in module.buffers()]
    with pytest.raises(ValueError, match=rf"{name} is shared by all samples .* call eval\(\) on the module"):
        torch.vmap(torch.func.grad(lambda x: module(x[None])))(torch.randn(3, 4))
    torch.testing.assert_close(list(module.buffers()), before)
    torch.vmap(torch.func.grad(lambda x: module.eval()(x[None])))(torch.randn(3, 4))
