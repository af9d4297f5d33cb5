"""Penalties of an ensemble of networks in one call, by `stack_module_state` and `vmap`: those of each network alone."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state

from stylelayers import Discriminator, Generator
from stylelayers.losses import gradient_penalty_vjp, path_lengths_vjp, r1_penalty_vjp
from tests.conftest import assert_same, randn
from tests.matrix import TINY

NETWORKS: dict[str, dict[str, Any]] = {
    "resnet": {"architecture": "resnet"},
    "skip": {"architecture": "skip", "padding_mode": "reflect"},
    "orig": {"architecture": "orig", "clamp": 2.0, "activation": "lrelu"},
    "labels": {"num_labels": 3},
}
LABELS = torch.tensor([0, 2, 1])
Penalty = Callable[[Callable[..., Tensor]], Tensor]


def compare_with_each(networks: list[nn.Module], penalty: Penalty) -> None:
    """Values and the gradients of all parameters of ``penalty(network)``."""
    skeleton = deepcopy(networks[0]).to("meta")
    parameters, buffers = stack_module_state(networks)

    def of_one(parameters: Any, buffers: Any) -> Tensor:
        return penalty(lambda *inputs, **options: functional_call(skeleton, (parameters, buffers), inputs, options))

    values = torch.vmap(of_one)(parameters, buffers)
    gradients = torch.vmap(grad(of_one))(parameters, buffers)
    for i, network in enumerate(networks):
        network.zero_grad()
        expected = penalty(network)
        expected.backward()
        assert_same(values[i], expected)
        for name, parameter in network.named_parameters():
            alone = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            assert_same(gradients[name][i], alone, 1e-9)


@pytest.mark.parametrize("penalty", [r1_penalty_vjp, gradient_penalty_vjp])
@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS.keys())
def test_ensembles_of_discriminators_are_penalised(options: dict[str, Any], penalty: Any) -> None:
    images, labels = randn(3, 1, 16, 16), LABELS if "num_labels" in options else None
    ensemble: list[nn.Module] = [Discriminator(16, **{**TINY, **options}, dtype=torch.float64) for _ in range(3)]
    compare_with_each(ensemble, lambda network: penalty(network, images, labels))


@pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS.keys())
def test_ensembles_of_generators_are_penalised(options: dict[str, Any]) -> None:
    z, noise, sizes = randn(3, 4), randn(3, 1, 8, 8), {"z_dim": 4, "w_dim": 3, "mapping_layers": 1}
    inputs = (LABELS,) if "num_labels" in options else ()
    make = partial(Generator, 8, **{**TINY, **options}, **sizes, dtype=torch.float64)  # type: ignore[arg-type]

    def penalty(network: Callable[..., Tensor]) -> Tensor:
        return path_lengths_vjp(lambda z: network(z, *inputs, noise="const"), z, noise).square().mean()

    compare_with_each([make().eval() for _ in range(2)], penalty)
