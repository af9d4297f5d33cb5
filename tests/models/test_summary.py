"""Tables of layers: numbers against those computed by hand, and networks that stay as they are."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from stylelayers import (
    AliasFreeConv,
    AliasFreeGenerator,
    Discriminator,
    EqualConv2d,
    EqualLinear,
    Generator,
    MappingNetwork,
    StyledConv,
    SynthesisNetwork,
)
from stylelayers.layers import Sampling
from stylelayers.models import AliasFreePlan, Summary, summarize
from tests.conftest import tensors_of

NETWORKS: dict[str, Callable[[], Any]] = {
    "Generator": lambda: Generator(16, z_dim=6, w_dim=5, channel_base=64, num_labels=3),
    "resnet": lambda: Generator((16, 24), z_dim=6, w_dim=5, channel_base=64, architecture="resnet"),
    "reflect": lambda: Generator(16, z_dim=6, w_dim=5, channel_base=64, padding_mode="reflect"),
    "float64": lambda: Generator(16, z_dim=6, w_dim=5, channel_base=64, dtype=torch.float64),
    "AliasFreeGenerator": lambda: AliasFreeGenerator(16, z_dim=6, w_dim=5, channel_base=64, num_layers=4, margin=4),
    "Discriminator": lambda: Discriminator(16, channel_base=64, num_labels=3),
    "skip": lambda: Discriminator(16, channel_base=64, architecture="skip", image_channels=1),
    "MappingNetwork": lambda: MappingNetwork(6, 5, 4, num_labels=3),
    "labels alone": lambda: MappingNetwork(0, 5, 4, num_labels=3),
    "SynthesisNetwork": lambda: SynthesisNetwork(5, 16, channel_base=64),
}


class Own(nn.Module):
    """Our layers and torch's, a layer that is called twice, a parameter and a product of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = EqualConv2d(3, 8, 3)
        self.twice = nn.Conv2d(8, 8, 1, bias=False)
        self.mixer = nn.Parameter(torch.randn(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.twice(self.twice(self.conv(x)))
        return x.mean((2, 3)) @ self.mixer


@pytest.mark.parametrize("name", NETWORKS)
def test_sums_are_those_of_the_network(name: str) -> None:
    network = NETWORKS[name]()
    summary = network.summary()
    assert summary.network == type(network).__name__
    assert summary.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert summary.multiply_adds > 0
    real = [torch.zeros(each.shape, dtype=each.dtype) for each in network.example_inputs()]
    output = network.eval()(*real)
    assert (1, *output.shape[1:]) == output.shape
    if name in ("reflect", "float64", "SynthesisNetwork", "AliasFreeGenerator"):  # whose last layer makes the image
        assert summary.layers[-1].shape == output.shape
        assert summary.layers[-1].bytes == output.nbytes


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_stays_as_it_is(name: str) -> None:
    network = NETWORKS[name]().train()
    first = next(network.children())
    first.eval()
    called: list[object] = []
    first.register_forward_hook(lambda *_: called.append(_))
    before = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    tensors = [(id(tensor), tensor.requires_grad) for tensor in tensors_of(network)]
    modes = [module.training for module in network.modules()]
    hooks = [(len(module._forward_hooks), len(module._forward_pre_hooks)) for module in network.modules()]
    network.summary()
    assert all(torch.equal(a, b) for a, b in zip(before[0].values(), network.state_dict().values(), strict=True))
    assert torch.equal(torch.get_rng_state(), before[1])
    assert [(id(tensor), tensor.requires_grad) for tensor in tensors_of(network)] == tensors
    assert [module.training for module in network.modules()] == modes
    assert [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in network.modules()] == hooks
    assert called == []


@pytest.mark.parametrize(("layer", "shapes", "products"), [
    (EqualLinear(6, 4), [(3, 6)], 3 * 6 * 4),
    (EqualConv2d(3, 8, 3), [(2, 3, 10, 12)], 2 * 10 * 12 * 8 * 3 * 9),
    (EqualConv2d(3, 8, 1, resample="down"), [(1, 3, 8, 8)], 16 * 3 * (16 + 8)),  # the filter's taps are 4x4
    (StyledConv(4, 8, 3, 6), [(1, 4, 10, 10), (1, 6)], 100 * 8 * 4 * 9 + 6 * 4 + 4 * 8),  # style, demodulation
], ids=["linear", "conv", "down", "styled"])  # fmt: skip
def test_multiply_adds_by_hand(layer: nn.Module, shapes: list[tuple[int, ...]], products: int) -> None:
    assert summarize(layer, *map(torch.empty, shapes)).multiply_adds == products


def test_the_alias_free_layers_filters_are_counted() -> None:
    sampling = Sampling(12, rate=8, cutoff=2.0, half_width=2.0)
    layer = AliasFreeConv(4, 8, 3, 6, before=sampling, after=sampling)
    up, down = layer.resampling.up_taps, layer.resampling.down_taps
    summary = summarize(layer, torch.empty(1, 4, 12, 12), torch.empty(1, 6))
    convolution = 14 * 14 * 8 * 4 * 9 + 6 * 4 + 4 * 8
    assert summary.multiply_adds - convolution >= 12 * 12 * 8 * (up + down)


def test_networks_of_your_own() -> None:
    summary = summarize(Own(), torch.empty(2, 3, 5, 5))
    rows = [(row.name, row.kind, row.shape, row.parameters, row.multiply_adds) for row in summary.layers]
    assert rows == [
        ("conv", "EqualConv2d", (2, 8, 5, 5), 224, 2 * 25 * 8 * 27),
        ("twice", "Conv2d", (2, 8, 5, 5), 64, 2 * 25 * 64),
        ("twice", "Conv2d", (2, 8, 5, 5), 0, 2 * 25 * 64),
        ("(the rest)", "", None, 16, 2 * 16),
    ]
    assert summary.bytes == 3 * 4 * 2 * 8 * 25


def test_lazy_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="summarize: network must have no lazy parameters; call it once before"):
        summarize(nn.LazyLinear(3), torch.empty(2, 3))


def test_huge_networks_need_no_memory() -> None:
    summary = Generator(1024, device="meta").summary()
    assert summary.parameters == 30_370_060
    assert round(summary.multiply_adds / 1e9, 1) == 75.3
    assert summary.layers[-1].shape == (1, 3, 1024, 1024)


def test_the_table_is_aligned() -> None:
    lines = str(MappingNetwork(6, 5, 4, num_layers=2).summary()).splitlines()
    assert lines == [
        "layer     class           output  parameters  multiply-adds   memory",
        "layers.0  EqualLinear        1x5          35             30  0.0 KiB",
        "layers.1  EqualLinear        1x5          30             25  0.0 KiB",
        "--------------------------------------------------------------------",
        "total     MappingNetwork                  65             55  0.0 KiB",
    ]


def test_rich_and_notebooks_show_the_same_cells() -> None:
    summary = Generator(16, z_dim=6, w_dim=5, channel_base=64).summary()
    console = Console(width=120, record=True, file=StringIO())
    console.print(summary)
    for shown in (console.export_text(), summary._repr_html_()):
        assert all(row.name in shown and f"{row.multiply_adds:,}" in shown for row in summary.layers)
    assert summary._repr_html_().count("<tr>") == len(summary.layers) + 2


def test_cells_are_escaped() -> None:
    class Hostile(nn.Linear):
        pass

    Hostile.__name__ = "<b>[red]"
    summary = summarize(nn.Sequential(Hostile(2, 2)), torch.empty(1, 2))
    assert "&lt;b&gt;[red]" in summary._repr_html_()
    console = Console(width=120, record=True, file=StringIO())
    console.print(summary)
    assert "<b>[red]" in console.export_text()


def test_plans_are_tables_in_notebooks() -> None:
    plan = AliasFreePlan.of("AliasFreePlan", 64)
    assert plan._repr_html_().count("<tr>") == len(plan.layers) + 1
    assert all(f">L{index}" in plan._repr_html_() for index in range(len(plan.layers)))


def test_a_summary_is_plain_data() -> None:
    summary = NETWORKS["Generator"]().summary()
    assert isinstance(summary, Summary) and json.dumps([vars(layer) for layer in summary.layers])
