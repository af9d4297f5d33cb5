"""filtered_act and filtered_lrelu: numbers, derivatives, what is saved, layouts and dtypes, bad input."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stylelayers.functional import _filtered_act, bias_act, filtered_act, filtered_lrelu, lowpass_filter, upfirdn2d
from tests import reference
from tests.conftest import assert_same, channels_last, check_derivatives, randn, saved_for_backward, strided

UP, DOWN = (0.1, 0.4, 0.7, -0.3, 0.1), (0.2, 0.9, -0.3, 0.1)
TALL, ROUND = [[0.1, 0.4], [0.7, -0.3], [0.1, 0.2]], lowpass_filter(4, 2.0, 4.0, 16.0, radial=True).tolist()
CASES: dict[str, dict[str, Any]] = {
    "none": {},
    "clamped alone": {"clamp": 0.7, "gain": 0.6},
    "padded alone": {"padding": (1, -2, 0, 3)},
    "zeros inserted": {"up": 2, "down": 3},
    "up": {"up": 2, "up_filter": UP, "padding": 4},
    "down": {"down": 2, "down_filter": DOWN, "padding": (2, 1, 3, 0)},
    "both": {"up": 2, "up_filter": UP, "down": 2, "down_filter": DOWN, "padding": (5, 4, 3, 6), "clamp": 0.8},
    "4 to 3": {"up": 4, "up_filter": UP, "down": 3, "down_filter": DOWN, "padding": (7, 6, -1, 8)},
    "2-D": {"up": 2, "up_filter": TALL, "down": 2, "down_filter": ROUND, "padding": (5, 4, 3, 6), "clamp": 0.8},
    "along an axis": {"up": (3, 1), "up_filter": UP, "down": (1, 2), "down_filter": TALL, "padding": (3, 1, 4, 2)},
    "far clamp": {"up": 2, "up_filter": UP, "down_filter": DOWN, "padding": 4, "clamp": 256.0},
}
ACTIVATIONS: dict[str, dict[str, Any]] = {
    "lrelu": {},
    "lrelu of slope 0": {"alpha": 0.0},
    "relu": {"activation": "relu"},
    "linear": {"activation": "linear"},
    "tanh": {"activation": "tanh"},
    "snake": {"activation": "snake", "alpha": 2.0},
}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
every_activation = pytest.mark.parametrize("settings", ACTIVATIONS.values(), ids=ACTIVATIONS.keys())
STYLEGAN3: dict[str, Any] = {
    "up_filter": lowpass_filter(12, 8.0, 8.0, 64.0),
    "down_filter": tuple(lowpass_filter(12, 8.0, 8.0, 64.0).tolist()),
    **{"up": 2, "down": 2, "padding": (11, 10, 11, 10), "clamp": 256.0},
}


@pytest.fixture(params=[1, 1 << 20], ids=["one image a part", "whole"])
def _parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_filtered_act, "_PART", request.param)


def orders(function: Callable[..., Tensor], *leaves: Tensor) -> list[Tensor]:
    """The value, its gradients, and the gradients of a function of those."""
    leaves = tuple(leaf.detach().requires_grad_() for leaf in leaves)
    y = function(*leaves)
    direction = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y).requires_grad_()
    first = torch.autograd.grad(y, leaves, direction, create_graph=True)
    energy = sum((gradient.pow(3).sum() for gradient in first), torch.zeros(()))
    second = torch.autograd.grad(energy, (*leaves, direction), materialize_grads=True)
    return [y, *first, *second]


@every_case
@every_activation
@pytest.mark.usefixtures("_parts")
def test_values_match_the_reference(case: dict[str, Any], settings: dict[str, Any]) -> None:
    x, bias = randn(3, 2, 7, 6), randn(2)
    expected = reference.filtered_act(x, bias, **case, **settings)
    assert_same(filtered_act(x, bias, **case, **settings), expected)
    assert_same(filtered_act(x, bias.requires_grad_(), **case, **settings), expected)


def test_filtered_lrelu_has_the_names_of_stylegan3() -> None:
    x, bias = randn(2, 3, 7, 6), randn(3)
    expected = filtered_act(x, bias, alpha=0.3, gain=2.0, **CASES["both"])
    assert_same(filtered_lrelu(x, bias, slope=0.3, gain=2.0, **CASES["both"]), expected)
    assert_same(filtered_lrelu(x, **CASES["up"]), filtered_act(x, **CASES["up"]))


@pytest.mark.parametrize("padding", [(4, 3), (0, 5), (-2, 6), 2])
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 2), (3, 1), (1, 2)])
def test_signals_match_scipy(up: int, down: int, padding: Any) -> None:
    x, bias = randn(2, 3, 17), randn(3)
    y = filtered_act(
        x, bias, activation="snake", alpha=0.7, up_filter=UP, down_filter=DOWN, up=up, down=down, padding=padding
    )
    sides = (padding, padding) if isinstance(padding, int) else padding
    for n, c in np.ndindex(2, 3):
        channel = (x[n, c] + bias[c]).numpy()
        expected = reference.filtered_signal(
            channel, lambda z: z + np.sin(0.7 * z) ** 2 / 0.7, np.array(UP), np.array(DOWN), up, down, sides
        )
        assert_same(y[n, c], torch.from_numpy(expected))


@pytest.mark.parametrize("name", ["both", "2-D", "along an axis", "zeros inserted", "padded alone"])
@every_activation
def test_derivatives(name: str, settings: dict[str, Any]) -> None:
    def function(x: Tensor, bias: Tensor) -> Tensor:
        return filtered_act(x, bias, **CASES[name], **settings)

    check_derivatives(function, randn(2, 2, 4, 5), randn(2), batched="activation" not in settings)


def test_derivatives_of_signals() -> None:
    options: dict[str, Any] = {"up_filter": UP, "down_filter": DOWN, "up": 2, "down": 2, "padding": (4, 5)}
    check_derivatives(lambda x, b: filtered_act(x, b, activation="snake", **options), randn(2, 2, 7), randn(2))


@every_activation
@pytest.mark.usefixtures("_parts")
def test_orders_are_those_of_the_composition(settings: dict[str, Any]) -> None:
    """Of filters that are slices of a dense convolution, and of torch's activation and clamp."""

    def composed(x: Tensor, bias: Tensor) -> Tensor:
        y = upfirdn2d(bias_act(x, bias), UP, up=2, padding=(5, 4, 3, 6), gain=4)
        return upfirdn2d(bias_act(y, gain=1.3, clamp=0.8, **{"activation": "lrelu", **settings}), DOWN, down=2)

    def ours(x: Tensor, bias: Tensor) -> Tensor:
        return filtered_act(x, bias, gain=1.3, **CASES["both"], **settings)

    x, bias = randn(3, 2, 6, 5), randn(2)
    for found, expected in zip(orders(ours, x, bias), orders(composed, x, bias), strict=True):
        assert_same(found, expected)


@pytest.mark.parametrize("options", [STYLEGAN3, {**STYLEGAN3, "clamp": 0.5}, CASES["4 to 3"], CASES["2-D"]])
@pytest.mark.parametrize("layout", [Tensor.contiguous, channels_last, strided], ids=["contiguous", "last", "strided"])
@pytest.mark.usefixtures("_parts")
def test_layouts_and_tensor_taps(options: dict[str, Any], layout: Callable[[Tensor], Tensor]) -> None:
    x, bias = randn(3, 4, 8, 9), randn(4)
    taps: dict[str, Any] = {
        key: torch.as_tensor(options[key], dtype=torch.float64)
        for key in ("up_filter", "down_filter")
        if key in options
    }
    expected = orders(lambda x, b: filtered_lrelu(x, b, **options), x, bias)
    found = orders(lambda x, b: filtered_lrelu(x, b, **{**options, **taps}), layout(x), bias)
    for ours, theirs in zip(found, expected, strict=True):
        assert_same(ours, theirs, 1e-6)
    kept = torch.channels_last if layout is channels_last else torch.contiguous_format
    assert found[0].is_contiguous(memory_format=kept) and found[1].is_contiguous(memory_format=kept)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_narrow_dtypes_round_once(dtype: torch.dtype) -> None:
    x, bias = torch.randn(2, 4, 8, 8).to(dtype), torch.randn(4).to(dtype)
    y = filtered_lrelu(x, bias, **STYLEGAN3)
    assert y.dtype == dtype
    assert_same(y, filtered_lrelu(x.float(), bias.float(), **STYLEGAN3).to(dtype), 0.0)
    (gradient,) = torch.autograd.grad(filtered_lrelu(x.requires_grad_(), bias, **STYLEGAN3).sum(), x)
    assert gradient.dtype == dtype


@pytest.mark.parametrize("activation", ["lrelu", "snake"])
def test_saves_the_small_input_alone(activation: str) -> None:
    x, bias = torch.randn(4, 8, 16, 16, requires_grad=True), torch.randn(8, requires_grad=True)
    options = {"activation": activation, **STYLEGAN3}
    saved = saved_for_backward(lambda: filtered_act(x, bias, **options))
    assert sum(tensor.nbytes for tensor in saved) == x.nbytes + bias.nbytes

    def first_order() -> Tensor:
        (gradient,) = torch.autograd.grad(filtered_act(x, bias, **options).sum(), x, create_graph=True)
        return gradient

    if activation == "lrelu":
        assert sum(tensor.nbytes for tensor in saved_for_backward(first_order)) <= 2 * (x.nbytes + bias.nbytes)


def test_a_clamp_that_can_be_reached_is_not_left_out() -> None:
    x, taps = torch.full((1, 1, 1, 1), -1.0), [2.0, 2.0]
    options: dict[str, Any] = {"up_filter": taps, "padding": 1, "slope": 1.5, "gain": 1.0}
    assert filtered_lrelu(x, clamp=6.1, **options).flatten().tolist() == [-6.0] * 4
    assert filtered_lrelu(x, clamp=5.9, **options).flatten().tolist() == pytest.approx([-5.9] * 4)


def test_is_free_of_aliases() -> None:
    """A tone near the highest frequency: plain leaky ReLU folds its overtones back, the filtered one does not."""
    time, taps = torch.arange(256, dtype=torch.float64), lowpass_filter(48, 1.0, 0.6, 8.0)
    tone = torch.cos(2 * torch.pi * 0.35 * time).view(1, 1, -1)
    options: dict[str, Any] = {"up_filter": taps, "down_filter": taps, "up": 4, "down": 4, "padding": (47, 44)}

    def aliases(y: Tensor) -> float:
        """The share of power at frequencies that neither the tone nor a constant has."""
        spectrum = torch.fft.rfft(y.flatten()[64:192] * torch.hann_window(128, dtype=y.dtype)).abs().square()
        kept = torch.zeros_like(spectrum, dtype=torch.bool)
        kept[:4] = kept[42:49] = True  # 0.35 of 128 is 44.8
        return float(spectrum[~kept].sum() / spectrum.sum())

    assert aliases(bias_act(tone, activation="lrelu")) > 0.02
    assert aliases(filtered_act(tone, **options)) < 0.001


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": torch.ones(2, 3)}, "x must be a floating-point (N, C, H, W) or (N, C, T), got torch.float32 (2, 3)"),
        ({"x": torch.ones(1, 2, 3, 3).int()}, "x must be a floating-point (N, C, H, W) or (N, C, T), got torch.int32"),
        ({"bias": torch.ones(3)}, "bias must be (2,), got (3,)"),
        ({"activation": "step"}, "activation must be one of linear"),
        ({"gain": 0.0}, "gain must be a number above 0, got 0.0"),
        ({"up": 0}, "up must be an int or (x, y), each at least 1, got 0"),
        ({"down": (1, 2, 3)}, "down must be an int or (x, y), each at least 1, got (1, 2, 3)"),
        ({"padding": (1, 2)}, "padding must be an int or (left, right, top, bottom), got (1, 2)"),
        ({"padding": 1.5}, "padding must be an int or (left, right, top, bottom), got 1.5"),
        ({"x": torch.ones(1, 2, 9), "padding": (1, 2, 3, 4)}, "padding must be an int or (left, right) for a signal"),
        ({"x": torch.ones(1, 2, 9), "up": (2, 2)}, "up must be an int of at least 1, got (2, 2)"),
        ({"x": torch.ones(1, 2, 9), "up_filter": TALL}, "filters of signals (N, C, T) must be 1-D, got 2-D taps"),
        ({"down_filter": DOWN}, "the padded image must be at least as large as the filters, got (1, 2, 3, 3) and"),
        ({"padding": -2}, "the padded image must be at least as large as the filters, got (1, 2, 3, 3) and"),
    ],
)
def test_bad_input(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="^filtered_act: " + re.escape(message)):
        filtered_act(**{"x": torch.ones(1, 2, 3, 3), **options})


def test_taps_are_constants() -> None:
    with pytest.raises(ValueError, match=re.escape("fir_kernel: taps are constants and get no gradient")):
        filtered_lrelu(torch.ones(1, 2, 3, 3), up_filter=torch.ones(2, requires_grad=True))
    with pytest.raises(ValueError, match=re.escape("filtered_lrelu: slope must be a number of at least 0, got -1.0")):
        filtered_lrelu(torch.ones(1, 2, 3, 3), slope=-1.0)
