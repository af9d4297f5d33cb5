"""Networks of every architecture on a CUDA device: penalties and the gradients of all parameters, also compiled."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stylelayers import Discriminator, Generator
from stylelayers.losses import path_lengths, r1_penalty
from tests.conftest import GPU, channels_last
from tests.gpu.test_matrix import BACKEND
from tests.modes import TOLERANCES, near
from tests.test_compile import DOUBLE, R1, SINGLE, PathLength, compare_with_eager, gradients, make_path_length, make_r1

pytestmark = pytest.mark.gpu
SIZES: dict[str, Any] = {"channel_base": 1024, "channel_max": 64}
LATENTS: dict[str, Any] = {"z_dim": 32, "w_dim": 32, "mapping_layers": 2}
ARCHITECTURES = ("skip", "resnet", "orig")
PADDINGS = ("zeros", "reflect")
ROUNDING = {SINGLE: 1e-3, DOUBLE: 1e-8}
LOW_PRECISION = 0.3  # of a gradient's norm: no loss scale lifts the smallest numbers of float16
BATCH = 5  # odd, for rehearsals: bfloat16 convolutions of oneDNN 3.12 with AMX are wrong for batches of 2 to 14


class LiveR1(R1):
    """From the graph of the logits, as in eager training."""

    def forward(self, images: Tensor) -> Tensor:
        images = images.detach().requires_grad_()
        return r1_penalty(self.critic(images), images)


class LivePathLength(PathLength):
    def forward(self, z: Tensor, noise: Tensor) -> Tensor:
        ws = self.generator.mapping(z)
        return self.penalty(path_lengths(self.generator.synthesis(ws, noise="const"), ws, noise))


def penalty_on(kind: type[nn.Module], **options: Any) -> tuple[nn.Module, list[Tensor]]:
    """A penalty on a network of 32x32 pixels whose parameters are nowhere zero, and its inputs."""
    torch.manual_seed(1)
    of_images = issubclass(kind, R1)
    network = Discriminator(32, **SIZES, **options) if of_images else Generator(32, **SIZES, **LATENTS, **options)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    images = torch.randn(BATCH, 3, 32, 32)
    return kind(network), [images] if of_images else [torch.randn(BATCH, 32), images]


def moved(module: nn.Module, inputs: list[Tensor], dtype: torch.dtype) -> tuple[nn.Module, list[Tensor]]:
    return deepcopy(module).to(GPU, dtype), [tensor.to(GPU, dtype) for tensor in inputs]


def tensors_after(module: nn.Module, inputs: list[Tensor]) -> list[Tensor]:
    """The penalty, all gradients, and the running statistics that it has moved."""
    found = [*gradients(module, module, *inputs).values(), *module.buffers()]
    return [tensor.detach().cpu() for tensor in found]


@pytest.mark.parametrize("dtype", ROUNDING, ids=str)
@pytest.mark.parametrize("padding_mode", PADDINGS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kind", [R1, LiveR1, PathLength, LivePathLength])
def test_penalties_and_gradients_are_those_of_the_cpu(
    kind: type[nn.Module], architecture: str, padding_mode: str, dtype: torch.dtype
) -> None:
    module, inputs = penalty_on(kind, architecture=architecture, padding_mode=padding_mode)
    expected = tensors_after(deepcopy(module).double(), [tensor.double() for tensor in inputs])
    for layout in (torch.contiguous_format, torch.channels_last):
        there, moved_inputs = moved(module, inputs, dtype)
        if layout == torch.channels_last:
            there, moved_inputs = there.to(memory_format=layout), [channels_last(x) for x in moved_inputs]
        near(tensors_after(there, moved_inputs), expected, ROUNDING[dtype])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.no_grad()
def test_images_and_logits_are_those_of_the_cpu(architecture: str) -> None:
    generator = Generator(64, **SIZES, **LATENTS, num_labels=3, architecture=architecture).eval()
    discriminator = Discriminator(64, **SIZES, num_labels=3, architecture=architecture)
    z, labels = torch.randn(5, 32), torch.tensor([0, 1, 2, 0, 1])
    images = generator(z, labels, noise="const", truncation_psi=0.7)
    logits = discriminator(images, labels)
    generator.to(GPU), discriminator.to(GPU)
    found = generator(z.to(GPU), labels.to(GPU), noise="const", truncation_psi=0.7)
    near([found.cpu(), discriminator(found, labels.to(GPU)).cpu()], [images, logits], ROUNDING[SINGLE])
    for classes in ([0, 1, 2, 0, 1], 2):  # not tensors: they go where the network is
        assert (
            generator(z.to(GPU), classes, noise=[torch.Generator().manual_seed(n) for n in range(5)]).isfinite().all()
        )


@pytest.mark.parametrize("autocast", [True, False])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kind", [LiveR1, LivePathLength])
def test_low_precision_is_finite_and_near_float32(
    kind: type[nn.Module], architecture: str, dtype: torch.dtype, autocast: bool
) -> None:
    module, inputs = penalty_on(kind, architecture=architecture, clamp=256.0)
    exact, exact_inputs = moved(module, inputs, SINGLE)
    there, moved_inputs = moved(module, inputs, SINGLE if autocast else dtype)
    with torch.autocast(GPU.type, dtype, enabled=autocast):
        found = tensors_after(there, moved_inputs)
    near(found, tensors_after(exact, exact_inputs), LOW_PRECISION)


@pytest.mark.parametrize("make", [make_r1, make_path_length])
def test_compiled_penalties_have_the_gradients_of_eager_ones(make: Callable[[int], Any]) -> None:
    module, draw = make(32)
    compare_with_eager(module, draw, BACKEND, DOUBLE, GPU)


@pytest.mark.parametrize("dtype", [SINGLE, torch.bfloat16], ids=str)
def test_compiled_networks_give_the_images_and_logits_of_eager_ones(dtype: torch.dtype) -> None:
    torch._dynamo.reset()
    generator = Generator(32, **SIZES, **LATENTS).to(GPU).eval()
    networks = (generator, Discriminator(32, **SIZES).to(GPU))
    z, images = torch.randn(4, 32).to(GPU), torch.randn(4, 3, 32, 32).to(GPU)
    for network, x, options in zip(networks, (z, images), ({"noise": "const"}, {}), strict=True):
        compiled = torch.compile(network, fullgraph=True, backend=BACKEND)
        with torch.autocast(GPU.type, dtype, enabled=dtype != SINGLE):
            near([compiled(x, **options).float()], [network(x, **options).float()], TOLERANCES.get(dtype, 1e-3))
