"""Bias, activation, gain and clamp as one operator that saves one tensor, its output.

Plain torch keeps the biased input, the activation's output and the clamp's mask for the backward pass. Here
the derivative is computed from the output alone (from the input for activations that need it), by
differentiable operators, so that backward can itself be differentiated, any number of times.
StyleGAN2 (arXiv:1912.04958, appendix B) names the constants: slope 0.2, gain sqrt(2).
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from .._checks import check_number
from ._autocast import in_dtype
from ._function import FastFunction, needs_plain_operators, records_gradients
from .activations import Activation, get_activation

_aten = torch.ops.aten


def bias_act(
    x: Tensor,
    bias: Tensor | None = None,
    *,
    dim: int = 1,
    activation: str = "linear",
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
) -> Tensor:
    r"""Compute :math:`\mathrm{clamp}(gain \cdot act(x + bias))`.

    Module: :class:`stylelayers.BiasAct`. Add activations with
    :func:`stylelayers.functional.register_activation`.

    Args:
        x: floating-point tensor of any rank that has dimension `dim`.
        bias: one number an index of `dim`; cast to `x`'s dtype.
        dim: dimension that `bias` runs along.
        activation: linear, relu, lrelu, tanh, sigmoid, elu, selu, softplus, swish, snake (x + sin²(alpha x) / alpha,
            arXiv:2006.08195) or a registered name.
        alpha: slope of lrelu (0.2, at least 0), scale of elu (1.0, above 0) or frequency of snake (1.0, above 0); the
            other built-in ones have none.
        gain: factor on the result, above 0; default sqrt(2) for relu, lrelu and swish, else 1.
        clamp: the result's largest magnitude, above 0; None for no limit. The derivative is 0 beyond it.

    Shape:
        `x` any with ``x.shape[dim] == C``, `bias` ``(C,)`` → `x`'s shape.

    Raises:
        ValueError: unknown activation, constants out of range, integer `x`, or a bias that does not fit.

    Example:
        >>> import torch
        >>> from stylelayers.functional import bias_act
        >>> bias_act(torch.tensor([[-1.0, 1.0]]), activation="lrelu", gain=1.0)
        tensor([[-0.2000,  1.0000]])
    """
    settings = make_settings("bias_act", activation, alpha, gain, clamp)
    if not x.is_floating_point() or not -x.ndim <= dim < x.ndim:
        raise ValueError(f"bias_act: x must be floating-point with a dimension {dim}, got {x.dtype} {tuple(x.shape)}")
    if bias is not None:
        if bias.shape != (x.shape[dim],):
            raise ValueError(f"bias_act: bias must be ({x.shape[dim]},), got {tuple(bias.shape)}")
        shape = [1] * x.ndim
        shape[dim] = -1
        bias = in_dtype(bias, x.dtype).reshape(shape)
        if settings.activation.through == "input":
            bias = bias.clone()  # keep the parameter out of the graph: FSDP frees it between two backward passes
    if needs_plain_operators() or settings.activation.backward is None:
        return _forward(x, bias, settings)
    if not records_gradients(x, bias):
        return _forward(x, bias, settings, in_place=True)
    return cast(Tensor, _BiasAct.apply(x, bias, dim % x.ndim, settings))


def split_gain(activation: str, gain: float | None) -> tuple[float, float]:
    """The gain, None for the activation's own, as a factor on the input and one on the output.

    A homogeneous activation, such as lrelu, takes all of it on the input, where a layer has it for nothing: as a
    factor on its weight and bias.
    """
    known = get_activation("bias_act", activation)
    gain = known.gain if gain is None else gain
    return (gain, 1.0) if known.homogeneous else (1.0, gain)


def add_bias(x: Tensor, bias: Tensor) -> Tensor:
    """``x + bias`` along dimension 1, of a tensor that was just made for it: `x` is overwritten where it can be."""
    bias = in_dtype(bias, x.dtype).view(-1, *[1] * (x.ndim - 2))
    in_transform = torch._C._are_functorch_transforms_active()  # type: ignore[attr-defined]
    return x + bias if in_transform or needs_plain_operators() else x.add_(bias)


def activate(
    x: Tensor, activation: str, *, alpha: float | None = None, gain: float = 1.0, clamp: float | None = None
) -> Tensor:
    """``bias_act`` without a bias, of a tensor that was just made for it: `x` is overwritten where that saves memory.

    Then the output, which is the next layer's input, is all that is saved.
    """
    known = get_activation("bias_act", activation)
    overwritten = known.through == "output" and known.in_place is not None and gain == 1 and clamp is None
    if not overwritten or needs_plain_operators():
        return bias_act(x, dim=-1, activation=activation, alpha=alpha, gain=gain, clamp=clamp)
    alpha = known.alpha if alpha is None else alpha
    return cast(Any, known.in_place)(x, *(() if alpha is None else (alpha,)))


def check_activation(
    caller: str,
    activation: str,
    *,
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
) -> None:
    """Check the constants of a layer when it is built, as `bias_act` would when it is called."""
    make_settings(caller, activation, alpha, gain, clamp)


@dataclass(frozen=True)  # a tuple would be a pytree, which the transforms of torch.func take apart
class Settings:
    name: str
    activation: Activation
    alpha: tuple[float, ...]  # empty for activations without one
    gain: float
    clamp: float | None

    def scale_by_derivative(self, grad: Tensor, y: Tensor, biased: Tensor | None) -> Tensor:
        """`grad` times d output / d input, from the output `y` or from the `biased` input."""
        if self.clamp is not None:
            grad = _aten.hardtanh_backward(grad, y, -self.clamp, self.clamp)  # not by a mask, which is slow
        backward = cast(Any, self.activation.backward)
        if biased is None:
            biased = y if self.gain == 1 or self.activation.homogeneous else y / self.gain
        grad = backward(grad, biased, *self.alpha)
        return _scale(grad, self.gain, in_place=not torch.is_grad_enabled())


def make_settings(caller: str, name: str, alpha: float | None, gain: float | None, clamp: float | None) -> Settings:
    activation = get_activation(caller, name)
    if alpha is not None and activation.alpha is None:
        raise ValueError(f"{caller}: activation {name!r} takes no alpha, got {alpha}")
    alpha = activation.alpha if alpha is None else alpha
    gain = activation.gain if gain is None else gain
    if alpha is not None and not alpha >= activation.least_alpha:
        check_number(caller, least=activation.least_alpha, alpha=alpha)
    if not gain > 0 or (clamp is not None and not clamp > 0):
        check_number(caller, above=0, gain=gain, clamp=1 if clamp is None else clamp)
    return Settings(name, activation, () if alpha is None else (alpha,), gain, clamp)


class _BiasAct(FastFunction):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, bias: Tensor | None, dim: int, settings: Settings) -> Tensor:
        return _forward(x, bias, settings, in_place=True)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, bias, dim, ctx.settings = inputs
        ctx.summed_dims = [d for d in range(x.ndim) if d != dim]
        if ctx.settings.activation.through == "input":
            ctx.save_for_backward(output if ctx.settings.clamp is not None else None, x, bias)
        else:
            ctx.save_for_backward(output, None, None)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        y, x, bias = ctx.saved_tensors
        biased = None if x is None else x if bias is None else x + bias
        grad = ctx.settings.scale_by_derivative(grads[0], y, biased)
        wants_bias = ctx.needs_input_grad[1]
        return grad, _sum(grad, ctx.summed_dims) if wants_bias else None, None, None


def _sum(grad: Tensor, dims: list[int]) -> Tensor:
    return grad.sum(dims, keepdim=True) if dims else grad


def _forward(x: Tensor, bias: Tensor | None, settings: Settings, in_place: bool = False) -> Tensor:
    """`in_place` overwrites what is made on the way, for calls that leave no graph."""
    activation = settings.activation
    early, late = (settings.gain, 1.0) if activation.homogeneous else (1.0, settings.gain)
    y = _scale(x, early) if bias is None else _scaled_sum(x, bias, early)
    in_place = in_place and y is not x and activation.in_place is not None
    function = cast(Any, activation.in_place if in_place else activation.function)
    y = function(y, *settings.alpha)
    y = _scale(y, late, in_place)
    if settings.clamp is not None:
        y = y.clamp(-settings.clamp, settings.clamp)
    return y


def _scaled_sum(x: Tensor, bias: Tensor, factor: float) -> Tensor:
    if torch.compiler.is_compiling():
        return _scale(x + bias, factor)  # inductor of torch 2.11 to 2.14 loses `alpha` if x is a matrix product
    return torch.add(_scale(bias, factor), x, alpha=factor)


def _scale(x: Tensor, factor: float, in_place: bool = False) -> Tensor:
    if factor == 1:
        return x
    return x.mul_(factor) if in_place else x * factor
