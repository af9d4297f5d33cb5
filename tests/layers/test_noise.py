"""NoiseInjection and ConstantInput: the three noise modes, the constant, the laws of modules."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from stylelayers import ConstantInput, Generator, NoiseInjection, StyledConv
from tests.conftest import Case, Law, assert_same, check_derivatives, every_law, randn

CASES = {
    "const": Case(
        partial(NoiseInjection, (4, 5)), [(3, 4, 5)], ("strength", "const"), ("(4, 5)",), options={"noise": "const"}
    ),
    "none": Case(partial(NoiseInjection), [(3, 4, 5)], ("strength",), ("NoiseInjection()",), options={"noise": "none"}),
}


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


def noisy(strength: float = 0.5) -> NoiseInjection:
    layer = NoiseInjection((4, 6), dtype=torch.float64)
    torch.nn.init.constant_(layer.strength, strength)
    return layer


def test_random_noise_is_one_number_per_pixel_and_sample() -> None:
    layer = noisy(0.5)
    x = torch.zeros(500, 3, 4, 6, dtype=torch.float64)
    y = layer(x)
    assert_same(y, y[:, :1].expand(-1, 3, -1, -1), 0.0)
    assert y[:, 0].std().item() == pytest.approx(0.5, rel=0.05)
    assert abs(y.mean().item()) < 0.02
    assert len(y[:, 0].flatten().unique()) == 500 * 24
    assert not torch.equal(layer(x), y)


def test_const_noise_is_the_stored_map() -> None:
    layer, x = noisy(0.5), randn(2, 3, 4, 6)
    assert layer.const is not None
    y = layer(x, noise="const")
    assert_same(y, x + 0.5 * layer.const)
    assert_same(layer(x, noise="const"), y, 0.0)


def test_without_noise_the_strength_has_no_effect() -> None:
    x = randn(2, 3, 4, 6)
    for strength in (0.0, 5.0):
        assert_same(noisy(strength)(x, noise="none"), x, 0.0)
    for noise in ("random", "const"):
        assert_same(NoiseInjection((4, 6)).double()(x, noise=noise), x, 0.0)  # the strength is 0 at first


def test_random_noise_has_dtype_and_size_of_the_input() -> None:
    layer = NoiseInjection()
    x = torch.zeros(2, 3, 5, 7, dtype=torch.bfloat16)
    assert layer(x).dtype == torch.bfloat16
    assert layer(x[:0]).shape == (0, 3, 5, 7)
    layer(x.float()).sum().backward()
    assert layer.strength.grad is not None
    assert layer.strength.grad != 0


def test_per_sample_generators_fix_noise_in_any_batch() -> None:
    layer, x = noisy(0.5), torch.zeros(3, 2, 4, 6, dtype=torch.float64)
    y = layer(x, noise=[torch.Generator().manual_seed(seed) for seed in (4, 5, 4)])
    assert_same(y[0], y[2], 0.0)
    assert not torch.equal(y[0], y[1])
    assert_same(y[1:2], layer(x[:1], noise=[torch.Generator().manual_seed(5)]), 0.0)
    expected = 0.5 * torch.randn(4, 6, generator=torch.Generator().manual_seed(5)).double()
    assert_same(y[1], expected.expand(2, 4, 6), 0.0)
    with pytest.raises(ValueError, match="noise must be one generator per sample, 3, got 1"):
        layer(x, noise=[torch.Generator()])


@pytest.mark.parametrize("assign", [False, True])
@pytest.mark.parametrize(
    "make",
    [
        NoiseInjection,
        lambda: nn.ModuleDict({"a": nn.Sequential(NoiseInjection((2, 3)), NoiseInjection())}),
        lambda: nn.Sequential(StyledConv(2, 2, 3, 4)),
        lambda: Generator(8, z_dim=4, w_dim=4, channel_base=32, mapping_layers=2),
    ],
    ids=["layer", "nested", "styled", "generator"],
)
def test_scalar_strengths_of_earlier_versions_load(make: Callable[[], nn.Module], assign: bool) -> None:
    module, other = make(), make()
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    earlier = {k: v.squeeze() if k.endswith("strength") else v for k, v in module.state_dict().items()}
    assert {v.ndim for k, v in earlier.items() if k.endswith("strength")} == {0}
    other.load_state_dict(earlier, assign=assign)
    for ours, theirs in zip(other.state_dict().values(), module.state_dict().values(), strict=True):
        assert ours.shape == theirs.shape
        assert torch.equal(ours, theirs)
    assert {v.ndim for k, v in earlier.items() if k.endswith("strength")} == {0}  # the caller's is left alone


@pytest.mark.parametrize("resolution", [3, (3, 5)])
def test_constant_input_is_expanded_to_the_batch(resolution: Any) -> None:
    layer = ConstantInput(2, resolution, dtype=torch.float64)
    height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
    assert layer.const.shape == (2, height, width)
    assert tuple(layer.state_dict()) == ("const",)
    assert f"2, ({height}, {width})" in repr(layer)
    for batch in (0, 1, 3):
        y = layer(batch)
        assert_same(y, layer.const.expand(batch, -1, -1, -1))
        assert y.is_contiguous(memory_format=torch.channels_last)
    check_derivatives(
        lambda const: torch.func.functional_call(layer, {"const": const}, (2,)), layer.const, batched=False
    )


def test_constant_input_leaves_the_meta_device() -> None:
    layer = ConstantInput(64, 16, device="meta")
    assert layer.const.is_meta
    layer.to_empty(device="cpu").reset_parameters()
    assert layer(1).std().item() == pytest.approx(1, rel=0.05)


BAD: dict[str, tuple[Any, str]] = {
    "mode": (lambda: noisy()(torch.ones(1, 1, 4, 6), noise="fixed"), "NoiseInjection: noise must be .*got 'fixed'"),
    "no map": (
        lambda: NoiseInjection()(torch.ones(1, 1, 4, 6), noise="const"),
        r"NoiseInjection: noise='const' needs a layer built with resolution=\(4, 6\), got None",
    ),
    "map": (lambda: noisy()(torch.ones(1, 1, 4, 4), noise="const"), r"resolution=\(4, 4\), got \(4, 6\)"),
    "bytes": (
        lambda: noisy()(torch.ones(1, 1, 4, 6, dtype=torch.uint8), noise="const"),
        "NoiseInjection: x must be floating-point, got torch.uint8",
    ),
    "channels": (lambda: ConstantInput(0), "ConstantInput: num_channels must be an int of at least 1, got 0"),
    "height": (lambda: ConstantInput(1, (0, 4)), "ConstantInput: height must be .*got 0"),
    "resolution": (lambda: ConstantInput(1, -4), "ConstantInput: height must be .*got -4"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
