"""Networks under FSDP2: two processes equal one, and why they do."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from stylelayers import Discriminator, Generator
from stylelayers.functional import activation_names
from stylelayers.losses import (
    finite_difference_penalty,
    gradient_penalty_vjp,
    logistic_loss,
    nonsaturating_loss,
    path_lengths,
    path_lengths_vjp,
    r1_penalty,
    r1_penalty_vjp,
)
from tests.conftest import randn
from tests.training.processes import in_processes

BATCH = 2  # of a process
SMALL: dict[str, Any] = {"num_labels": 3, "channel_base": 64, "dtype": torch.float64}
Pair = tuple[Generator, Discriminator]
Loss = Callable[[Generator, Discriminator, Tensor, Tensor, Tensor], Tensor]


def networks(**options: Any) -> Pair:
    generator = Generator(16, z_dim=8, w_dim=8, mapping_layers=2, **SMALL, **options)
    discriminator = Discriminator(16, label_layers=2, **SMALL, **options)
    for parameter in [*generator.parameters(), *discriminator.parameters()]:
        nn.init.normal_(parameter)
    return generator, discriminator


def generator_step(g: Generator, d: Discriminator, z: Tensor, x: Tensor, labels: Tensor) -> Tensor:
    return nonsaturating_loss(d(g(z, labels, noise="const"), labels))


def discriminator_step(g: Generator, d: Discriminator, z: Tensor, x: Tensor, labels: Tensor) -> Tensor:
    with torch.no_grad():
        fakes = g(z, labels, noise="const")
    return logistic_loss(d(x, labels), d(fakes, labels))


def r1(g: Generator, d: Discriminator, z: Tensor, x: Tensor, labels: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return r1_penalty(d(x, labels), x)


def r1_difference(g: Generator, d: Discriminator, z: Tensor, x: Tensor, labels: Tensor) -> Tensor:
    return finite_difference_penalty(d, x, labels, noise=x.sin())


def path_length(g: Generator, d: Discriminator, z: Tensor, x: Tensor, labels: Tensor) -> Tensor:
    ws = g.mapping(z, labels)
    return (path_lengths(g.synthesis(ws, noise="const"), ws, x) - 1).square().mean()


LOSSES: dict[str, Loss] = {f.__name__: f for f in (generator_step, discriminator_step, r1, r1_difference, path_length)}


def shard(pair: Pair, mesh: DeviceMesh, *, blocks: bool) -> Pair:
    """A copy under FSDP, from the inside out."""
    generator, discriminator = deepcopy(pair)
    inner = [*generator.synthesis.blocks, *discriminator.blocks] if blocks else []
    for module in (*inner, generator.mapping, generator.synthesis, generator, discriminator):
        fully_shard(module, mesh=mesh)
    return generator, discriminator


def gradients(pair: Pair) -> dict[str, Tensor]:
    """By name; 0 for none, since FSDP makes zeros of none within a block."""
    named = {f"{i}.{name}": p.grad for i, network in enumerate(pair) for name, p in network.named_parameters()}
    whole = {name: grad.full_tensor() if isinstance(grad, DTensor) else grad for name, grad in named.items()}
    return {name: torch.zeros((), dtype=torch.float64) if grad is None else grad for name, grad in whole.items()}


def _compare(rank: int, count: int, options: dict[str, Any], blocks: bool) -> None:
    distributed.init_process_group("gloo")
    torch.manual_seed(0)
    whole = networks(**options)
    sharded = shard(whole, init_device_mesh("cpu", (count,)), blocks=blocks)
    inputs = (randn(BATCH * count, 8), randn(BATCH * count, 3, 16, 16), torch.arange(BATCH * count) % 3)
    parts = list(zip(*(tensor.split(BATCH) for tensor in inputs), strict=True))
    for name, loss in LOSSES.items():
        for network in (*whole, *sharded):
            network.zero_grad()
        for part in parts:
            (loss(*whole, *part) / count).backward()  # type: ignore[call-arg]
        loss(*sharded, *parts[rank]).backward()  # type: ignore[call-arg]
        found, expected = gradients(sharded), gradients(whole)
        assert sum(grad.any() for grad in expected.values()) > 20
        for key, grad in expected.items():
            assert torch.allclose(found[key], grad, rtol=1e-9, atol=1e-12), (name, key)
    refused: list[tuple[Any, nn.Module, Tensor]] = [
        (r1_penalty_vjp, sharded[1], inputs[1]),
        (gradient_penalty_vjp, sharded[1], inputs[1]),
        (path_lengths_vjp, sharded[0].synthesis, inputs[0]),
    ]
    for form, refuses, x in refused:
        with pytest.raises(ValueError, match=f"{form.__name__}: the network must not be sharded by fully_shard, got"):
            form(refuses, x)
    distributed.destroy_process_group()


@pytest.mark.parametrize("blocks", [False, True], ids=["networks", "blocks"])
@pytest.mark.parametrize("options", [{}, {"architecture": "resnet", "activation": "swish"}], ids=["default", "swish"])
def test_two_processes_are_one(options: dict[str, Any], blocks: bool) -> None:
    in_processes(2, _compare, options, blocks)


@pytest.mark.parametrize("activation", activation_names())
@pytest.mark.parametrize("loss", [r1, path_length])
def test_no_graph_holds_a_parameter(loss: Loss, activation: str) -> None:
    """FSDP frees the memory of parameters after a backward pass, and a penalty has another one to come."""
    pair = networks(architecture="resnet", activation=activation)
    inputs = (randn(BATCH, 8), randn(BATCH, 3, 16, 16), torch.arange(BATCH) % 3)
    held = list[int]()

    def keep(tensor: Tensor) -> Tensor:
        held.append(tensor.untyped_storage().data_ptr())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        value = loss(*pair, *inputs)
    parameters = [(name, parameter) for network in pair for name, parameter in network.named_parameters()]
    assert [name for name, parameter in parameters if parameter.untyped_storage().data_ptr() in held] == []
    value.backward()
