"""`torch.jit.trace` of networks and layers, written to a file and read back, beside the column of the matrix."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stylelayers import Blur, Discriminator, Downsample2d, EqualConv2d, Generator, ModulatedConv2d, Upsample2d
from stylelayers.losses import r1_penalty
from tests.conftest import assert_same, randn
from tests.matrix import TINY

NETWORKS: dict[str, dict[str, Any]] = {
    "skip": {"architecture": "skip"},
    "resnet": {"architecture": "resnet", "clamp": 1.0},
    "orig": {"architecture": "orig", "activation": "lrelu"},
    "reflect": {"architecture": "skip", "padding_mode": "reflect"},
    "replicate": {"architecture": "resnet", "padding_mode": "replicate"},
}
every_network = pytest.mark.parametrize("options", NETWORKS.values(), ids=NETWORKS.keys())
CALLS: tuple[dict[str, Any], ...] = ({"noise": "const", "truncation_psi": 0.5}, {"noise": "none"}, {"noise": "random"})
pytestmark = pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")


class Called(nn.Module):
    def __init__(self, module: nn.Module, **options: Any) -> None:
        super().__init__()
        self.module, self.options = module, options

    def forward(self, *inputs: Tensor) -> Tensor:
        result: Tensor = self.module(*inputs, **self.options)
        return result


def file_of(module: nn.Module, *inputs: Tensor, check: bool = True) -> Any:
    """What is read back from the file of a trace made under `no_grad`."""
    with torch.no_grad():
        trace = torch.jit.trace(module, inputs, check_trace=check)
    file = io.BytesIO()
    torch.jit.save(trace, file)
    file.seek(0)
    return torch.jit.load(file)


@every_network
@pytest.mark.parametrize(
    "call", [{"noise": "const", "truncation_psi": 0.5}, {"noise": "none"}, {"noise": "random"}], ids=str
)
def test_generator_can_be_traced(options: dict[str, Any], call: dict[str, Any]) -> None:
    sizes: dict[str, Any] = {"z_dim": 3, "w_dim": 4, "num_labels": 2}
    generator = Generator((16, 24), **{**TINY, **options}, **sizes, dtype=torch.float64).eval()
    module = Called(generator, **call)
    trace = file_of(module, randn(2, 3), torch.tensor([0, 1]), check=call["noise"] != "random")
    z, labels = randn(5, 3), torch.tensor([1, 1, 0, 1, 0])
    torch.manual_seed(7)
    images = trace(z, labels)
    torch.manual_seed(7)
    assert_same(images, module(z, labels))


@every_network
@pytest.mark.parametrize("batch", [1, 4, 9])
def test_traced_discriminator_takes_any_batch(options: dict[str, Any], batch: int) -> None:
    """A group of the minibatch deviation has four images."""
    discriminator = Discriminator(16, **{**TINY, **options}, dtype=torch.float64)
    trace = file_of(discriminator, randn(3, 1, 16, 16))
    x = randn(batch, 1, 16, 16).requires_grad_()
    assert_same(trace(x), discriminator(x))
    assert_same(r1_penalty(trace(x), x), r1_penalty(discriminator(x), x))


LAYERS: dict[str, nn.Module] = {
    "Blur": Blur((1, 2, 4), padding_mode="reflect"),
    "Upsample2d": Upsample2d((1, 2, 4), factor=3),
    "Downsample2d": Downsample2d((1, 2, 4, 1), padding_mode="replicate"),
    "EqualConv2d up": EqualConv2d(4, 3, 2, resample="up"),
    "EqualConv2d down": EqualConv2d(4, 3, 3, resample="down", padding_mode="reflect"),
    "EqualConv2d 1x1": EqualConv2d(4, 3, 1, resample="up"),
    "ModulatedConv2d up": ModulatedConv2d(4, 3, 3, 5, resample="up"),
    "ModulatedConv2d nearest": ModulatedConv2d(4, 3, 3, 5, resample="up", padding_mode="reflect"),
    "ModulatedConv2d down": ModulatedConv2d(4, 3, 5, 5, resample="down"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_traced_layers_take_any_size(name: str) -> None:
    module = LAYERS[name].to(torch.float64)
    latents = [(randn(2, 5),), (randn(3, 5),)] if name.startswith("Modulated") else [(), ()]
    trace = file_of(module, randn(2, 4, 6, 8), *latents[0])
    for height, width in ((6, 8), (8, 14), (10, 6)):
        x = randn(3, 4, height, width)
        assert_same(trace(x, *latents[1]), module(x, *latents[1]))
