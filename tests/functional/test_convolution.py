"""The convolution of the layers: torch's numbers and derivatives, and no gradient that nobody asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from stylelayers.functional import _convolution, resample_conv2d
from stylelayers.functional._convolution import convolve
from tests.conftest import assert_same, check_derivatives, randn

OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "padded": {"padding": (1, 2)},
    "strided": {"stride": 2, "padding": (1, 1)},
    "groups": {"groups": 2, "padding": (1, 1)},
    "transposed": {"transposed": True, "stride": 2},
    "transposed groups": {"transposed": True, "stride": 3, "groups": 2},
}
every_option = pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())


@pytest.fixture(autouse=True)
def _own_function_at_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_convolution, "_LEAST_PRODUCTS", 0)


def tensors(options: dict[str, Any]) -> tuple[Tensor, Tensor]:
    groups, transposed = options.get("groups", 1), options.get("transposed", False)
    shape = (4, 3, 3, 2) if transposed else (6, 4 // groups, 3, 2)
    return randn(2, 4, 6, 5).requires_grad_(), randn(*shape).requires_grad_()


def torchs(x: Tensor, weight: Tensor, bias: Tensor | None, options: dict[str, Any]) -> Tensor:
    options = dict(options)
    function = torch.conv_transpose2d if options.pop("transposed", False) else torch.conv2d
    return function(x, weight, bias, **options)


@every_option
def test_second_and_third_derivatives_are_torchs(options: dict[str, Any]) -> None:
    x, weight = tensors(options)
    direction = torch.randn_like(torchs(x, weight, None, options))
    bias = randn(direction.shape[1]).requires_grad_()
    found = []
    for y in (convolve(x, weight, bias, **options), torchs(x, weight, bias, options)):
        first = torch.autograd.grad((y * direction).sin().sum(), (x, weight, bias), create_graph=True)
        squares = torch.stack([gradient.square().sum() for gradient in first]).sum()
        second = torch.autograd.grad(squares, (x, weight, bias), create_graph=True)
        sines = second[0].sin().sum() + second[1].sin().sum()
        third = torch.autograd.grad(sines, (x, weight, bias), retain_graph=True)
        found.append((y, *first, *second, *third, *torch.autograd.grad(y.sum(), (x, weight, bias))))
    assert "_ConvolutionBackward" in str(found[0][0].grad_fn)
    for ours, theirs in zip(*found, strict=True):
        assert_same(ours, theirs, 1e-8)  # third derivatives are sums of thousands, in another order


@every_option
def test_derivatives_match_finite_differences(options: dict[str, Any]) -> None:
    check_derivatives(lambda x, weight: convolve(x, weight, **options), *tensors(options))


class WeightGradients(TorchDispatchMode):
    """Counts gradients by weights."""

    count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function is torch.ops.aten.convolution_backward.default:
            self.count += args[-1][1]
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_gradient_by_the_input_computes_none_by_the_weight(create_graph: bool) -> None:
    x, weight = tensors({})
    y = convolve(x, weight * 0.5)  # as the layers scale it
    with WeightGradients() as counter:
        (by_x,) = torch.autograd.grad(y.sum(), x, create_graph=create_graph)
        assert counter.count == 0
        if create_graph:
            by_x.square().sum().backward()
            assert counter.count == 1 and weight.grad is not None


def test_weights_that_depend_on_the_input_get_their_part() -> None:
    x, weight = tensors({})
    results = []
    for function in (convolve, torch.conv2d):
        y = function(x, weight * x.mean())
        (gradient,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        results.append(torch.autograd.grad(gradient.square().sum(), (x, weight)))
    for ours, theirs in zip(*results, strict=True):
        assert_same(ours, theirs)


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2)])
def test_resampling_convolutions_use_it_and_keep_no_graph(up: int, down: int) -> None:
    x, weight = tensors({})
    y = resample_conv2d(x, weight, up=up, down=down, padding=1)
    nodes, stack = set(), [y.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None:
            nodes.add(node.name())
            stack += [parent for parent, _ in node.next_functions]
    assert "_ConvolutionBackward" in nodes and not any("onvolutionBackward0" in name for name in nodes)
    with torch.no_grad():
        assert resample_conv2d(x, weight, up=up, down=down, padding=1).grad_fn is None


def test_small_convolutions_are_torchs_in_float32_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_convolution, "_LEAST_PRODUCTS", 10**6)
    x, weight = (tensor.detach().float().requires_grad_() for tensor in tensors({}))
    assert "_Convolution" not in str(convolve(x, weight).grad_fn)
    assert "_Convolution" in str(convolve(x.bfloat16(), weight.bfloat16()).grad_fn)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_autocast_casts_what_it_casts_for_torch(dtype: torch.dtype) -> None:
    x, weight = (tensor.detach().to(dtype).requires_grad_() for tensor in tensors({}))
    with torch.autocast("cpu", torch.bfloat16):
        y, expected = convolve(x, weight), torch.conv2d(x, weight)
    assert y.dtype == expected.dtype and "_Convolution" in str(y.grad_fn)
    assert_same(y, expected)
    for ours, theirs in zip(
        torch.autograd.grad(y.sum(), (x, weight)), torch.autograd.grad(expected.sum(), (x, weight)), strict=True
    ):
        assert ours.dtype == dtype
        assert_same(ours, theirs, 0.02 if dtype == torch.float32 else 1e-10)


@pytest.mark.parametrize("batch", [2, 4, 5, 8, 16])
def test_second_derivatives_by_weights_are_right_in_bfloat16(batch: int) -> None:
    x, weight = torch.randn(batch, 16, 16, 16), torch.randn(16, 16, 3, 3) / 12
    found = []
    for dtype in (torch.bfloat16, torch.float64):
        a, b = x.to(dtype).requires_grad_(), weight.to(dtype).requires_grad_()
        (gradient,) = torch.autograd.grad(convolve(a, b, padding=(1, 1)).square().sum(), a, create_graph=True)
        found.append(torch.autograd.grad(gradient.square().sum(), b)[0].double())
    assert (found[0] - found[1]).norm() < 0.05 * found[1].norm()
