"""check_double_backward: it passes what is right and names what is wrong; activations of one's own pass it by name."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from stylelayers import BiasAct, EqualConv2d, Generator, MinibatchStdDev, ModulatedConv2d
from stylelayers.functional import activations, bias_act, register_activation, upfirdn2d
from stylelayers.testing import DerivativeError, check_double_backward
from tests.conftest import assert_same

SWAP = torch.tensor([[0.0, 1.0], [1.0, 0.0]])

# One operator, tanh(x W + b) with a matrix behind it, and what can be wrong with it ---------------------------------


class Right(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return torch.tanh(x.mm(weight) + bias).mm(SWAP.to(x.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return pulled_back(grads[0], *ctx.saved_tensors)


def pulled_back(grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    inner = grad.to(x.dtype).mm(SWAP.to(x.dtype)) * (1 - torch.tanh(x.mm(weight) + bias).square())
    return inner.mm(weight.t()), x.t().mm(inner), inner.sum(0)


def with_backward(pull_back: Callable[..., Any], **members: Any) -> Callable[..., Any]:
    """The operator with another `pulled_back` or other members."""

    def backward(ctx: Any, *grads: Tensor) -> Any:
        return pull_back(grads[0], *ctx.saved_tensors)

    faulty: Any = type("Faulty", (Right,), {"backward": staticmethod(backward), **members})
    apply: Callable[..., Any] = faulty.apply
    return apply


def wrong_first_order(grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Any:
    of_x, of_weight, of_bias = pulled_back(grad, x, weight, bias)
    return of_x, 1.01 * of_weight, of_bias


def wrong_second_order(grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Any:
    return pulled_back(grad, x, weight, bias + 0.01 * (bias - bias.detach()))


def bias_detached(grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Any:
    return pulled_back(grad, x, weight, bias.detach())


def constant_of_one_dtype(grad: Tensor, x: Tensor, weight: Tensor, bias: Tensor) -> Any:
    constant = SWAP.to(x.dtype)  # right in float32 and float64, but under autocast the gradient is in bfloat16
    return pulled_back(grad.mm(constant).mm(constant), x, weight, bias)


def keep_values(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    ctx.save_for_backward(*(tensor.detach() for tensor in inputs))


class OldStyle(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight, bias)
        return Right.forward(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return pulled_back(grads[0], *ctx.saved_tensors)


class Layer(nn.Module):
    """The operator with a learned weight and bias."""

    def __init__(self, operator: Callable[..., Any]) -> None:
        super().__init__()
        self.operator = operator
        self.weight, self.bias = nn.Parameter(torch.randn(2, 2)), nn.Parameter(torch.randn(2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.operator(x, self.weight, self.bias)
        return y


def detached_bias(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.tanh(x @ weight + bias.detach())


FAULTS: dict[str, tuple[Callable[..., Any], str]] = {
    "detached output": (
        lambda x, weight, bias: (x @ weight + bias).detach(),
        "missing graph: the output does not require grad",
    ),
    "once differentiable": (
        with_backward(pulled_back, backward=staticmethod(once_differentiable(Right.backward))),
        "missing graph: the gradient of input 0 .*once_differentiable",
    ),
    "values kept": (
        with_backward(pulled_back, setup_context=staticmethod(keep_values)),
        "missing graph: the gradient of input 0 .*values kept on ctx",
    ),
    "first order": (with_backward(wrong_first_order), "wrong first order: .*parameter weight"),
    "second order": (with_backward(wrong_second_order), "wrong second order: .*parameter bias"),
    "detached bias": (detached_bias, "None for parameter bias: the output depends on it"),
    "bias detached in backward": (with_backward(bias_detached), "wrong second order: .*parameter bias"),
    "None for bias": (with_backward(lambda *saved: (*pulled_back(*saved)[:2], None)), "None for parameter bias: "),
    "None for input": (with_backward(lambda *saved: (None, *pulled_back(*saved)[1:])), "None for input 0: "),
    "autocast": (with_backward(constant_of_one_dtype), "dtype mismatch under autocast: "),
    "old style": (OldStyle.apply, "not torch.func-ready: .*setup_context"),
    "no vmap rule": (with_backward(pulled_back, generate_vmap_rule=False), "not torch.func-ready: .*vmap"),
}


def failures(fn_or_module: Callable[..., Any], *inputs: Any) -> tuple[str, ...]:
    with pytest.raises(DerivativeError, match="cannot be relied on under a gradient penalty") as caught:
        check_double_backward(fn_or_module, *inputs)
    return caught.value.failures


@pytest.mark.parametrize(("operator", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_and_nothing_else_is_blamed(operator: Callable[..., Any], message: str) -> None:
    found = failures(Layer(operator), torch.randn(2, 2))
    assert re.search(message, "\n".join(found))
    kind = message.partition(":")[0].partition(" for ")[0]
    assert all(sentence.startswith(kind) for sentence in found)


def test_the_right_operator_passes_and_modes_can_be_left_out() -> None:
    x = torch.randn(2, 2)
    check_double_backward(Right.apply, x, torch.randn(2, 2), torch.randn(2))
    check_double_backward(Layer(Right.apply), x)
    check_double_backward(Layer(OldStyle.apply), x, func=False)
    check_double_backward(Layer(with_backward(constant_of_one_dtype)), x, autocast=False)
    check_double_backward(Layer(with_backward(wrong_first_order)), x, rtol=0.1, atol=0.1)


def test_fixed_inputs_and_frozen_parameters_are_not_differentiated() -> None:
    layer = Layer(detached_bias)
    layer.bias.requires_grad_(False)
    check_double_backward(layer, torch.randn(2, 2))
    check_double_backward(lambda x, index, power: x[index] ** power, torch.rand(3) + 1, torch.tensor([2, 0]), 3)


def test_nothing_is_changed() -> None:
    layer, x = Layer(Right.apply), torch.randn(2, 2)
    before = [tensor.clone() for tensor in (x, layer.weight, layer.bias)]
    check_double_backward(layer, x)
    for now, then in zip((x, layer.weight, layer.bias), before, strict=True):
        assert_same(now, then, 0.0)
        assert now.grad is None


@pytest.mark.parametrize(
    ("function", "inputs", "message"),
    [
        (lambda x: x, [torch.ones(2).int()], "needs a floating-point input or a parameter.* got 0 tensors"),
        (lambda: torch.ones(2), [], "needs a floating-point input or a parameter.* got 0 tensors"),
        (lambda x: (x, x), [torch.ones(2)], "one tensor as output.*output of tuple"),
    ],
)
def test_nothing_to_differentiate(function: Callable[..., Any], inputs: list[Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_double_backward(function, *inputs)


X = torch.randn(2, 2, 3, 4, generator=torch.Generator().manual_seed(0))
OURS: dict[str, tuple[Callable[[], Callable[..., Any]], tuple[Tensor, ...]]] = {
    "upfirdn2d": (lambda: partial(upfirdn2d, kernel=[[1.0, 2.0], [3.0, -1.0]], up=2, down=(1, 3), padding=1), (X,)),
    "bias_act": (lambda: partial(bias_act, activation="swish", clamp=1.0), (X, torch.tensor([0.1, -0.3]))),
    "MinibatchStdDev": (MinibatchStdDev, (X,)),
    "ModulatedConv2d": (lambda: ModulatedConv2d(2, 1, 2, 2, resample="down"), (X, X[:, :, 0, 0])),
}


@pytest.mark.parametrize(("make", "inputs"), OURS.values(), ids=OURS)
def test_our_operators_and_layers_pass(make: Callable[[], Callable[..., Any]], inputs: tuple[Tensor, ...]) -> None:
    check_double_backward(make(), *inputs)


# Activations of one's own ------------------------------------------------------------------------------------------

OWN: dict[str, dict[str, Any]] = {
    "derived": {},
    "through output": {"derivative": lambda y: 1 - y.square()},
    "through input": {"derivative": lambda x: 1 - torch.tanh(x).square(), "through": "input"},
}


@pytest.fixture(autouse=True)
def _own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "_ACTIVATIONS", dict(activations._ACTIVATIONS))


@pytest.fixture(params=OWN)
def own(request: pytest.FixtureRequest) -> str:
    """The hyperbolic tangent under a new name."""
    register_activation("own", torch.tanh, **OWN[request.param])
    return "own"


class Painter(nn.Module):
    """A generator's images in four pixels, with its noise fixed; of its parameters the biases are learned."""

    def __init__(self, activation: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes: dict[str, Any] = {"z_dim": 2, "w_dim": 2, "image_channels": 1, "channel_base": 16}
        self.generator = Generator(8, **sizes, mapping_layers=1, activation=activation).eval()
        for name, parameter in self.generator.named_parameters():
            parameter.requires_grad_(name.endswith("act.bias"))

    def forward(self, z: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(self.generator(z, noise="const"), 4)


def test_own_activations_pass_in_layers_and_networks(own: str) -> None:
    check_double_backward(BiasAct(2, own, clamp=0.9, gain=1.5), X)
    check_double_backward(EqualConv2d(2, 1, 2, resample="up", activation=own), X[..., :2])
    check_double_backward(Painter(own), torch.randn(1, 2))


def test_own_activations_are_the_built_in_one(own: str) -> None:
    z, results = torch.randn(2, 2, dtype=torch.float64), []
    for name in (own, "tanh"):
        painter = Painter(name).double().requires_grad_()
        first = torch.autograd.grad(painter(z).square().sum(), list(painter.parameters()), create_graph=True)
        norm = torch.stack([gradient.square().sum() for gradient in first]).sum()
        results.append([*first, *torch.autograd.grad(norm, list(painter.parameters()))])
    for ours, theirs in zip(*results, strict=True):
        assert_same(ours, theirs, 1e-9)


def test_a_wrong_derivative_of_one_s_own_is_noticed() -> None:
    register_activation("confused", torch.tanh, derivative=lambda x: 1 - torch.tanh(x).square(), through="output")
    register_activation("once", torch.tanh, derivative=lambda y: (1 - y.square()).detach())
    assert failures(BiasAct(2, "confused"), X)[0].startswith("wrong first order")
    assert failures(BiasAct(2, "once"), X)[0].startswith("missing graph: the gradient of input 0")
