"""The official operators of `stylelayers.compat`: values over their whole argument spaces, derivatives, names."""

from __future__ import annotations

import inspect
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from stylelayers.compat.official import (
    bias_act,
    conv2d_gradfix,
    conv2d_resample,
    custom_ops,
    filtered_lrelu,
    fma,
    grid_sample_gradfix,
    upfirdn2d,
)
from tests.compat import references as theirs
from tests.conftest import assert_same, check_derivatives, randn

few = settings(derandomize=True, max_examples=60, deadline=None, database=None)
SETUP = "f, device, normalize=True, flip_filter=False, gain=1, separable=None"
SIGNATURES = {
    upfirdn2d.setup_filter: SETUP,
    upfirdn2d.upfirdn2d: "x, f, up=1, down=1, padding=0, flip_filter=False, gain=1, impl='cuda'",
    upfirdn2d.filter2d: "x, f, padding=0, flip_filter=False, gain=1, impl='cuda'",
    upfirdn2d.upsample2d: "x, f, up=2, padding=0, flip_filter=False, gain=1, impl='cuda'",
    upfirdn2d.downsample2d: "x, f, down=2, padding=0, flip_filter=False, gain=1, impl='cuda'",
    bias_act.bias_act: "x, b=None, dim=1, act='linear', alpha=None, gain=None, clamp=None, impl='cuda'",
    filtered_lrelu.filtered_lrelu: "x, fu=None, fd=None, b=None, up=1, down=1, padding=0, gain=1.4142135623730951, "
    "slope=0.2, clamp=None, flip_filter=False, impl='cuda'",
    conv2d_resample.conv2d_resample: "x, w, f=None, up=1, down=1, padding=0, groups=1, flip_weight=True, "
    "flip_filter=False",
    conv2d_resample._conv2d_wrapper: "x, w, stride=1, padding=0, groups=1, transpose=False, flip_weight=True",
    conv2d_gradfix.conv2d: "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1",
    conv2d_gradfix.conv_transpose2d: "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, "
    "dilation=1",
    conv2d_gradfix.no_weight_gradients: "disable=True",
    grid_sample_gradfix.grid_sample: "input, grid",
    fma.fma: "a, b, c",
}


@pytest.mark.parametrize(("function", "signature"), SIGNATURES.items())
def test_signatures_are_the_official_ones(function: Any, signature: str) -> None:
    found = inspect.signature(function).parameters.values()
    texts = [p.name if p.default is p.empty or p.name == "device" else f"{p.name}={p.default!r}" for p in found]
    assert ", ".join(texts) == signature


# Filters -----------------------------------------------------------------------------------------------------------


@few
@given(st.data())
def test_setup_filter_makes_taps_of_the_wanted_kind(data: st.DataObject) -> None:
    tap = st.floats(0.25, 3, width=32)
    f: Any = data.draw(st.none() | tap | st.lists(tap, min_size=1, max_size=10) | st.just([[1.0, 2, 3], [4, 5, 7]]))
    is_flat = not isinstance(f, list) or not isinstance(f[0], list)
    options: dict[str, Any] = {
        "normalize": data.draw(st.booleans()),
        "flip_filter": data.draw(st.booleans()),
        "gain": data.draw(st.sampled_from([1, 4, 0.5])),
        "separable": data.draw(st.sampled_from([None, True, False]) if is_flat else st.sampled_from([None, False])),
    }
    taps = upfirdn2d.setup_filter(np.array(f) if data.draw(st.booleans()) and f is not None else f, **options)
    assert taps.dtype == torch.float32
    separable = options["separable"]
    assert (taps.ndim == 1) == (len(np.atleast_1d(f)) >= 8 if separable is None and f is not None else bool(separable))
    plane = torch.outer(taps, taps) if taps.ndim == 1 else taps
    assert_same(plane.double(), torch.as_tensor(theirs.setup_filter(f, **options).copy()), 1e-5)


@pytest.mark.parametrize("f", [[], [[[1.0]]], [[1.0, 2.0]]])
def test_setup_filter_refuses_what_is_no_filter(f: Any) -> None:
    with pytest.raises(ValueError, match=r"setup_filter: f must be taps"):
        upfirdn2d.setup_filter(f, separable=True)


@few
@given(st.data())
def test_upfirdn2d_is_its_reference(data: st.DataObject) -> None:
    draw = data.draw
    x, f = theirs.tensor(draw, 2, 2, draw(st.integers(1, 7)), draw(st.integers(1, 7))), draw(theirs.filters())
    options: dict[str, Any] = {"up": draw(theirs.pairs), "padding": draw(theirs.paddings)}
    assume(theirs.fits(x, f, **options))
    options |= {"down": draw(theirs.pairs), "flip_filter": draw(st.booleans()), "gain": draw(theirs.gains)}
    for impl in ("cuda", "ref"):
        assert_same(upfirdn2d.upfirdn2d(x, f, impl=impl, **options), theirs.upfirdn2d(x, f, **options))


@few
@given(st.data())
def test_resampling_is_upfirdn2d_with_the_padding_of_its_filter(data: st.DataObject) -> None:
    draw = data.draw
    x, f = theirs.tensor(draw, 1, 2, draw(st.integers(4, 8)), draw(st.integers(4, 8))), draw(theirs.filters())
    factor, gain, padding = draw(st.integers(1, 3)), draw(theirs.gains), draw(theirs.paddings)
    flip: dict[str, Any] = {"flip_filter": draw(st.booleans())}
    same, more, less = (theirs.resampling_padding(f, *by, padding) for by in ((1, 1), (factor, 1), (1, factor)))
    assume(all(theirs.fits(x, f, 1, sides) for sides in (same, less)))
    found = upfirdn2d.filter2d(x, f, padding, gain=gain, **flip)
    assert_same(found, theirs.upfirdn2d(x, f, padding=same, gain=gain, **flip))
    found = upfirdn2d.upsample2d(x, f, factor, padding, gain=gain, **flip)
    assert_same(found, theirs.upfirdn2d(x, f, factor, padding=more, gain=gain * factor**2, **flip))
    found = upfirdn2d.downsample2d(x, f, factor, padding, gain=gain, **flip)
    assert_same(found, theirs.upfirdn2d(x, f, down=factor, padding=less, gain=gain, **flip))


def test_resampling_keeps_the_size() -> None:
    x, f = randn(1, 1, 6, 8), upfirdn2d.setup_filter([1, 3, 3, 1])
    assert upfirdn2d.filter2d(x, f).shape == (1, 1, 6, 8)
    assert upfirdn2d.upsample2d(x, f, [3, 2]).shape == (1, 1, 12, 24)
    assert upfirdn2d.downsample2d(x, f, [4, 2]).shape == (1, 1, 3, 2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_result_of_a_filter_has_the_dtype_of_the_images(dtype: torch.dtype) -> None:
    x, f = torch.randn(1, 2, 9, 8, dtype=dtype), upfirdn2d.setup_filter([1.0] * 12)
    y = upfirdn2d.upsample2d(x, f, up=[2, 1])
    assert (y.dtype, y.shape) == (dtype, (1, 2, 9, 16))
    assert_same(y.double(), upfirdn2d.upsample2d(x.double(), f, up=[2, 1]), {2: 0.03}.get(dtype.itemsize, 1e-5))


@pytest.mark.parametrize("count", [4, 12])
def test_filters_have_derivatives(count: int) -> None:
    f = randn(count)
    options: dict[str, Any] = {"up": [2, 1], "down": [1, 2], "padding": [9, 8, 10, -1], "gain": -2, "flip_filter": True}
    check_derivatives(lambda x: upfirdn2d.upfirdn2d(x, f.requires_grad_(), **options).tanh(), randn(2, 2, 5, 4))


@pytest.mark.parametrize("options", [{"up": 0}, {"down": [1, 2, 3]}, {"padding": [1, 2, 3]}, {"padding": 0.5}])
def test_upfirdn2d_names_the_bad_argument(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"upfirdn2d: (up and down|padding) must be an int"):
        upfirdn2d.upfirdn2d(randn(1, 1, 4, 4), None, **options)


def test_helpers_of_sibling_files() -> None:
    assert upfirdn2d._parse_scaling([2, 3]) == (2, 3) and upfirdn2d._parse_scaling(2) == (2, 2)
    assert upfirdn2d._parse_padding([1, 2]) == (1, 1, 2, 2)
    assert filtered_lrelu._parse_padding((1, 1, 2, 2)) == (1, 1, 2, 2)  # type: ignore[attr-defined]
    assert upfirdn2d._get_filter_size(torch.ones(2, 3)) == (3, 2)
    assert upfirdn2d._get_filter_size(torch.ones(3)) == (3, 3)
    assert filtered_lrelu._get_filter_size(None) == (1, 1)
    assert conv2d_resample._get_weight_shape(torch.ones(1, 2, 3, 4)) == [1, 2, 3, 4]
    assert upfirdn2d._init() and bias_act._init() and filtered_lrelu._init()


# Activations -------------------------------------------------------------------------------------------------------


@few
@given(st.data())
def test_bias_act_is_its_reference(data: st.DataObject) -> None:
    draw = data.draw
    shape = draw(st.lists(st.integers(1, 4), min_size=1, max_size=5))
    x, dim = theirs.tensor(draw, *shape), draw(st.integers(0, len(shape) - 1))
    b = theirs.tensor(draw, shape[dim]) if draw(st.booleans()) else None
    act = draw(st.sampled_from([*bias_act.activation_funcs]))
    gain = draw(st.none() | theirs.gains)
    options: dict[str, Any] = {"alpha": draw(theirs.slopes), "gain": gain, "clamp": draw(theirs.clamps)}
    assert_same(bias_act.bias_act(x, b, dim, act, **options), theirs.bias_act(x, b, dim, act, **options))
    assert_same(bias_act._bias_act_ref(x, b, dim, act, **options), theirs.bias_act(x, b, dim, act, **options))


@pytest.mark.parametrize("options", [{}, {"gain": -1.5}, {"alpha": -0.5, "clamp": 1.1}, {"gain": 0.5, "clamp": 0.6}])
@pytest.mark.parametrize("act", theirs.ACTIVATIONS)
def test_activations_have_derivatives(act: str, options: dict[str, Any]) -> None:
    check_derivatives(lambda x, b: bias_act.bias_act(x, b, 2, act, **options), randn(2, 2, 3), randn(3))


def test_activation_records_have_the_official_entries() -> None:
    names = {"func", "def_alpha", "def_gain", "cuda_idx", "ref", "has_2nd_grad"}
    assert [*bias_act.activation_funcs] == [*theirs.ACTIVATIONS]
    for number, (name, record) in enumerate(bias_act.activation_funcs.items(), 1):
        function, gain = theirs.ACTIVATIONS[name]
        assert set(record) == names and record.cuda_idx == number and record["def_gain"] == pytest.approx(gain)
        x = randn(9)
        assert_same(record.func(x, alpha=0.3), function(x, 0.3))
    assert bias_act.activation_funcs["lrelu"].def_alpha == 0.2
    assert not hasattr(bias_act.activation_funcs["relu"], "missing")


def test_a_project_can_add_and_change_activations(monkeypatch: pytest.MonkeyPatch) -> None:
    record = SimpleNamespace(func=lambda x, alpha: alpha * x.cos(), def_alpha=3, def_gain=2)
    monkeypatch.setitem(bias_act.activation_funcs, "wave", record)
    monkeypatch.setitem(bias_act.activation_funcs["lrelu"], "def_gain", 1)
    x, b = randn(2, 3), randn(3)
    assert_same(bias_act.bias_act(x, b, act="wave", clamp=4), (6 * (x + b).cos()).clamp(-4, 4))
    assert_same(bias_act.bias_act(x, b, act="lrelu"), F.leaky_relu(x + b, 0.2))


def test_a_bias_of_another_dtype_promotes() -> None:
    x, b = torch.randn(2, 3, dtype=torch.float16), torch.randn(3)
    assert_same(bias_act.bias_act(x, b), x + b, 1e-6)
    assert bias_act.bias_act(x, b.half()).dtype == torch.float16


@few
@given(st.data())
def test_filtered_lrelu_is_its_reference(data: st.DataObject) -> None:
    draw = data.draw
    x, fu, fd = theirs.tensor(draw, 2, 2, 5, 6), draw(theirs.filters()), draw(theirs.filters())
    b = theirs.tensor(draw, 2) if draw(st.booleans()) else None
    up, down, padding = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(theirs.paddings)
    assume(theirs.fits(x, fu, up, padding, rest=theirs.taps_of(fd).shape))
    options: dict[str, Any] = {
        "gain": draw(st.sampled_from([2**0.5, 1, 0.3])),
        "slope": draw(st.sampled_from([0.2, 0, 1])),
    }
    options |= {"clamp": draw(theirs.clamps), "flip_filter": draw(st.booleans())}
    found = filtered_lrelu.filtered_lrelu(x, fu, fd, b, up, down, padding, **options)
    assert_same(found, theirs.filtered_lrelu(x, fu, fd, b, up, down, padding, **options))


def test_filtered_lrelu_has_derivatives() -> None:
    fu, fd = randn(12), randn(3, 4)
    options: dict[str, Any] = {"up": 2, "down": 2, "padding": [6, 5, 5, 7], "clamp": 0.8}
    check_derivatives(lambda x, b: filtered_lrelu.filtered_lrelu(x, fu, fd, b, **options), randn(1, 2, 4, 5), randn(2))


# Convolutions ------------------------------------------------------------------------------------------------------


@few
@given(st.data())
def test_conv2d_resample_is_its_reference(data: st.DataObject) -> None:
    draw, groups = data.draw, data.draw(st.sampled_from([1, 2]))
    x, f = theirs.tensor(draw, 2, 2, draw(st.integers(4, 7)), draw(st.integers(4, 7))), draw(theirs.filters())
    w = draw(theirs.weights(2 // groups))
    up, down, padding = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(theirs.paddings)
    sides = theirs.resampling_padding(f if up > 1 or down > 1 else None, up, down, padding)
    taps = theirs.taps_of(f if down > 1 else None)
    rest = (w.shape[2] + taps.shape[0] - 1, w.shape[3] + taps.shape[1] - 1)
    assume(theirs.fits(x, f if up > 1 else None, up, sides, rest=rest))
    flips = draw(st.booleans()), draw(st.booleans())
    found = conv2d_resample.conv2d_resample(x, w, f, up, down, padding, groups, *flips)
    assert_same(found, theirs.conv2d_resample(x, w, f, up, down, padding, groups, *flips))


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2), (2, 3)])
def test_conv2d_resample_has_derivatives(up: int, down: int) -> None:
    def call(x: Tensor, w: Tensor) -> Tensor:
        return conv2d_resample.conv2d_resample(x, w, f, up, down, [1, 0, 2, 1], groups=2, flip_weight=False)

    f = randn(4, 3)
    check_derivatives(call, randn(1, 4, 5, 4), randn(2, 2, 3, 2))


@few
@given(st.data())
def test_convolutions_are_those_of_torch(data: st.DataObject) -> None:
    draw, groups = data.draw, data.draw(st.sampled_from([1, 2]))
    pair = st.sampled_from([1, 2, (2, 2), [1, 2], [2]])
    x = theirs.tensor(draw, *draw(st.sampled_from([(2,), ()])), 4, 7, 6)
    options: dict[str, Any] = {"stride": draw(pair), "padding": draw(pair), "dilation": draw(pair), "groups": groups}
    w = theirs.tensor(draw, 6, 4 // groups, 3, 2)
    b = theirs.tensor(draw, 6) if draw(st.booleans()) else None
    assert_same(conv2d_gradfix.conv2d(x, w, b, **options), F.conv2d(x, w, b, **options))
    w = theirs.tensor(draw, 4, 6 // groups, 3, 2)
    options["output_padding"] = draw(st.sampled_from([0, (0, 0)]))
    assert_same(conv2d_gradfix.conv_transpose2d(x, w, b, **options), F.conv_transpose2d(x, w, b, **options))


def test_convolutions_take_the_other_options_of_torch() -> None:
    x, w = randn(1, 2, 5, 5), randn(2, 2, 3, 3)
    assert_same(conv2d_gradfix.conv2d(x, w, padding="same"), F.conv2d(x, w, padding="same"))
    options: dict[str, Any] = {"stride": 2, "output_padding": 1}
    assert_same(conv2d_gradfix.conv_transpose2d(x, w, **options), F.conv_transpose2d(x, w, **options))


@pytest.mark.parametrize("stride", [1, 2, (2, 1)])
def test_convolutions_have_derivatives(stride: Any) -> None:
    for operator in (conv2d_gradfix.conv2d, conv2d_gradfix.conv_transpose2d):
        tensors = randn(1, 2, 5, 4), randn(2, 2, 3, 2), randn(2)
        check_derivatives(lambda x, w, b, o=operator: o(x, w, b, stride, 1).tanh(), *tensors)  # type: ignore[misc]


def test_a_convolution_with_a_bias_has_the_dtype_of_autocast() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = conv2d_gradfix.conv2d(torch.randn(1, 2, 4, 4), torch.randn(3, 2, 1, 1), torch.randn(3))
    assert y.dtype == torch.bfloat16


def gradients(second: bool, **context: Any) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Of the first backward pass by x and w, and of one after the context by w."""
    x, w = randn(1, 2, 5, 4).requires_grad_(), randn(3, 2, 3, 3).requires_grad_()
    y = conv2d_gradfix.conv2d(x, w).square().sum()
    with conv2d_gradfix.no_weight_gradients(**context):
        by_x, by_w = torch.autograd.grad(y, (x, w), create_graph=True, allow_unused=True)
    return by_x, by_w, torch.autograd.grad(by_x.square().sum(), w)[0] if second else None


def test_weights_get_no_gradient_from_passes_in_the_context() -> None:
    expected = gradients(True, disable=False)
    torch.manual_seed(0)
    by_x, by_w, of_penalty = gradients(True)
    assert by_w is None and not conv2d_gradfix.weight_gradients_disabled
    assert expected[0] is not None and expected[2] is not None and by_x is not None and of_penalty is not None
    assert expected[1] is not None
    assert_same(by_x, expected[0])


def test_the_context_is_left_after_an_error_and_can_be_nested() -> None:
    with pytest.raises(KeyError), conv2d_gradfix.no_weight_gradients():
        with conv2d_gradfix.no_weight_gradients(False):
            assert conv2d_gradfix.weight_gradients_disabled
        raise KeyError
    assert not conv2d_gradfix.weight_gradients_disabled


# Sampling, products, extensions ------------------------------------------------------------------------------------


@few
@given(st.data())
def test_grid_sample_is_that_of_torch(data: st.DataObject) -> None:
    draw = data.draw
    x = theirs.tensor(draw, 2, draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    grid = theirs.tensor(draw, 2, draw(st.integers(1, 4)), draw(st.integers(1, 4)), 2)
    ours, torchs = ([t.clone().requires_grad_() for t in (x, grid)] for _ in range(2))
    y, expected = grid_sample_gradfix.grid_sample(*ours), F.grid_sample(torchs[0], torchs[1], align_corners=False)
    assert_same(y, expected)
    weight = randn(*y.shape)
    wanted = torch.autograd.grad((expected * weight).sum(), torchs)
    for create_graph in (True, False):
        found = torch.autograd.grad((y * weight).sum(), ours, create_graph=create_graph)
        for a, b in zip(found, wanted, strict=True):
            assert_same(a, b)


@pytest.mark.parametrize("requires_grad", [(True, True), (True, False), (False, True)])
def test_grid_sample_has_derivatives(requires_grad: tuple[bool, bool]) -> None:
    x, grid = randn(2, 2, 4, 5), torch.rand(2, 3, 2, 2, dtype=torch.float64) * 2.4 - 1.2
    places = [number for number, wanted in enumerate(requires_grad) if wanted]

    def call(*leaves: Tensor) -> Tensor:
        tensors = [x, grid]
        for place, leaf in zip(places, leaves, strict=True):
            tensors[place] = leaf
        return grid_sample_gradfix.grid_sample(*tensors).tanh()

    check_derivatives(call, *[(x, grid)[place] for place in places])
    third = [(x, grid)[place].clone().requires_grad_() for place in places]

    def gradient(*leaves: Tensor) -> Tensor:
        return torch.autograd.grad(call(*leaves).square().sum(), leaves, create_graph=True)[0]

    assert torch.autograd.gradgradcheck(gradient, third, fast_mode=True)


def test_grid_sample_names_bad_shapes() -> None:
    with pytest.raises(ValueError, match=r"grid_sample: input and grid must be .*\(2, 1, 3, 3\) and \(1, 3, 3, 2\)"):
        grid_sample_gradfix.grid_sample(randn(2, 1, 3, 3).requires_grad_(), randn(1, 3, 3, 2))


@few
@given(st.data())
def test_fma_multiplies_and_adds_with_broadcasting(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 3), max_size=4))
    tensors = []
    for _ in range(3):
        kept = shape[data.draw(st.integers(0, len(shape))) :]
        kept = [data.draw(st.sampled_from([1, size])) for size in kept]
        tensors.append(theirs.tensor(data.draw, *kept).requires_grad_())
    a, b, c = tensors
    y = fma.fma(a, b, c)
    assert_same(y, a * b + c)
    found = torch.autograd.grad(y.square().sum(), tensors)
    for ours, expected in zip(found, torch.autograd.grad((a * b + c).square().sum(), tensors), strict=True):
        assert_same(ours, expected)


def test_fma_has_derivatives() -> None:
    check_derivatives(fma.fma, randn(2, 3), randn(1, 1, 3), randn(4, 1, 1))


def test_no_extension_is_compiled() -> None:
    with pytest.raises(RuntimeError, match="'their_plugin' is not compiled"):
        custom_ops.get_plugin("their_plugin", ["a.cu"], headers=["a.h"], source_dir=".", extra_cuda_cflags=[])
    assert math.isclose(bias_act.activation_funcs["relu"].def_gain, math.sqrt(2))
