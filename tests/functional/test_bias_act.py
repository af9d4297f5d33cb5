"""bias_act: numbers for every option, derivatives, large inputs, what it saves, activations of one's own."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor

from stylelayers.functional import activation_names, activations, bias_act, register_activation
from tests import reference, transforms
from tests.conftest import assert_same, channels_last, check_derivatives, randn, saved_for_backward, strided
from tests.matrix import Row

HOMOGENEOUS = ("linear", "relu", "lrelu")
every_activation = pytest.mark.parametrize("activation", reference.ACTIVATIONS)


def test_built_in_activations_are_listed() -> None:
    assert activation_names() == tuple(reference.ACTIVATIONS)


@every_activation
@pytest.mark.parametrize("clamp", [None, 0.7])
@pytest.mark.parametrize("gain", [None, 1.0, 1.5])
def test_values_match_the_reference(activation: str, clamp: float | None, gain: float | None) -> None:
    for shape, dim in (((5,), 0), ((3, 5), 1), ((3, 5), -1), ((2, 3, 4, 5), 1), ((2, 3, 4), -3)):
        x = 2 * randn(*shape)
        options: dict[str, Any] = {"dim": dim, "activation": activation, "gain": gain, "clamp": clamp}
        for bias in (None, randn(shape[dim])):
            assert_same(bias_act(x, bias, **options), reference.bias_act(x, bias, **options))


@pytest.mark.parametrize(("activation", "alpha"), [("lrelu", 0.0), ("lrelu", 0.7), ("lrelu", 1.5), ("elu", 0.3)])
def test_alpha_changes_value_and_derivatives(activation: str, alpha: float) -> None:
    x, bias = randn(4, 3), randn(3)
    options: dict[str, Any] = {"activation": activation, "alpha": alpha, "clamp": 1.1}
    assert_same(bias_act(x, bias, **options), reference.bias_act(x, bias, **options))
    check_derivatives(lambda x, bias: bias_act(x, bias, **options), x, bias)


@every_activation
@pytest.mark.parametrize("clamp", [None, 0.7])
@pytest.mark.parametrize("gain", [None, 0.6])
def test_derivatives_match_finite_differences(activation: str, clamp: float | None, gain: float | None) -> None:
    def function(x: Tensor, bias: Tensor | None = None) -> Tensor:
        return bias_act(x, bias, activation=activation, gain=gain, clamp=clamp)

    x = 2 * randn(2, 3, 1, 2)
    check_derivatives(function, x)
    check_derivatives(function, x, randn(3))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_derivatives_of_a_bias_along_any_dim(dim: int) -> None:
    x = randn(2, 3, 4)
    check_derivatives(lambda x, bias: bias_act(x, bias, dim=dim, activation="tanh"), x, randn(x.shape[dim]))
    for activation in ("lrelu", "swish"):
        check_derivatives(
            lambda bias, name=activation: bias_act(x, bias, dim=dim, activation=name), randn(x.shape[dim])
        )
    check_derivatives(lambda x, bias: bias_act(x, bias, dim=0, activation="swish"), randn(3), randn(3))


@every_activation
def test_third_derivatives_match_finite_differences(activation: str) -> None:
    def function(x: Tensor) -> Tensor:
        (first,) = torch.autograd.grad(bias_act(x, activation=activation).square().sum(), x, create_graph=True)
        return first

    check_derivatives(function, randn(3, 2), forward=False, batched=False)


@every_activation
@pytest.mark.parametrize("clamp", [None, 0.7])
@pytest.mark.parametrize("check", [transforms.ensembles, transforms.hessian], ids=lambda check: check.__name__)
def test_ensembles_and_hessians_are_supported(activation: str, clamp: float | None, check: Any) -> None:
    check(Row("functional.bias_act", bias_act, [(3, 2)], [(3,)], {"activation": activation, "clamp": clamp}))


def test_func_transforms_agree_with_plain_calls() -> None:
    x, bias = randn(4, 2, 3), randn(4, 3)
    for activation in ("lrelu", "swish", "softplus"):

        def function(x: Tensor, bias: Tensor, activation: str = activation) -> Tensor:
            return bias_act(x, bias, activation=activation, clamp=1.0)

        expected = torch.stack([function(*pair) for pair in zip(x, bias, strict=True)])
        assert_same(torch.vmap(function)(x, bias), expected)
        forward, backward = torch.func.jacfwd(function, 1), torch.func.jacrev(function, 1)
        assert_same(forward(x[0], bias[0]), backward(x[0], bias[0]))


@every_activation
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("value", [-100.0, 0.0, 100.0])
def test_finite_at_large_inputs(activation: str, dtype: torch.dtype, value: float) -> None:
    x = torch.full((1, 2), value, dtype=dtype, requires_grad=True)
    y = bias_act(x, activation=activation, gain=1.0)
    (first,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((first + 0 * x).sum(), x)
    assert_same(y.double(), reference.bias_act(x.double(), activation=activation, gain=1.0), 1e-6)
    assert first.isfinite().all()
    assert second.isfinite().all()
    assert value == 0 or activation == "snake" or second.abs().max() < 1e-30  # the others are straight far from 0


def test_saturated_values_are_exact() -> None:
    x = torch.tensor([[-100.0, 100.0]])
    assert bias_act(x, activation="tanh").tolist() == [[-1.0, 1.0]]
    small, large = bias_act(x, activation="softplus")[0].tolist()
    assert large == 100.0
    assert small == pytest.approx(3.7e-44, rel=0.05)
    between = torch.tensor([[15.0, 21.0, 30.0, 45.0]], dtype=torch.float64)  # torch's own softplus is linear from 20
    assert_same(bias_act(between, activation="softplus"), torch.logaddexp(between, torch.zeros_like(between)), 1e-15)
    assert bias_act(x, activation="sigmoid")[0, 1] == 1
    assert bias_act(x, activation="elu")[0, 0] == -1


@pytest.mark.parametrize("activation", HOMOGENEOUS)
def test_homogeneous_activations_commute_with_scaling(activation: str) -> None:
    x, bias = randn(4, 3), randn(3)
    assert_same(bias_act(5 * x, 5 * bias, activation=activation), 5 * bias_act(x, bias, activation=activation))


def test_default_gain_keeps_the_variance() -> None:
    x = torch.randn(100_000, 1)
    for activation, tolerance in (("relu", 0.02), ("lrelu", 0.06), ("linear", 0.02)):
        assert bias_act(x, activation=activation).square().mean().item() == pytest.approx(1, abs=tolerance)


def test_derivative_is_zero_beyond_the_clamp() -> None:
    x = torch.tensor([-5.0, -0.1, 0.1, 5.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(bias_act(x, dim=0, activation="linear", gain=2.0, clamp=1.0).sum(), x)
    assert gradient.tolist() == [0.0, 2.0, 2.0, 0.0]
    (gradient,) = torch.autograd.grad(bias_act(x, dim=0, activation="lrelu", gain=2.0, clamp=1.0).sum(), x)
    assert gradient.tolist() == pytest.approx([0.0, 0.4, 2.0, 0.0])


@pytest.mark.parametrize("activation", ["relu", "lrelu", "tanh", "sigmoid", "elu", "selu", "softplus"])
def test_one_tensor_is_saved_for_backward(activation: str) -> None:
    x, bias = randn(4, 8, 5, 5).requires_grad_(), randn(8).requires_grad_()
    saved = saved_for_backward(lambda: bias_act(x, bias, activation=activation, gain=2.0, clamp=3.0))
    assert [tensor.shape for tensor in saved] == [x.shape]
    assert x.data_ptr() not in {tensor.data_ptr() for tensor in saved}


@every_activation
def test_input_is_unchanged_in_any_layout(activation: str) -> None:
    x, bias = randn(2, 3, 4, 5), randn(3)
    before = x.clone()
    y = bias_act(x, bias, activation=activation, gain=2.0, clamp=1.0)
    for layout in (strided, channels_last):
        assert_same(bias_act(layout(x), bias, activation=activation, gain=2.0, clamp=1.0), y)
    bias_act(x, activation=activation, gain=2.0, clamp=0.1)
    assert_same(x, before, 0.0)
    assert bias_act(x[:0], bias, activation=activation).shape == (0, 3, 4, 5)


def test_bias_is_cast_to_the_dtype_of_the_input() -> None:
    bias = torch.ones(3, requires_grad=True)
    y = bias_act(torch.zeros(2, 3, dtype=torch.bfloat16), bias, activation="lrelu")
    assert y.dtype == torch.bfloat16
    assert y.float().unique().item() == pytest.approx(sqrt(2), rel=1e-2)
    assert torch.autograd.grad(y.sum(), bias)[0].dtype == torch.float32


@pytest.fixture
def _own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "_ACTIVATIONS", dict(activations._ACTIVATIONS))


OWN: dict[str, dict[str, Any]] = {
    "derived by autograd": {"function": torch.sin},
    "through the input": {"function": torch.sin, "derivative": torch.cos, "through": "input"},
    "through the output": {"function": torch.exp, "derivative": lambda y: y, "through": "output"},
    "with alpha": {
        "function": lambda x, alpha: torch.sin(alpha * x),
        "derivative": lambda x, alpha: alpha * torch.cos(alpha * x),
        "through": "input",
        "alpha": 3.0,
    },
    "identity": {"function": lambda x: x, "derivative": torch.ones_like},
}


@pytest.mark.usefixtures("_own_names")
@pytest.mark.parametrize("options", OWN.values(), ids=OWN.keys())
def test_registered_activations_are_differentiable(options: dict[str, Any]) -> None:
    register_activation("own", **options, gain=1.5)
    assert activation_names()[-1] == "own"
    constants = [options["alpha"]] if "alpha" in options else []
    x, bias = randn(3, 2), randn(2)
    assert_same(bias_act(x, bias, activation="own"), 1.5 * options["function"](x + bias, *constants))
    check_derivatives(lambda x, bias: bias_act(x, bias, activation="own", clamp=1.2), x, bias)
    check_derivatives(lambda x: bias_act(x, activation="own"), x)
    for check in (transforms.ensembles, transforms.hessian):
        check(Row("functional.bias_act", bias_act, [(3, 2)], [(3,)], {"activation": "own", "clamp": 1.2}))
    if constants:
        assert_same(bias_act(x, activation="own", alpha=0.5), 1.5 * torch.sin(0.5 * x))


X = torch.ones(2, 3)
BAD = {
    "activation": (lambda: bias_act(X, activation="nope"), "bias_act: activation must be .*linear, relu.*got 'nope'"),
    "alpha": (lambda: bias_act(X, activation="relu", alpha=0.1), "bias_act: .*'relu' takes no alpha, got 0.1"),
    "lrelu": (
        lambda: bias_act(X, activation="lrelu", alpha=-0.1),
        "alpha must be .* of at least 0, got -0.1",
    ),
    "elu": (
        lambda: bias_act(X, activation="elu", alpha=0.0),
        "alpha must be .* of at least 1e-12, got 0.0",
    ),
    "gain": (lambda: bias_act(X, gain=0.0), "bias_act: gain must be a number above 0, got 0.0"),
    "clamp": (lambda: bias_act(X, clamp=-1.0), "bias_act: clamp must be a number above 0, got -1.0"),
    "nan": (lambda: bias_act(X, gain=float("nan")), "bias_act: gain must be a number above 0, got nan"),
    "integers": (lambda: bias_act(X.int()), "bias_act: x must be floating-point.*got torch.int32"),
    "dim": (lambda: bias_act(X, dim=2), r"bias_act: x must .*with a dimension 2, got .*\(2, 3\)"),
    "bias": (lambda: bias_act(X, torch.ones(2)), r"bias_act: bias must be \(3,\), got \(2,\)"),
    "bias rank": (lambda: bias_act(X, torch.ones(1, 3)), r"bias_act: bias must be \(3,\), got \(1, 3\)"),
    "taken": (lambda: register_activation("relu", torch.sin), "register_activation: name must be new, got 'relu'"),
    "empty": (lambda: register_activation("", torch.sin), "register_activation: name must be new, got ''"),
    "through": (
        lambda: register_activation("new", torch.sin, through="both"),
        "register_activation: through must be one of output, input, got 'both'",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
