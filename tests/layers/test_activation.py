"""BiasAct: the operator as a layer."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch

from stylelayers import BiasAct, functional
from tests.conftest import Case, Law, assert_same, every_law, randn

CASES = {
    "default": Case(partial(BiasAct, 3), [(3, 2, 2)], ("bias",), ("BiasAct(3, 'lrelu'",)),
    "options": Case(
        partial(BiasAct, 3, "elu", alpha=0.5, gain=2.0, clamp=1.5),
        [(3,)],
        ("bias",),
        ("'elu'", "alpha=0.5", "gain=2.0", "clamp=1.5"),
    ),
}


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


@pytest.mark.parametrize("options", [{}, {"activation": "elu", "alpha": 0.5, "gain": 2.0, "clamp": 1.5}], ids=str)
def test_module_calls_the_function(options: dict[str, Any]) -> None:
    layer, x = BiasAct(3, **options, dtype=torch.float64), randn(2, 3, 4, 5)
    assert_same(layer.bias, torch.zeros(3, dtype=torch.float64), 0.0)
    torch.nn.init.normal_(layer.bias)
    assert_same(layer(x), functional.bias_act(x, layer.bias, **{"activation": "lrelu", **options}), 0.0)


BAD: dict[str, tuple[Any, str]] = {
    "channels": (lambda: BiasAct(0), "BiasAct: num_channels must be an int of at least 1, got 0"),
    "activation": (lambda: BiasAct(3, "gelu"), "BiasAct: activation must be one of linear, relu.*got 'gelu'"),
    "alpha": (lambda: BiasAct(3, "tanh", alpha=0.1), "BiasAct: .*'tanh' takes no alpha, got 0.1"),
    "negative alpha": (lambda: BiasAct(3, alpha=-0.1), "BiasAct: alpha must be a number of at least 0, got -0.1"),
    "clamp": (lambda: BiasAct(3, clamp=0.0), "BiasAct: clamp must be a number above 0, got 0.0"),
    "gain": (lambda: BiasAct(3, gain=-1.0), "BiasAct: gain must be a number above 0, got -1.0"),
    "x": (lambda: BiasAct(3)(torch.ones(2, 4)), r"bias must be \(4,\), got \(3,\)"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
