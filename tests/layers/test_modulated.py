"""ModulatedConv2d: the layer this project started from, the operator as a layer, the laws of modules."""

from __future__ import annotations

from functools import partial
from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor

from stylelayers import ModulatedConv2d
from tests import reference
from tests.conftest import Case, Law, assert_same, every_law, randn

KEYS = ("weight", "bias", "affine.weight", "affine.bias")
CASES = {
    "plain": Case(
        partial(ModulatedConv2d, 2, 3, 3, 5),
        [(2, 4, 5), (5,)],
        KEYS,
        ("ModulatedConv2d(", "2, 3, kernel_size=3, latent_dim=5", "demodulate=True"),
    ),
    "up": Case(
        partial(ModulatedConv2d, 2, 3, 3, 5, resample="up", gain=2.0, eps=1e-3),
        [(2, 3, 4), (5,)],
        KEYS,
        ("resample='up', resample_method='fir'", "gain=2.0"),
    ),
    "down": Case(
        partial(ModulatedConv2d, 2, 3, 2, 5, resample="down", padding_mode="reflect", bias=False, normalize_style=True),
        [(2, 4, 6), (5,)],
        ("weight", "affine.weight", "affine.bias"),
        ("resample='down', resample_method='nearest', padding_mode='reflect'", "bias=False", "normalize_style=True"),
    ),
    "1x1": Case(partial(ModulatedConv2d, 2, 3, 1, 5), [(2, 3, 4), (5,)], KEYS, ("kernel_size=1", "demodulate=False")),
}


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


@pytest.mark.parametrize("resample", [None, "up", "down"])
@pytest.mark.parametrize("padding_mode", ["zeros", "reflect"])
@pytest.mark.parametrize("normalize_style", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize(("in_channels", "out_channels"), [(4, 4), (3, 5)])
def test_agrees_with_the_original_layer(
    resample: str | None,
    padding_mode: str,
    normalize_style: bool,
    kernel_size: int,
    in_channels: int,
    out_channels: int,
) -> None:
    layer = ModulatedConv2d(
        in_channels,
        out_channels,
        kernel_size,
        7,
        resample=resample,
        resample_method="nearest",
        padding_mode=padding_mode,
        normalize_style=normalize_style,
        gain=sqrt(2),
        eps=1e-5,
        style_eps=1e-5,
        dtype=torch.float64,
    )
    assert layer.bias is not None
    assert layer.affine.bias is not None
    torch.nn.init.normal_(layer.bias)
    torch.nn.init.normal_(layer.affine.bias)
    for size in ((8, 8), (6, 10)):
        x, latent = randn(3, in_channels, *size).requires_grad_(), randn(3, 7).requires_grad_()
        expected = reference.seed_layer(
            x,
            latent @ layer.affine.weight.t() / sqrt(7) + layer.affine.bias,
            layer.weight,
            layer.bias,
            resample=resample,
            padding_mode=padding_mode,
            normalize_style=normalize_style,
        )
        ours = layer(x, latent)
        assert_same(ours, expected, 1e-12)
        direction, leaves = torch.randn_like(expected), (x, latent, *layer.parameters())
        found, wanted = (derivatives(y, direction, leaves) for y in (ours, expected))
        for derivative, other in zip(found, wanted, strict=True):
            assert_same(derivative, other, 1e-9)


def derivatives(y: Tensor, direction: Tensor, leaves: tuple[Tensor, ...]) -> list[Tensor]:
    """First derivatives of a function of `y`, and of the sum of their squares."""
    first = torch.autograd.grad((y * direction).sin().sum(), leaves, create_graph=True)
    squares = torch.stack([gradient.square().sum() for gradient in first]).sum()
    return [*first, *torch.autograd.grad(squares, leaves)]


@pytest.mark.parametrize("resample", [None, "up", "down"])
@pytest.mark.parametrize(
    ("padding_mode", "method"),
    [("zeros", None), ("zeros", "nearest"), ("reflect", None), ("replicate", "nearest")],
)
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
def test_values_match_the_reference(
    resample: str | None, padding_mode: str, method: str | None, kernel_size: int
) -> None:
    layer = ModulatedConv2d(
        3, 4, kernel_size, 5, resample=resample, resample_method=method, padding_mode=padding_mode, dtype=torch.float64
    )
    near, far = (kernel_size - 1) // 2, kernel_size // 2
    method = method or ("fir" if padding_mode == "zeros" else "nearest")
    x, latent, noise = randn(2, 3, 6, 7), randn(2, 5), randn(2, 1, 1, 1)
    expected = reference.modulated_conv2d(
        x,
        layer.weight / sqrt(3 * kernel_size**2),
        1 + latent @ layer.affine.weight.t() / sqrt(5),
        demodulate=kernel_size > 1,
        noise=noise,
        up=2 if resample == "up" else 1,
        down=2 if resample == "down" else 1,
        padding=(near, far, near, far),
        padding_mode=padding_mode,
        resample_method=method,
        kernel=(1, 3, 3, 1) if method == "fir" else (1, 2, 1),
    )
    assert_same(layer(x, latent, noise=noise), expected)


@pytest.mark.parametrize(
    ("kernel_size", "given", "used"), [(1, None, False), (3, None, True), (1, True, True), (3, False, False)]
)
def test_demodulation_removes_the_scale_of_the_weight(kernel_size: int, given: bool | None, used: bool) -> None:
    layer = ModulatedConv2d(3, 4, kernel_size, 5, demodulate=given, eps=0.0, dtype=torch.float64)
    x, latent = randn(2, 3, 4, 4), randn(2, 5)
    y = layer(x, latent)
    with torch.no_grad():
        layer.weight.mul_(10)
    assert_same(layer(x, latent), y if used else 10 * y)


def test_filter_is_the_box_times_the_blur() -> None:
    """(1, 4, 6, 4, 1) = (1, 1) * (1, 3, 3, 1): nearest-neighbour or average is the box, the blur is the rest."""
    make = partial(ModulatedConv2d, 2, 3, 3, 5, resample="up", resample_filter=(1, 4, 6, 4, 1), dtype=torch.float64)
    fir, nearest = make(), make(resample_method="nearest")
    nearest.load_state_dict(fir.state_dict())
    assert nearest.resampling.taps == (1 / 8, 3 / 8, 3 / 8, 1 / 8)
    x, latent = randn(2, 2, 12, 12), randn(2, 5)
    assert_same(nearest(x, latent)[:, :, 5:-5, 5:-5], fir(x, latent)[:, :, 5:-5, 5:-5])


def test_style_is_normalized_or_centred_at_one() -> None:
    layer = ModulatedConv2d(4, 2, 3, 5, normalize_style=True, dtype=torch.float64)
    latent = randn(3, 5)
    style = layer.style(latent) - 1
    assert_same(style.square().mean(1), torch.ones(3).double(), 1e-6)
    assert_same(style, reference.pixel_norm(layer.affine(latent).detach()))
    layer.normalize_style = False
    assert_same(layer.style(torch.zeros(1, 5).double()), torch.ones(1, 4).double(), 0.0)


BAD: dict[str, tuple[Any, str]] = {
    "channels": (lambda: ModulatedConv2d(0, 1, 3), "ModulatedConv2d: in_channels must be .*at least 1, got 0"),
    "kernel": (lambda: ModulatedConv2d(1, 1, 0), "ModulatedConv2d: kernel_size must be .*got 0"),
    "latent_dim": (lambda: ModulatedConv2d(1, 1, 3, -2), "ModulatedConv2d: latent_dim must be .*got -2"),
    "resample": (lambda: ModulatedConv2d(1, 1, 3, resample="upsample"), "ModulatedConv2d: resample must .*'upsample'"),
    "padding": (lambda: ModulatedConv2d(1, 1, 3, padding_mode="zero"), "ModulatedConv2d: padding_mode must .*'zero'"),
    "fir": (
        lambda: ModulatedConv2d(1, 1, 3, resample="up", resample_method="fir", padding_mode="reflect"),
        "ModulatedConv2d: resample_method='fir' needs padding_mode='zeros', got 'reflect'; use .*'nearest'",
    ),
    "method": (
        lambda: ModulatedConv2d(1, 1, 3, resample="up", resample_method="linear"),
        "ModulatedConv2d: resample_method must be one of fir, nearest, got 'linear'",
    ),
    "unused method": (
        lambda: ModulatedConv2d(1, 1, 3, resample_method="linear"),
        "ModulatedConv2d: resample_method must be one of fir, nearest, got 'linear'",
    ),
    "no box": (
        lambda: ModulatedConv2d(1, 1, 3, resample="down", padding_mode="reflect", resample_filter=(1, 2, 4)),
        r"ModulatedConv2d: resample_method='nearest' needs .*contains the box \(1, 1\).*got \[",
    ),
    "2-D": (
        lambda: ModulatedConv2d(1, 1, 3, resample="up", resample_method="nearest", resample_filter=[[1, 1], [1, 1]]),
        "ModulatedConv2d: resample_method='nearest' needs a 1-D resample_filter",
    ),
    "learned": (
        lambda: ModulatedConv2d(1, 1, 3, resample="up", resample_filter=torch.ones(4, requires_grad=True)),  # type: ignore[arg-type]
        "ModulatedConv2d: .*get no gradient",
    ),
    "latent": (
        lambda: ModulatedConv2d(2, 1, 3, 5)(torch.ones(2, 2, 4, 4), torch.ones(2, 4)),
        r"ModulatedConv2d: latent must be \(N, 5\), got \(2, 4\)",
    ),
    "latent rank": (
        lambda: ModulatedConv2d(2, 1, 3, 5)(torch.ones(2, 2, 4, 4), torch.ones(5)),
        r"ModulatedConv2d: latent must be \(N, 5\), got \(5,\)",
    ),
    "x channels": (
        lambda: ModulatedConv2d(2, 1, 3, 5)(torch.ones(2, 3, 4, 4), torch.ones(2, 5)),
        r"must be .*got \(2, 3, 4, 4\)",
    ),
    "batch": (
        lambda: ModulatedConv2d(2, 1, 3, 5)(torch.ones(2, 2, 4, 4), torch.ones(3, 5)),
        r"style must be \(2, 2\), got \(3, 2\)",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
