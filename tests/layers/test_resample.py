"""Blur, Upsample2d and Downsample2d: the operators as layers, which hold nothing that is saved."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from stylelayers import Blur, Downsample2d, Upsample2d, functional
from tests.conftest import Case, Law, assert_same, every_law, randn

CASES = {
    "Blur": Case(partial(Blur), [(2, 4, 5)], (), ("resample_filter=[0.25, 0.5, 0.25]",)),
    "Blur reflect": Case(
        partial(Blur, [[1, 2], [3, 4]], padding_mode="reflect"), [(2, 4, 5)], (), ("padding_mode='reflect'",)
    ),
    "Upsample2d": Case(partial(Upsample2d), [(2, 3, 4)], (), ("Upsample2d(resample_filter=[0.125, 0.375",)),
    "Upsample2d 3": Case(partial(Upsample2d, (1, 2, 4), factor=3), [(2, 2, 3)], (), ("factor=3",)),
    "Upsample2d reflect": Case(
        partial(Upsample2d, padding_mode="reflect"), [(2, 3, 4)], (), ("padding_mode='reflect'",)
    ),
    "Downsample2d": Case(partial(Downsample2d), [(2, 4, 6)], (), ("Downsample2d(resample_filter=[0.125",)),
    "Downsample2d 3": Case(partial(Downsample2d, (1, 2, 4), factor=3), [(2, 6, 3)], (), ("factor=3",)),
}


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


@pytest.mark.parametrize("kernel", [(1, 2, 4), [[1.0, 2.0], [3.0, 5.0]], torch.tensor([1.0, 3.0, 3.0, 1.0])], ids=str)
def test_module_calls_the_function(kernel: Any) -> None:
    x = randn(2, 3, 6, 8)
    pairs = [
        (Blur(kernel, padding_mode="replicate"), functional.blur2d(x, kernel, padding_mode="replicate")),
        (Upsample2d(kernel, factor=3), functional.upsample2d(x, kernel, factor=3)),
        (Upsample2d(kernel, padding_mode="reflect"), functional.upsample2d(x, kernel, padding_mode="reflect")),
        (Downsample2d(kernel), functional.downsample2d(x, kernel)),
        (Downsample2d(kernel, padding_mode="reflect"), functional.downsample2d(x, kernel, padding_mode="reflect")),
    ]
    for module, expected in pairs:
        assert_same(module.to(torch.float64)(x), expected, 1e-6)  # the taps were float32


@pytest.mark.parametrize("layer", [Blur, Upsample2d, Downsample2d])
def test_taps_are_not_in_the_state_dict(layer: Any) -> None:
    module = layer(torch.tensor([1.0, 3.0]))
    assert module.resample_filter == (0.25, 0.75)
    assert not [*module.parameters(), *module.buffers(), *module.state_dict()]
    x = torch.randn(1, 2, 8, 8, dtype=torch.bfloat16)
    assert module(x).dtype == torch.bfloat16


BAD: dict[str, tuple[Any, str]] = {
    "channel count": (
        lambda: Blur(64),  # type: ignore[arg-type]
        "Blur: resample_filter must be FIR taps such as .*got 64; no channel count is needed",
    ),
    "up count": (lambda: Upsample2d(64), "Upsample2d: resample_filter must be FIR taps .*got 64"),  # type: ignore[arg-type]
    "rank": (lambda: Blur(torch.ones(1, 1, 3)), r"Blur: .*1-D or 2-D.*got \(1, 1, 3\)"),
    "no taps": (lambda: Downsample2d([]), r"Downsample2d: .*at least one tap, got \(0,\)"),
    "ragged": (lambda: Blur([[1, 2], [3]]), r"Blur: .*rows of one length, got \[\[1, 2\], \[3\]\]"),
    "not numbers": (lambda: Blur((1, None)), r"Blur: .*must be numbers, got \(1, None\)"),
    "one number": (lambda: Blur(1.5), r"Blur: .*must be 1-D or 2-D .*got \(\)"),  # type: ignore[arg-type]
    "no values": (
        lambda: Blur(torch.ones(3, device="meta")),
        "Blur: .*must have values, got a tensor on the meta device",
    ),
    "sum": (lambda: Blur((1, -1)), "Blur: .*taps that sum to 0"),
    "learned": (lambda: Blur(torch.ones(3, requires_grad=True)), "Blur: .*get no gradient"),
    "mode": (lambda: Blur(padding_mode="wrap"), "Blur: padding_mode must be .*got 'wrap'"),
    "up mode": (lambda: Upsample2d(padding_mode="wrap"), "Upsample2d: padding_mode must be .*got 'wrap'"),
    "factor": (lambda: Upsample2d(factor=0), "Upsample2d: factor must be an int of at least 1, got 0"),
    "down factor": (lambda: Downsample2d(factor=1.5), "Downsample2d: factor must be .*got 1.5"),  # type: ignore[arg-type]
    "x": (lambda: Blur()(torch.ones(3, 4, 4)), r"x must be .*\(N, C, H, W\), got .*\(3, 4, 4\)"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
