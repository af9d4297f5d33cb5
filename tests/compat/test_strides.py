"""blur_strides: the orders of arXiv:1904.11486, the state, the sizes, and less change under shifts."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylelayers.compat import blur_strides
from tests.conftest import assert_same, randn

torchvision = pytest.importorskip("torchvision")


def blurred(x: Tensor, stride: tuple[int, int] = (2, 2), taps: tuple[float, ...] = (1, 2, 1)) -> Tensor:
    """Reflect, filter along the axes with a stride, and keep every `stride`-th pixel."""
    line = torch.tensor(taps, dtype=x.dtype) / sum(taps)
    for dim, step in zip((2, 3), stride, strict=True):
        if step > 1:
            near, far = (len(taps) - 1) // 2, len(taps) // 2
            padded = F.pad(x, (0, 0, near, far) if dim == 2 else (near, far, 0, 0), mode="reflect")
            x = torch.stack([tap * padded.narrow(dim, k, x.shape[dim]) for k, tap in enumerate(line)]).sum(0)
    return x[:, :, :: stride[0], :: stride[1]]


class Block(nn.Module):
    """A residual block whose activation is a shared module, or a function."""

    def __init__(self, act: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(4, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.short, self.relu = nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 1, 2), act

    def forward(self, x: Tensor) -> Tensor:
        act = self.relu or F.relu
        return act(self.conv2(act(self.bn1(self.conv1(x)))) + self.short(x))


class Branches(Block):
    """The activation has a user that is no module."""

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return self.conv2(y) + y + self.short(x)


class Untraceable(Block):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.mean() > -9 else x


def at_stride_1(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return F.conv2d(x, conv.weight, conv.bias, padding=conv.padding, dilation=conv.dilation, groups=conv.groups)


def of_block(m: Any, x: Tensor, first: Callable[[Tensor], Tensor], second: Callable[[Tensor], Tensor]) -> Tensor:
    """A block with a blur before (`first`) or behind (`second`) its first norm and activation."""
    y = second(F.relu(m.bn1(first(at_stride_1(m.conv1, x)))))
    return F.relu(m.conv2(y) + at_stride_1(m.short, blurred(x)))


def same(x: Tensor) -> Tensor:
    return x


Formula = Callable[[Any, Tensor], Tensor]
CASES: dict[str, tuple[Callable[[], nn.Module], Formula]] = {
    "conv": (lambda: nn.Conv2d(4, 6, 3, 2, 1), lambda m, x: blurred(at_stride_1(m, x))),
    "dilated groups": (
        lambda: nn.Conv2d(4, 6, 4, 2, 2, dilation=2, groups=2),
        lambda m, x: blurred(at_stride_1(m, x)),
    ),
    "stride 3": (lambda: nn.Conv2d(4, 6, 5, 3), lambda m, x: blurred(at_stride_1(m, x), (3, 3))),
    "two strides": (lambda: nn.Conv2d(4, 6, 3, (1, 2)), lambda m, x: blurred(at_stride_1(m, x), (1, 2))),
    "1x1": (lambda: nn.Conv2d(4, 6, 1, 2), lambda m, x: blurred(at_stride_1(m, x))),
    "max pool": (lambda: nn.MaxPool2d(3, 2, 1), lambda m, x: blurred(F.max_pool2d(x, 3, 1, 1))),
    "average pool": (lambda: nn.AvgPool2d(2), lambda m, x: blurred(F.avg_pool2d(x, 2, 1))),
    "conv, norm, act": (
        lambda: nn.Sequential(nn.Conv2d(4, 6, 3, 2), nn.BatchNorm2d(6), nn.SiLU(inplace=True)),
        lambda m, x: blurred(F.silu(m[1](at_stride_1(m[0], x)))),
    ),
    "1x1, act": (
        lambda: nn.Sequential(nn.Conv2d(4, 6, 1, 2), nn.ReLU()),
        lambda m, x: blurred(F.relu(at_stride_1(m[0], x))),
    ),
    "function": (lambda: Block(), lambda m, x: of_block(m, x, same, blurred)),
    "shared act": (lambda: Block(nn.ReLU(inplace=True)), lambda m, x: of_block(m, x, same, blurred)),
    "untraceable": (lambda: Untraceable(), lambda m, x: of_block(m, x, blurred, same)),
    "branches": (
        lambda: Branches(),
        lambda m, x: (
            m.conv2(y := F.relu(m.bn1(blurred(at_stride_1(m.conv1, x))))) + y + at_stride_1(m.short, blurred(x))
        ),
    ),
}


@pytest.mark.parametrize("size", [(12, 11), (13, 10)])
@pytest.mark.parametrize(("build", "formula"), CASES.values(), ids=CASES.keys())
def test_orders_are_those_of_the_paper(build: Callable[[], nn.Module], formula: Formula, size: tuple[int, int]) -> None:
    network, x = build().double().eval(), randn(2, 4, *size)
    shape, expected, keys = network(x).shape, formula(network, x), list(network.state_dict())
    assert not blur_strides(network).left
    assert network(x).shape == shape and list(network.state_dict()) == keys
    assert_same(network(x), expected)


def test_the_filter_and_the_border_can_be_chosen() -> None:
    x, network = randn(1, 2, 9, 8), nn.MaxPool2d(2)
    blur_strides(network, (1, 4, 6, 4, 1), padding_mode="replicate")
    pooled = F.pad(F.max_pool2d(x, 2, 1), (2, 2, 2, 2), mode="replicate")
    assert_same(network(x), blurred(pooled, taps=(1, 4, 6, 4, 1))[:, :, 1:-1, 1:-1][:, :, :4, :4])
    assert "padding_mode='replicate'" in repr(network)


MODELS = ["resnet18", "vgg11_bn", "mobilenet_v2", "densenet121"]


def change_under_a_shift(network: nn.Module, x: Tensor) -> float:
    """Change of the logits by one pixel, relative to the differences between images."""
    with torch.no_grad():
        y, shifted = network(x[..., :-1]), network(x[..., 1:])
    return float((y - shifted).norm() / (y - y.mean(0)).norm())


@pytest.mark.parametrize("name", MODELS)
def test_classifiers_keep_sizes_and_keys_and_change_less_under_shifts(name: str) -> None:
    torch.manual_seed(0)
    network = getattr(torchvision.models, name)(weights=None).eval()
    images = F.avg_pool2d(torch.randn(4, 3, 64, 65), 3, 1, 1)
    before, keys, parameters = (
        change_under_a_shift(network, images),
        list(network.state_dict()),
        [*network.parameters()],
    )
    features = network.features if hasattr(network, "features") else nn.Sequential(*list(network.children())[:-2])
    sizes = [(64, 64), (75, 66)]
    shapes = [features(images.new_ones(1, 3, *size)).shape for size in sizes]
    report = blur_strides(network)
    assert len(report.replaced) == {"resnet18": 8}.get(name, 5) and not report.left
    assert [features(images.new_ones(1, 3, *size)).shape for size in sizes] == shapes
    assert list(network.state_dict()) == keys
    assert all(a is b for a, b in zip(network.parameters(), parameters, strict=True))
    assert change_under_a_shift(network, images) < 0.6 * before


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), Block(), nn.MaxPool2d(2))


def test_networks_train_copy_and_pickle() -> None:
    network, x = small(), randn(4, 3, 16, 16).float()
    optimizer = torch.optim.SGD(network.parameters(), 0.01)
    blur_strides(network)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        losses.append(network(x).square().mean())
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0] and all(parameter.grad is not None for parameter in network.parameters())
    network.eval()
    for copy in (deepcopy(network), pickle.loads(pickle.dumps(network)), network.double()):
        assert_same(copy(x.to(next(copy.parameters()))).float(), network.float()(x), 1e-5)


def test_files_load_before_and_after() -> None:
    one, other = small().eval(), small().eval()
    x = randn(2, 3, 16, 16).float()
    other.load_state_dict(one.state_dict())
    for network in (one, other):
        blur_strides(network)
    third = small().eval()
    blur_strides(third)
    third.load_state_dict(one.state_dict())
    assert torch.equal(one(x), other(x)) and torch.equal(one(x), third(x))


def test_resnet18_compiles_as_one_graph() -> None:
    network, x = torchvision.models.resnet18(weights=None).eval(), torch.randn(1, 3, 64, 64)
    blur_strides(network)
    with torch.no_grad():
        assert_same(torch.compile(network, backend="aot_eager", fullgraph=True)(x), network(x), 1e-4)


def test_a_second_call_changes_nothing() -> None:
    network, x = small().eval(), randn(1, 3, 16, 16).float()
    blur_strides(network)
    expected = network(x)
    report = blur_strides(network)
    assert not report.replaced and not report.left and torch.equal(network(x), expected)


def test_an_activation_of_several_blocks_gets_no_blur() -> None:
    act = nn.ReLU()
    network = nn.Sequential(*(nn.Sequential(nn.Conv2d(4, 4, 3, 2), act) for _ in range(2))).double()
    x = randn(1, 4, 21, 20)
    expected = x
    for stage in network:
        expected = F.relu(blurred(at_stride_1(stage[0], expected)))  # type: ignore[index]
    blur_strides(network)
    assert_same(network(x), expected)


def test_skipped_layers_stay() -> None:
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3, 2)), nn.MaxPool2d(2))
    report = blur_strides(network, skip=["0"])
    assert report.left == {"0.0": "it is skipped"} and list(report.replaced) == ["1"]
    assert network[0][0].stride == (2, 2)  # type: ignore[index]


class Own(nn.Conv2d):
    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.weight, stride=2)


LEFT = {
    "subclass": (lambda: Own(3, 4, 3, 2), "its class Own overrides forward"),
    "indices": (lambda: nn.MaxPool2d(2, return_indices=True), "it returns indices, which would not fit"),
    "ceil": (lambda: nn.AvgPool2d(2, ceil_mode=True), "it rounds its size up (ceil_mode)"),
    "short filter": (lambda: nn.Conv2d(3, 4, 4, 4), "its stride (4, 4) is larger than the filter (3, 3)"),
}


@pytest.mark.parametrize(("build", "reason"), LEFT.values(), ids=LEFT.keys())
def test_other_layers_are_left_with_a_reason(build: Callable[[], nn.Module], reason: str) -> None:
    network = build()
    stride = network.stride
    report = blur_strides(network)
    assert report.left == {"": reason} and not report.replaced and network.stride == stride


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "network": (lambda: blur_strides(None), "blur_strides: network must be a torch.nn.Module, got NoneType"),  # type: ignore[arg-type]
    "filter": (lambda: blur_strides(small(), (1, -1)), "blur_strides: fir_kernel: taps that sum to 0"),
    "mode": (lambda: blur_strides(small(), padding_mode="wrap"), "blur_strides: padding_mode must be one of .*'wrap'"),
    "text": (lambda: blur_strides(small(), skip="0"), "blur_strides: skip must be a collection of names, got '0'"),
    "name": (lambda: blur_strides(small(), skip=["9"]), "skip must hold names of modules of the network, got '9'"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
