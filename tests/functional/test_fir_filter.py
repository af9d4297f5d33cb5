"""Prepared FIR filters: one convolution per call, in the layout of the image, with nothing stale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from stylelayers import Blur, Downsample2d, Upsample2d
from stylelayers.functional import blur2d, upfirdn2d
from tests.conftest import assert_same, channels_last, randn

LAYERS = {"blur": Blur(), "up": Upsample2d(), "down": Downsample2d()}
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {"contiguous": Tensor.contiguous, "channels-last": channels_last}


class Calls(TorchDispatchMode):
    """Counts the operators that compute or copy, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS.keys())
@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS.keys())
def test_a_pass_is_one_convolution_and_keeps_the_layout(layer: Any, layout: Callable[[Tensor], Tensor]) -> None:
    x = layout(torch.randn(2, 3, 8, 10)).requires_grad_()
    direction = layout(torch.randn_like(layer(x)))
    torch.autograd.grad(layer(x), x, direction)  # makes the weights of both filters
    with Calls() as forward:
        y = layer(x)
    with Calls() as backward:
        (gradient,) = torch.autograd.grad(y, x, direction)
    assert forward.names == backward.names == Counter({"convolution": 1})
    expected = torch.channels_last if layout is channels_last else torch.contiguous_format
    assert y.is_contiguous(memory_format=expected) and gradient.is_contiguous(memory_format=expected)


def test_taps_that_change_between_calls_are_seen() -> None:
    x = randn(1, 1, 4, 4)
    taps, tensor, layer = [1.0, 2.0], torch.tensor([1.0, 2.0]).double(), Blur((1, 2))
    before = blur2d(x, taps), blur2d(x, tensor), layer(x)
    taps[0], layer.resample_filter = 5.0, (5.0, 2.0)
    tensor[0] = 5.0
    for old, new in zip(before, (blur2d(x, taps), blur2d(x, tensor), layer(x)), strict=True):
        assert_same(new, blur2d(x, (5.0, 2.0)))
        assert (new - old).abs().max() > 0.01


def test_a_kernel_that_changes_before_backward_does_not_matter() -> None:
    x, kernel = randn(1, 1, 4, 4).requires_grad_(), torch.tensor([[1.0, 2.0], [3.0, 4.0]]).double()
    y = upfirdn2d(x, kernel, padding=1, flip_kernel=True)
    (expected,) = torch.autograd.grad(y.sum(), x, retain_graph=True)
    kernel.zero_()
    assert_same(torch.autograd.grad(y.sum(), x)[0], expected)


def test_one_dtype_or_channel_count_does_not_serve_another() -> None:
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        for channels in (1, 3, 2):
            x = torch.ones(1, channels, 6, 6, dtype=dtype)
            y = blur2d(x, (1, 2, 5))
            assert y.dtype == dtype and y.shape == x.shape
            assert_same(y[..., 2, 2].double(), torch.ones(1, channels).double(), 0.01)
