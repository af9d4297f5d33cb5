"""StyledConv and ToRGB: the layers that they are made of, in that order."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from stylelayers import StyledConv, ToRGB, functional
from tests.conftest import Case, Law, assert_same, every_law, randn

STYLED_KEYS = ("conv.weight", "conv.affine.weight", "conv.affine.bias", "noise.strength", "act.bias")
CASES = {
    "StyledConv": Case(
        partial(StyledConv, 2, 3, 3, 5),
        [(2, 4, 3), (5,)],
        STYLED_KEYS,
        ("kernel_size=3", "demodulate=True", "'lrelu'"),
        {"noise": "none"},
    ),
    "StyledConv up": Case(
        partial(
            StyledConv,
            2,
            3,
            3,
            5,
            resample="up",
            resample_method="nearest",
            noise_resolution=(6, 8),
            activation="swish",
            clamp=3.0,
        ),
        [(2, 3, 4), (5,)],
        (*STYLED_KEYS[:4], "noise.const", "act.bias"),
        ("resample='up', resample_method='nearest'", "'swish'", "clamp=3.0"),
        {"noise": "const"},
    ),
    "ToRGB": Case(
        partial(ToRGB, 2, 3, 5),
        [(2, 4, 3), (5,)],
        ("conv.weight", "conv.affine.weight", "conv.affine.bias", "act.bias"),
        ("kernel_size=1", "demodulate=False", "'linear'"),
    ),
}


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


@pytest.mark.parametrize(("resample", "size"), [(None, (4, 5)), ("up", (8, 10)), ("down", (2, 2))])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_styled_conv_is_convolution_noise_bias_activation(
    resample: str | None, size: tuple[int, int], padding_mode: str, kernel_size: int
) -> None:
    layer = StyledConv(
        2,
        3,
        kernel_size,
        5,
        resample=resample,
        padding_mode=padding_mode,
        noise_resolution=size,
        activation="relu",
        activation_gain=0.5,
        clamp=2.0,
        dtype=torch.float64,
    )
    torch.nn.init.constant_(layer.noise.strength, 0.7)
    torch.nn.init.normal_(layer.act.bias)
    assert layer.noise.const is not None
    assert layer.conv.demodulate
    x, latent = randn(2, 2, 4, 5), randn(2, 5)
    expected = layer.conv(x, latent)
    assert expected.shape == (2, 3, *size)
    for noise, added in (("const", 0.7 * layer.noise.const), ("none", 0.0)):
        y = functional.bias_act(expected + added, layer.act.bias, activation="relu", gain=0.5, clamp=2.0)
        assert_same(layer(x, latent, noise=noise), y)
    random = layer(x, latent)
    assert random.shape == y.shape
    assert not torch.equal(random, layer(x, latent))


def test_to_rgb_is_modulation_without_demodulation() -> None:
    layer = ToRGB(3, 2, 5, clamp=1.0, dtype=torch.float64)
    torch.nn.init.normal_(layer.act.bias)
    x, latent = randn(2, 3, 4, 5), randn(2, 5)
    weight = layer.conv.weight[:, :, 0, 0] / 3**0.5 * layer.conv.style(latent)[:, None]
    y = torch.einsum("noi,nihw->nohw", weight, x) + layer.act.bias[:, None, None]
    assert_same(layer(x, latent), y.clamp(-1, 1))


BAD: dict[str, tuple[Any, str]] = {
    "channels": (lambda: StyledConv(0, 1), "in_channels must be an int of at least 1, got 0"),
    "activation": (lambda: StyledConv(1, 1, activation="gelu"), "activation must be one of .*got 'gelu'"),
    "activation_gain": (
        lambda: StyledConv(1, 1, activation_gain=0.0),
        "BiasAct: gain must be a number above 0, got 0.0",
    ),
    "resample": (lambda: StyledConv(1, 1, resample="x"), "resample must be 'up', 'down' or None, got 'x'"),
    "latent": (
        lambda: StyledConv(1, 1, 3, 5)(torch.ones(1, 1, 4, 4), torch.ones(1, 4)),
        r"latent must be \(N, 5\), got \(1, 4\)",
    ),
    "noise": (
        lambda: StyledConv(1, 1, 3, 5)(torch.ones(1, 1, 4, 4), torch.ones(1, 5), noise="x"),
        "noise must be one of random, const, none, got 'x'",
    ),
    "no map": (
        lambda: StyledConv(1, 1, 3, 5, resample="up")(torch.ones(1, 1, 4, 4), torch.ones(1, 5), noise="const"),
        r"resolution=\(8, 8\), got None",
    ),
    "ToRGB channels": (lambda: ToRGB(1, 0), "must be an int of at least 1, got 0"),
    "ToRGB latent": (lambda: ToRGB(1, 1, 5)(torch.ones(1, 1, 4, 4), torch.ones(1, 4)), r"\(N, 5\), got \(1, 4\)"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
