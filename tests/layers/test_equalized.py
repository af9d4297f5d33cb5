"""EqualLinear and EqualConv2d: numbers, initial statistics, the learning-rate law, the laws of modules."""

from __future__ import annotations

from functools import partial
from math import sqrt
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from stylelayers import EqualConv2d, EqualLinear
from tests import reference
from tests.conftest import Case, Law, assert_same, every_law, randn

CASES = {
    "linear": Case(partial(EqualLinear, 3, 4), [(3,)], ("weight", "bias"), ("EqualLinear(3, 4, bias=True",)),
    "linear options": Case(
        partial(EqualLinear, 3, 4, bias=False, lr_multiplier=0.5, gain=2.0, activation="swish", clamp=5.0),
        [(2, 3)],
        ("weight",),
        ("bias=False", "lr_multiplier=0.5", "gain=2.0", "activation='swish'", "clamp=5.0"),
    ),
    "conv": Case(
        partial(EqualConv2d, 2, 3, 3), [(2, 4, 5)], ("weight", "bias"), ("EqualConv2d(2, 3, kernel_size=3", "bias=True")
    ),
    "conv up": Case(
        partial(EqualConv2d, 2, 3, 3, resample="up", activation="lrelu", activation_gain=0.5, clamp=4.0),
        [(2, 3, 4)],
        ("weight", "bias"),
        ("resample='up'", "resample_method='fir'", "activation='lrelu'", "activation_gain=0.5", "clamp=4.0"),
    ),
    "conv down": Case(
        partial(EqualConv2d, 2, 3, 2, resample="down", padding_mode="reflect", bias=False, gain=2.0),
        [(2, 4, 6)],
        ("weight",),
        ("resample='down'", "resample_method='nearest'", "padding_mode='reflect'", "bias=False", "gain=2.0"),
    ),
}


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
@pytest.mark.parametrize("activation", ["linear", "lrelu"])
@pytest.mark.parametrize("shape", [(6,), (4, 6), (2, 5, 6)], ids=str)
def test_linear_matches_the_reference(lr_multiplier: float, activation: str, shape: tuple[int, ...]) -> None:
    layer = EqualLinear(
        6, 3, bias_init=2.0, lr_multiplier=lr_multiplier, gain=1.5, activation=activation, dtype=torch.float64
    )
    assert layer.bias is not None
    x = randn(*shape)
    y = F.linear(x, layer.weight * 1.5 * lr_multiplier / sqrt(6), layer.bias * lr_multiplier)
    assert_same(layer(x), reference.bias_act(y, dim=-1, activation=activation))
    assert_same(layer.bias * lr_multiplier, torch.full_like(layer.bias, 2.0))


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate"])
@pytest.mark.parametrize("resample", [None, "up", "down"])
def test_convolution_matches_the_reference(kernel_size: int, padding_mode: str, resample: str | None) -> None:
    layer = EqualConv2d(
        2, 3, kernel_size, resample=resample, padding_mode=padding_mode, gain=sqrt(2), activation="swish", clamp=1.5
    ).double()
    layer.bias = torch.nn.Parameter(randn(3))
    near, far = (kernel_size - 1) // 2, kernel_size // 2
    method = "fir" if padding_mode == "zeros" else "nearest"
    x = randn(2, 2, 6, 7)
    y = reference.resample_conv2d(
        x,
        layer.weight * sqrt(2 / (2 * kernel_size**2)),
        up=2 if resample == "up" else 1,
        down=2 if resample == "down" else 1,
        padding=(near, far, near, far),
        padding_mode=padding_mode,
        resample_method=method,
        kernel=(1, 3, 3, 1) if method == "fir" else (1, 2, 1),
    )
    assert_same(layer(x), reference.bias_act(y, layer.bias, activation="swish", clamp=1.5))


def test_filter_and_activation_gain_can_be_set() -> None:
    layer = EqualConv2d(2, 3, 3, resample="up", resample_filter=(1, 2, 4), activation="relu", activation_gain=0.3)
    layer, x = layer.double(), randn(2, 2, 4, 4)
    y = reference.resample_conv2d(x, layer.weight / sqrt(18), up=2, padding=1, kernel=(1, 2, 4))
    assert_same(layer(x), reference.bias_act(y, activation="relu", gain=0.3), 1e-6)  # taps were stored in float32


@pytest.mark.parametrize("lr_multiplier", [1.0, 0.01])
def test_initial_weights_and_outputs_have_the_right_scale(lr_multiplier: float) -> None:
    linear = EqualLinear(400, 300, lr_multiplier=lr_multiplier)
    conv = EqualConv2d(40, 60, 3, gain=sqrt(2))
    for weight, deviation in ((linear.weight, 1 / lr_multiplier), (conv.weight, 1.0)):
        assert weight.std().item() == pytest.approx(deviation, rel=0.03)
        assert abs(weight.mean().item()) < 0.03 * deviation
    assert linear(torch.randn(100, 400)).std().item() == pytest.approx(1, rel=0.05)
    assert conv(torch.randn(2, 40, 16, 16))[:, :, 1:-1, 1:-1].std().item() == pytest.approx(sqrt(2), rel=0.1)


def test_lr_multiplier_scales_adam_steps() -> None:
    """Layers that compute the same function move in proportion to their multipliers."""
    moved = []
    x = randn(5, 6)
    for lr_multiplier in (1.0, 0.1):
        layer = EqualLinear(6, 3, lr_multiplier=lr_multiplier, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.fill_(1 / lr_multiplier)
        before = layer(x).detach()
        optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
        layer(x).sum().backward()
        optimizer.step()
        moved.append(layer(x).detach() - before)
    assert_same(moved[1], 0.1 * moved[0], 1e-6)


BAD: dict[str, tuple[Any, str]] = {
    "in": (lambda: EqualLinear(0, 1), "EqualLinear: in_features must be an int of at least 1, got 0"),
    "out": (lambda: EqualLinear(1, 2.0), "EqualLinear: out_features must be an int .*got 2.0"),  # type: ignore[arg-type]
    "lr": (
        lambda: EqualLinear(1, 1, lr_multiplier=0.0),
        "EqualLinear: lr_multiplier must be a number above 0, got 0.0",
    ),
    "activation": (lambda: EqualLinear(1, 1, activation="x"), "EqualLinear: activation must be one of .*got 'x'"),
    "clamp": (lambda: EqualLinear(1, 1, clamp=0.0), "EqualLinear: clamp must be a number above 0, got 0.0"),
    "x": (lambda: EqualLinear(3, 1)(torch.ones(2, 4)), r"EqualLinear: x must be \(\*, 3\), got \(2, 4\)"),
    "scalar": (lambda: EqualLinear(3, 1)(torch.ones(())), r"EqualLinear: x must be \(\*, 3\), got \(\)"),
    "channels": (lambda: EqualConv2d(1, -1, 3), "EqualConv2d: out_channels must be .*got -1"),
    "kernel": (lambda: EqualConv2d(1, 1, True), "EqualConv2d: kernel_size must be .*got True"),
    "resample": (lambda: EqualConv2d(1, 1, 3, resample="x2"), "EqualConv2d: resample must be 'up', 'down' or .*'x2'"),
    "padding": (lambda: EqualConv2d(1, 1, 3, padding_mode="zero"), "EqualConv2d: padding_mode must be .*got 'zero'"),
    "method": (lambda: EqualConv2d(1, 1, 3, resample_method="x"), "EqualConv2d: resample_method must be .*got 'x'"),
    "conv activation": (lambda: EqualConv2d(1, 1, 3, activation="x"), "EqualConv2d: activation must be .*got 'x'"),
    "activation_gain": (
        lambda: EqualConv2d(1, 1, 3, activation_gain=-1.0),
        "EqualConv2d: activation_gain must be a number above 0, got -1.0",
    ),
    "filter sum": (
        lambda: EqualConv2d(1, 1, 3, resample="up", resample_filter=(1, -1)),
        "EqualConv2d: .*taps that sum to 0",
    ),
    "filter int": (
        lambda: EqualConv2d(1, 1, 3, resample="up", resample_filter=4),  # type: ignore[arg-type]
        "EqualConv2d: .*FIR taps such as .*got 4",
    ),
    "no box": (
        lambda: EqualConv2d(1, 1, 3, resample="up", resample_filter=(1, 2, 4), resample_method="nearest"),
        r"EqualConv2d: resample_method='nearest' needs .*contains the box \(1, 1\)",
    ),
    "rank": (lambda: EqualConv2d(3, 1, 3)(torch.ones(3, 4, 4)), r"must be .*got \(3, 4, 4\)"),
    "x channels": (lambda: EqualConv2d(3, 1, 3)(torch.ones(1, 2, 4, 4)), r"x must .*3.*got \(1, 2, 4, 4\)"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
