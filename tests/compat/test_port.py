"""The PyTorch port's operators of `stylelayers.compat`: values over their argument spaces, derivatives, names."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given
from hypothesis import strategies as st

from stylelayers.compat import port
from tests.compat import references as theirs
from tests.compat.test_official import few
from tests.conftest import assert_same, check_derivatives, randn

SIGNATURES: dict[Any, str] = {
    port.upfirdn2d: "input, kernel, up=1, down=1, pad=(0, 0)",
    port.upfirdn2d_native: "input, kernel, up_x, up_y, down_x, down_y, pad_x0, pad_x1, pad_y0, pad_y1",
    port.fused_leaky_relu: "input, bias=None, negative_slope=0.2, scale=1.4142135623730951",
    port.FusedLeakyReLU: "channel, bias=True, negative_slope=0.2, scale=1.4142135623730951",
    port.conv2d_gradfix.conv2d: "input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1",
    port.conv2d_gradfix.conv_transpose2d: "input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, "
    "dilation=1",
    port.conv2d_gradfix.no_weight_gradients: "",
}


@pytest.mark.parametrize(("function", "signature"), SIGNATURES.items())
def test_signatures_are_those_of_the_port(function: Any, signature: str) -> None:
    found = inspect.signature(function).parameters.values()
    assert ", ".join(p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in found) == signature


@few
@given(st.data())
def test_upfirdn2d_is_its_reference(data: st.DataObject) -> None:
    draw = data.draw
    x, kernel = theirs.tensor(draw, 2, 2, draw(st.integers(1, 7)), draw(st.integers(1, 7))), draw(theirs.filters())
    assume(kernel is not None)
    assert kernel is not None
    up, down, side = draw(theirs.pairs), draw(theirs.pairs), st.integers(-1, 4)
    pad = draw(st.tuples(side, side) | st.lists(side, min_size=4, max_size=4))
    x0, x1, y0, y1 = sides = [*pad] * 2 if len(pad) == 2 else [*pad]
    assume(theirs.fits(x, kernel, up, sides))
    expected = theirs.upfirdn2d(x, kernel, up, down, sides)
    assert_same(port.upfirdn2d(x, kernel, up, down, pad), expected)
    factors = [(value, value) if isinstance(value, int) else value for value in (up, down)]
    assert_same(port.upfirdn2d_native(x, kernel, *factors[0], *factors[1], x0, x1, y0, y1), expected)


def test_upfirdn2d_has_derivatives_and_the_kernel_none() -> None:
    kernel = randn(3, 4).requires_grad_()
    check_derivatives(lambda x: port.upfirdn2d(x, kernel, up=2, down=(1, 3), pad=(2, -1)).tanh(), randn(2, 2, 4, 5))


@few
@given(st.data())
def test_fused_leaky_relu_is_its_reference(data: st.DataObject) -> None:
    draw, slope, scale = data.draw, data.draw(theirs.slopes.filter(lambda x: x is not None)), data.draw(theirs.gains)
    x = theirs.tensor(draw, *draw(st.lists(st.integers(1, 4), min_size=2, max_size=5)))
    b = theirs.tensor(draw, x.shape[1]) if draw(st.booleans()) else None
    found = port.fused_leaky_relu(x, b, slope, scale)
    assert_same(found, theirs.bias_act(x, b, 1, "lrelu", slope, scale))
    module = port.FusedLeakyReLU(x.shape[1], b is not None, slope, scale).double()
    module.load_state_dict({} if b is None else {"bias": b})
    assert_same(module(x), found)


def test_fused_leaky_relu_takes_vectors() -> None:
    x, b = randn(3), randn(3)
    assert_same(port.fused_leaky_relu(x, b, scale=1), F.leaky_relu(x + b, 0.2)[None])
    assert_same(port.fused_leaky_relu(x, scale=1), F.leaky_relu(x, 0.2))


@pytest.mark.parametrize("options", [{}, {"negative_slope": -0.5}, {"scale": -2.0}])
def test_fused_leaky_relu_has_derivatives(options: dict[str, Any]) -> None:
    check_derivatives(lambda x, b: port.fused_leaky_relu(x, b, **options).tanh(), randn(2, 3, 2, 2), randn(3))


def test_fused_leaky_relu_module_has_the_attributes_of_theirs() -> None:
    module = port.FusedLeakyReLU(3, negative_slope=0.1, scale=2.0)
    assert [*module.state_dict()] == ["bias"] and module.bias is not None and not module.bias.any()
    assert (module.negative_slope, module.scale, module.bias.shape) == (0.1, 2.0, (3,))
    without = port.FusedLeakyReLU(3, bias=False)
    assert without.bias is None and not without.state_dict()
    assert pickle.loads(pickle.dumps(module)).scale == 2.0


def test_the_slope_in_the_place_of_older_copies_is_refused() -> None:
    with pytest.raises(ValueError, match=r"FusedLeakyReLU: bias must be a bool, got 0\.1; name .* negative_slope"):
        port.FusedLeakyReLU(3, 0.1)  # type: ignore[arg-type]


def test_convolutions_keep_weight_gradients_outside_the_context() -> None:
    x, w, b = (t.requires_grad_() for t in (randn(1, 2, 5, 4), randn(2, 3, 3, 3), randn(3)))
    y = port.conv2d_gradfix.conv_transpose2d(x, w, b, stride=2, padding=1)
    assert_same(y, F.conv_transpose2d(x, w, b, stride=2, padding=1))
    with port.conv2d_gradfix.no_weight_gradients():
        found = torch.autograd.grad(y.square().sum(), (x, w, b), retain_graph=True, allow_unused=True)
    assert [grad is None for grad in found] == [False, True, False]
    assert torch.autograd.grad(y.square().sum(), w)[0].isfinite().all()
    assert port.conv2d_gradfix.enabled is True


def test_the_two_families_have_a_switch_each() -> None:
    from stylelayers.compat.official import conv2d_gradfix

    with conv2d_gradfix.no_weight_gradients():
        assert not port.conv2d_gradfix.weight_gradients_disabled
    w = randn(1, 1, 1, 1).requires_grad_()
    y = port.conv2d_gradfix.conv2d(randn(1, 1, 2, 2), w).sum()
    with conv2d_gradfix.no_weight_gradients():
        assert torch.autograd.grad(y, w)[0] is not None
