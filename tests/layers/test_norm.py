"""PixelNorm and MinibatchStdDev: the operators as layers."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from stylelayers import MinibatchStdDev, PixelNorm, functional
from tests.conftest import Case, Law, assert_same, every_law, randn

CASES = {
    "PixelNorm": Case(partial(PixelNorm), [(3, 2, 4)], (), ("dim=1, eps=1e-08",)),
    "PixelNorm dim": Case(partial(PixelNorm, dim=-1, eps=0.1), [(3, 4)], (), ("dim=-1, eps=0.1",)),
    "MinibatchStdDev": Case(
        partial(MinibatchStdDev, 3, 2), [(4, 2, 1)], (), ("group_size=3, num_channels=2",), independent=False
    ),
}


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


def test_modules_call_the_functions() -> None:
    x = randn(7, 6, 3, 2)
    assert_same(PixelNorm(2, 0.3)(x), functional.pixel_norm(x, 2, 0.3), 0.0)
    assert_same(MinibatchStdDev(3, 2)(x), functional.minibatch_stddev(x, 3, 2), 0.0)
    assert_same(MinibatchStdDev()(x), functional.minibatch_stddev(x), 0.0)


BAD: dict[str, tuple[Any, str]] = {
    "group": (lambda: MinibatchStdDev(0), "MinibatchStdDev: group_size must be an int of at least 1, got 0"),
    "channels": (lambda: MinibatchStdDev(4, 0), "MinibatchStdDev: num_channels must be .*got 0"),
    "indivisible": (lambda: MinibatchStdDev(4, 2)(randn(2, 3, 1, 1)), "divide the 3 channels, got 2"),
    "dim": (lambda: PixelNorm(3)(randn(2, 2)), r"with a dimension 3, got .*\(2, 2\)"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
