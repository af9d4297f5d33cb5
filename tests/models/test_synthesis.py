"""SynthesisNetwork: the three architectures layer by layer, sizes, noise, styles, the laws of modules."""

from __future__ import annotations

from functools import partial
from itertools import product
from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor

from stylelayers import SynthesisNetwork, Upsample2d, functional
from tests.conftest import Case, Law, assert_same, every_law, randn

ARCHITECTURES = ("skip", "resnet", "orig")


def block_keys(index: int, *layers: str) -> list[str]:
    styled = ("conv.weight", "conv.affine.weight", "conv.affine.bias", "noise.strength", "noise.const", "act.bias")
    parts = {
        "conv0": styled,
        "conv1": styled,
        "shortcut": ("weight",),
        "to_rgb": ("conv.weight", "conv.affine.weight", "conv.affine.bias", "act.bias"),
    }
    return [f"blocks.{index}.{layer}.{part}" for layer in layers for part in parts[layer]]


def tiny(architecture: str, **options: Any) -> partial[SynthesisNetwork]:
    return partial(SynthesisNetwork, 3, (8, 12), channel_base=12, architecture=architecture, **options)


CASES = {
    "skip": Case(
        tiny("skip", clamp=4.0),
        [(4, 3)],
        ("input.const", *block_keys(0, "conv1", "to_rgb"), *block_keys(1, "conv0", "conv1", "to_rgb")),
        ("resample='up', resample_method='fir'", "clamp=4.0"),
    ),
    "resnet": Case(
        tiny("resnet", padding_mode="reflect", normalize_style=True, image_channels=1),
        [(4, 3)],
        ("input.const", *block_keys(0, "conv1"), *block_keys(1, "conv0", "conv1", "shortcut", "to_rgb")),
        ("resample='up', resample_method='nearest', padding_mode='reflect'", "normalize_style=True"),
    ),
    "orig": Case(
        tiny("orig", activation="swish"),
        [(4, 3)],
        ("input.const", *block_keys(0, "conv1"), *block_keys(1, "conv0", "conv1", "to_rgb")),
        ("'swish'",),
    ),
}
for case in CASES.values():
    case.options["noise"] = "const"


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


def network(resolution: Any = 16, **options: Any) -> Any:
    defaults = {"channel_base": 32, "channel_max": 5, "image_channels": 2, "dtype": torch.float64}
    module = SynthesisNetwork(3, resolution, **{**defaults, **options})
    for name, parameter in module.named_parameters():
        if name.endswith(("bias", "strength")):
            torch.nn.init.normal_(parameter)
    return module


@pytest.mark.parametrize("clamp", [None, 0.3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_network_equals_its_layers_in_order(architecture: str, clamp: float | None) -> None:
    module = network(architecture=architecture, clamp=clamp)
    assert module.num_ws == 6
    ws = randn(2, 6, 3)
    x, image = module.input.const.expand(2, -1, -1, -1), torch.zeros(2, 2, 4, 4, dtype=torch.float64)
    w = iter(ws.unbind(1))
    for index, block in enumerate(module.blocks):
        before = x
        for conv in (block.conv0, block.conv1):
            x = x if conv is None else conv(x, next(w), noise="const")
        if architecture == "resnet" and index > 0:
            kernel = block.shortcut.weight / sqrt(before.shape[1])
            around = torch.einsum("oi,nihw->nohw", kernel[:, :, 0, 0], functional.upsample2d(before))
            w0, w1 = ws[:, 2 * index - 1], ws[:, 2 * index]
            x = block.conv1.conv(block.conv0(before, w0, noise="const"), w1, noise=constant_noise(block.conv1))
            branch = functional.bias_act(x, block.conv1.act.bias, activation="lrelu", clamp=clamp)
            x = (around + branch) * sqrt(0.5)
        if architecture == "skip":
            image = functional.upsample2d(image) if index else image
            image = image + block.to_rgb(x, ws[:, 2 * index + 1])
    expected = image if architecture == "skip" else module.blocks[-1].to_rgb(x, ws[:, 5])
    assert_same(module(ws, noise="const"), expected)


def constant_noise(conv: Any) -> Tensor:
    noise: Tensor = conv.noise.const * conv.noise.strength
    return noise


@pytest.mark.parametrize("resolution", [8, 16, 20, (8, 12), (24, 16)], ids=str)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_resolution_and_padding_works(resolution: Any, architecture: str) -> None:
    for image_channels, padding_mode in product((1, 4), ("zeros", "reflect", "replicate")):
        module = network(
            resolution, architecture=architecture, padding_mode=padding_mode, image_channels=image_channels
        )
        size = resolution if isinstance(resolution, tuple) else (resolution, resolution)
        assert module.resolution == size
        for noise in ("random", "const", "none"):
            images = module(randn(2, module.num_ws, 3), noise=noise)
            assert images.shape == (2, image_channels, *size)
            assert images.isfinite().all()


def test_skip_images_of_all_levels_are_summed() -> None:
    """Without weights, an image is the sum of the levels' biases, which enlarging keeps inside the image."""
    module = network(16)
    for index, block in enumerate(module.blocks):
        torch.nn.init.zeros_(block.to_rgb.conv.weight)
        torch.nn.init.constant_(block.to_rgb.act.bias, 10.0**index)
    image = module(randn(1, 6, 3))[:, :, 5:-5, 5:-5]
    assert_same(image, torch.full_like(image, 111.0))


def test_noise_modes_differ_as_documented() -> None:
    module, ws = network(), randn(1, 6, 3)
    const = module(ws, noise="const")
    assert_same(module(ws, noise="const"), const, 0.0)
    assert not torch.allclose(module(ws), module(ws))
    assert not torch.allclose(module(ws), const)
    none = module(ws, noise="none")
    for name, parameter in module.named_parameters():
        if name.endswith("noise.strength"):
            torch.nn.init.zeros_(parameter)
    for noise in ("random", "const", "none"):
        assert_same(module(ws, noise=noise), none)
    assert not torch.allclose(none, const)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_style_and_parameter_is_used(architecture: str) -> None:
    module, ws = network(architecture=architecture), randn(3, 6, 3).requires_grad_()
    module(ws).square().sum().backward()
    assert ws.grad is not None
    assert (ws.grad.abs().amax(2) > 0).all()
    unused = [name for name, p in module.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert unused == []


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_layer_has_the_filter(architecture: str) -> None:
    module = network(architecture=architecture, resample_filter=(1, 2, 1))
    filters = [part.resampling.taps for part in module.modules() if hasattr(part, "resampling")]
    filters += [part.resample_filter for part in module.modules() if isinstance(part, Upsample2d)]
    used = [taps for taps in filters if taps is not None]
    assert used == [(0.25, 0.5, 0.25)] * {"skip": 3, "resnet": 4, "orig": 2}[architecture]


def test_clamp_limits_every_layer() -> None:
    module = network(clamp=0.01)
    images = module(randn(2, 6, 3))
    assert images.abs().max() <= 3 * 0.01 + 1e-9  # three levels, each within the clamp


def test_half_precision_images_are_float32() -> None:
    module = network(dtype=torch.bfloat16)
    assert module(torch.randn(2, 6, 3, dtype=torch.bfloat16)).dtype == torch.float32


BAD: dict[str, tuple[Any, str]] = {
    "w_dim": (lambda: SynthesisNetwork(0, 8), "SynthesisNetwork: w_dim must be an int of at least 1, got 0"),
    "image_channels": (lambda: network(image_channels=0), "SynthesisNetwork: image_channels must be .*got 0"),
    "channel_base": (lambda: network(channel_base=-1), "SynthesisNetwork: channel_base must be .*got -1"),
    "channel_max": (lambda: network(channel_max=1.5), "SynthesisNetwork: channel_max must be .*got 1.5"),
    "resolution": (lambda: network(31), "SynthesisNetwork: resolution must be a power of two times .*got 31"),
    "architecture": (lambda: network(architecture="x"), "SynthesisNetwork: architecture must be one of skip.*got 'x'"),
    "padding_mode": (lambda: network(padding_mode="x"), "padding_mode must be one of .*got 'x'"),
    "method": (lambda: network(resample_method="x"), "resample_method must be .*got 'x'"),
    "activation": (lambda: network(activation="x"), "activation must be one of .*got 'x'"),
    "noise": (lambda: network()(randn(2, 6, 3), noise="x"), "SynthesisNetwork: noise must be one of .*got 'x'"),
    "ws": (lambda: network()(randn(2, 5, 3)), r"SynthesisNetwork: ws must be \(N, 6, 3\), got \(2, 5, 3\)"),
    "w": (lambda: network()(randn(2, 3)), r"SynthesisNetwork: ws must be \(N, 6, 3\), got \(2, 3\)"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
