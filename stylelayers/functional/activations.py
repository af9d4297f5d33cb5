"""The activations that `bias_act` knows by name, their derivatives, and how to add one.

A derivative is written through the activation's *output* where it can be (one saved tensor serves forward
and backward, and nothing overflows: tanh' = 1 - y², softplus' = 1 - exp(-y)), else through its input.
It is made of differentiable torch operators, so derivatives of every order follow from it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from .._checks import check_choice

_aten = torch.ops.aten
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772, 1.0507009873554805


@dataclass(frozen=True)
class Activation:
    """An elementwise function with its derivative and default constants.

    Attributes:
        function: ``function(x)``, or ``function(x, alpha)`` if there is an `alpha`.
        backward: ``backward(grad, value[, alpha])`` = grad times the derivative; None leaves it to autograd.
        through: whether `value` is the function's ``"output"`` or its ``"input"``.
        alpha: default of the function's shape parameter; None if it has none.
        least_alpha: lower bound of `alpha`.
        gain: default gain of `bias_act`, which keeps unit variance.
        homogeneous: scaling the input by c > 0 scales the output by c; `backward` then sees the output's sign.
        in_place: `function`, overwriting its input; None if there is none.
        backward_in_place: `backward`, overwriting `grad`; None if there is none.
    """

    function: Callable[..., Tensor]
    backward: Callable[..., Tensor] | None = None
    through: str = "output"
    alpha: float | None = None
    least_alpha: float = -inf
    gain: float = 1.0
    homogeneous: bool = False
    in_place: Callable[..., Tensor] | None = None
    backward_in_place: Callable[..., Tensor] | None = None


def register_activation(
    name: str,
    function: Callable[..., Tensor],
    *,
    derivative: Callable[..., Tensor] | None = None,
    through: str = "output",
    alpha: float | None = None,
    least_alpha: float = -inf,
    gain: float = 1.0,
) -> None:
    """Add an activation under a new name, which then works wherever an activation is named.

    Args:
        name: the new name.
        function: elementwise ``function(x)``; ``function(x, alpha)`` if `alpha` is given.
        derivative: elementwise derivative, called as `function` is, with the output or the input of the
            function, made of differentiable torch operators; None has autograd derive it.
        through: what `derivative` is a function of, ``"output"`` (saves memory) or ``"input"``.
        alpha: default of the shape parameter, which :func:`bias_act` takes under the same name.
        least_alpha: lower bound that :func:`bias_act` checks it against.
        gain: default gain; choose it so that normal input gives output of unit mean square.

    Raises:
        ValueError: a name that is empty or taken, or another `through`.

    Example:
        >>> import torch
        >>> from stylelayers.functional import bias_act, register_activation
        >>> register_activation("sine", torch.sin, derivative=torch.cos, through="input")
        >>> bias_act(torch.zeros(1, 3), activation="sine")
        tensor([[0., 0., 0.]])
    """
    if not name or name in _ACTIVATIONS:
        raise ValueError(f"register_activation: name must be new, got {name!r}, which is taken or empty")
    check_choice("register_activation", "through", through, ("output", "input"))
    backward = None if derivative is None else _times(derivative)
    _ACTIVATIONS[name] = Activation(function, backward, through, alpha, least_alpha, gain)


def get_activation(caller: str, name: str) -> Activation:
    """Look an activation up by name; an unknown name is a ValueError of `caller` that lists the known ones."""
    if name not in _ACTIVATIONS:  # without a call, which every bias_act would pay for
        check_choice(caller, "activation", name, _ACTIVATIONS)
    return _ACTIVATIONS[name]


def activation_names() -> tuple[str, ...]:
    """The names that :func:`bias_act` and the layers accept, in the order in which they were registered.

    Returns:
        The names, those of :func:`register_activation` last.

    Example:
        >>> from stylelayers.functional import activation_names
        >>> activation_names()[:3]
        ('linear', 'relu', 'lrelu')
    """
    return tuple(_ACTIVATIONS)


def _times(derivative: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda grad, *value_and_alpha: grad * derivative(*value_and_alpha)


def _elu_backward(grad: Tensor, y: Tensor, alpha: float) -> Tensor:
    return torch.where(y > 0, grad, grad * (y + alpha))


def _selu_backward(grad: Tensor, y: Tensor) -> Tensor:
    return grad * torch.where(y > 0, _SELU_SCALE, y + _SELU_SCALE * _SELU_ALPHA)


def _snake(x: Tensor, alpha: float) -> Tensor:
    wave = torch.sin(x * alpha)
    return torch.addcmul(x, wave, wave, value=1 / alpha)


def _snake_(x: Tensor, alpha: float) -> Tensor:
    wave = torch.sin(x * alpha)
    return x.add_(wave.mul_(wave), alpha=1 / alpha)


def _snake_derivative(x: Tensor, alpha: float) -> Tensor:
    return 1 + torch.sin(x * (2 * alpha))


def _swish_derivative(x: Tensor) -> Tensor:
    s = torch.sigmoid(x)
    return s * (1 + x * (1 - s))


_ACTIVATIONS = {
    "linear": Activation(lambda x: x, in_place=lambda x: x),
    "relu": Activation(
        torch.relu,
        lambda grad, y: _aten.threshold_backward(grad, y, 0.0),
        gain=sqrt(2),
        homogeneous=True,
        in_place=torch.relu_,
        backward_in_place=lambda grad, y: _aten.threshold_backward(grad, y, 0.0, grad_input=grad),
    ),
    "lrelu": Activation(
        F.leaky_relu,
        lambda grad, y, alpha: _aten.leaky_relu_backward(grad, y, alpha, True),
        alpha=0.2,
        least_alpha=0.0,
        gain=sqrt(2),
        homogeneous=True,
        in_place=_aten.leaky_relu_,
        backward_in_place=lambda grad, y, alpha: _aten.leaky_relu_backward(grad, y, alpha, True, grad_input=grad),
    ),
    "tanh": Activation(torch.tanh, lambda grad, y: grad * (1 - y.square()), in_place=torch.tanh_),
    "sigmoid": Activation(torch.sigmoid, lambda grad, y: grad * (y * (1 - y)), in_place=torch.sigmoid_),
    "elu": Activation(F.elu, _elu_backward, alpha=1.0, least_alpha=1e-12, in_place=_aten.elu_),
    "selu": Activation(F.selu, _selu_backward, in_place=torch.selu_),
    "softplus": Activation(lambda x: F.softplus(x, threshold=40.0), lambda grad, y: grad * -torch.expm1(-y)),
    "swish": Activation(F.silu, _times(_swish_derivative), through="input", gain=sqrt(2), in_place=_aten.silu_),
    "snake": Activation(
        _snake, _times(_snake_derivative), through="input", alpha=1.0, least_alpha=1e-12, in_place=_snake_
    ),
}
