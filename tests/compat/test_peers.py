"""The same calls of the official operators and of ours; ``STYLELAYERS_PEERS`` names a folder with ``stylegan3/``."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from benchmarks.peers import Official
from tests.compat import references as arguments
from tests.compat.test_official import few
from tests.conftest import assert_same

FOLDER = os.environ.get("STYLELAYERS_PEERS")
pytestmark = pytest.mark.skipif(FOLDER is None, reason="needs STYLELAYERS_PEERS, a folder with stylegan3/")
_found: list[Official | None] = []


def both(name: str) -> tuple[Any, Any]:
    """Their module and ours."""
    if not _found:
        _found.append(Official.found(Path(FOLDER or "")))
    theirs = import_module("torch_utils.custom_ops" if name == "custom_ops" else f"torch_utils.ops.{name}")
    return theirs, import_module(f"stylelayers.compat.official.{name}")


def agree(call: Callable[[Any, list[Tensor]], Tensor], name: str, *tensors: Tensor | None) -> None:
    """Values, and first and second derivatives by all tensors; theirs may refuse a size, which is then left out."""
    results = []
    for module in both(name):
        leaves = [tensor.clone().requires_grad_() for tensor in tensors if tensor is not None]
        try:
            y = call(module, leaves)
        except (AssertionError, RuntimeError):
            assume(False)
        first = torch.autograd.grad(y.tanh().sum(), leaves, create_graph=True)
        energy = sum(grad.square().sum() for grad in first)
        second = torch.autograd.grad(energy, leaves, allow_unused=True, materialize_grads=True)
        results.append([y, *first, *second])
    for theirs, ours in zip(*results, strict=True):
        error = (ours - theirs).norm()  # filters are float32, and theirs rounds some once more
        assert error <= 1e-5 * (1 + theirs.norm())


def filters() -> st.SearchStrategy[Tensor | None]:
    return arguments.filters().map(lambda f: None if f is None else f.float())


@few
@given(st.data())
def test_filters(data: st.DataObject) -> None:
    draw = data.draw
    name, f, x = draw(st.sampled_from(["upfirdn2d", "filter2d", "upsample2d", "downsample2d"])), draw(filters()), None
    x = arguments.tensor(draw, 2, 2, draw(st.integers(4, 8)), draw(st.integers(4, 8)))
    options: dict[str, Any] = {"padding": draw(arguments.paddings), "flip_filter": draw(st.booleans())}
    for factor in {"upfirdn2d": ("up", "down"), "upsample2d": ("up",), "downsample2d": ("down",)}.get(name, ()):
        options[factor] = draw(arguments.pairs)
    if f is None or f.ndim == 2:  # of a separable filter theirs takes the gain's square root
        options["gain"] = draw(arguments.gains)
    agree(lambda module, leaves: getattr(module, name)(leaves[0], f, **options), "upfirdn2d", x)


@few
@given(st.data())
def test_setup_filter(data: st.DataObject) -> None:
    draw, tap = data.draw, st.floats(0.25, 3, width=32)
    f = draw(st.none() | tap | st.lists(tap, min_size=1, max_size=10))
    options: dict[str, Any] = {"normalize": draw(st.booleans()), "flip_filter": draw(st.booleans())}
    options |= {"gain": draw(st.sampled_from([1, 4, 0.5])), "separable": draw(st.sampled_from([None, True, False]))}
    theirs, ours = (module.setup_filter(f, **options) for module in both("upfirdn2d"))
    assert_same(ours, theirs, 1e-6)


@few
@given(st.data())
def test_activations(data: st.DataObject) -> None:
    draw = data.draw
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    x, dim = arguments.tensor(draw, *shape), draw(st.integers(0, len(shape) - 1))
    b = arguments.tensor(draw, shape[dim]) if draw(st.booleans()) else None
    names = ("act", "alpha", "gain", "clamp")
    gains, clamps = st.none() | arguments.gains, arguments.clamps.filter(lambda value: value != -1)
    act = st.sampled_from([*arguments.ACTIVATIONS])
    options: dict[str, Any] = dict(zip(names, draw(st.tuples(act, arguments.slopes, gains, clamps)), strict=True))
    assume(options["clamp"] != 0)  # there every point is at the limit
    agree(lambda module, leaves: module.bias_act(leaves[0], *leaves[1:] or [None], dim, **options), "bias_act", x, b)


def test_activation_records() -> None:
    theirs, ours = (module.activation_funcs for module in both("bias_act"))
    assert [*ours] == [*theirs]
    for name, record in theirs.items():
        assert {key: value for key, value in ours[name].items() if key != "func"} == pytest.approx(
            {key: value for key, value in record.items() if key != "func"}
        )


@few
@given(st.data())
def test_filtered_lrelu(data: st.DataObject) -> None:
    draw = data.draw
    x, b, fu, fd = arguments.tensor(draw, 2, 2, 5, 6), arguments.tensor(draw, 2), draw(filters()), draw(filters())
    options: dict[str, Any] = {"up": draw(st.integers(1, 4)), "down": draw(st.integers(1, 3))}
    options |= {"padding": draw(arguments.paddings), "slope": draw(st.sampled_from([0.2, 0, 1]))}
    options |= {"clamp": draw(st.sampled_from([None, 0.7])), "flip_filter": draw(st.booleans())}
    agree(lambda module, leaves: module.filtered_lrelu(leaves[0], fu, fd, leaves[1], **options), "filtered_lrelu", x, b)


@few
@given(st.data())
def test_conv2d_resample(data: st.DataObject) -> None:
    draw, groups = data.draw, data.draw(st.sampled_from([1, 2]))
    x, w, f = arguments.tensor(draw, 2, 2, 5, 6), draw(arguments.weights(2 // groups)), draw(filters())
    options: dict[str, Any] = {"up": draw(st.integers(1, 3)), "down": draw(st.integers(1, 3)), "groups": groups}
    options |= {"padding": draw(arguments.paddings), "flip_weight": draw(st.booleans())}
    options |= {"flip_filter": draw(st.booleans())}
    agree(lambda module, leaves: module.conv2d_resample(*leaves, f, **options), "conv2d_resample", x, w)


@pytest.mark.parametrize("flip_weight", [True, False])
@pytest.mark.parametrize("transpose", [True, False])
def test_convolutions(transpose: bool, flip_weight: bool) -> None:
    x, w = torch.randn(2, 4, 6, 5).double(), torch.randn(4, 2, 3, 2).double()
    options: dict[str, Any] = {"stride": 2, "padding": [1, 0], "groups": 2}
    options |= {"transpose": transpose, "flip_weight": flip_weight}
    agree(lambda module, leaves: module._conv2d_wrapper(*leaves, **options), "conv2d_resample", x, w)


def test_the_other_operators() -> None:
    a, b, c = torch.randn(2, 3, 4).double(), torch.randn(3, 1).double(), torch.randn(2, 1, 1).double()
    agree(lambda module, leaves: module.fma(*leaves), "fma", a, b, c)
    x, w, b = torch.randn(2, 4, 6, 5).double(), torch.randn(6, 4, 3, 2).double(), torch.randn(6).double()
    agree(lambda module, leaves: module.conv2d(*leaves, stride=2, padding=(1, 0)), "conv2d_gradfix", x, w, b)
    w = torch.randn(4, 6, 3, 2).double()
    agree(lambda module, leaves: module.conv_transpose2d(*leaves, stride=2), "conv2d_gradfix", x, w, b)
    grid = torch.rand(2, 3, 5, 2).double() * 2.4 - 1.2
    agree(lambda module, leaves: module.grid_sample(*leaves), "grid_sample_gradfix", x, grid)
    assert [module.verbosity for module in both("custom_ops")] == ["brief", "brief"]
