"""Bias, activation, gain and clamp under the official signature."""

from math import sqrt
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ... import functional


class _Activation(dict[str, Any]):
    """The official record of an activation, whose entries are attributes too.

    ``func(x, alpha=…)``, ``def_alpha``, ``def_gain``; ``cuda_idx``, ``ref`` and ``has_2nd_grad`` are what the compiled
    operators of theirs need.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


_NAMES = ("func", "def_alpha", "def_gain", "cuda_idx", "ref", "has_2nd_grad")
activation_funcs: dict[str, Any] = {
    name: _Activation(zip(_NAMES, values, strict=True))
    for name, *values in (
        ("linear", lambda x, **_: x, 0, 1, 1, "", False),
        ("relu", lambda x, **_: torch.relu(x), 0, sqrt(2), 2, "y", False),
        ("lrelu", lambda x, alpha, **_: F.leaky_relu(x, alpha), 0.2, sqrt(2), 3, "y", False),
        ("tanh", lambda x, **_: torch.tanh(x), 0, 1, 4, "y", True),
        ("sigmoid", lambda x, **_: torch.sigmoid(x), 0, 1, 5, "y", True),
        ("elu", lambda x, **_: F.elu(x), 0, 1, 6, "y", True),
        ("selu", lambda x, **_: F.selu(x), 0, 1, 7, "y", True),
        ("softplus", lambda x, **_: F.softplus(x), 0, 1, 8, "y", True),
        ("swish", lambda x, **_: F.silu(x), 0, sqrt(2), 9, "x", True),
    )
}


def bias_act(
    x: Tensor,
    b: Tensor | None = None,
    dim: int = 1,
    act: str = "linear",
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
    impl: str = "cuda",
) -> Tensor:
    """Compute ``clamp(gain * act(x + b))``.

    Args:
        x: tensor of any rank that has dimension `dim`.
        b: one number an index of `dim`, or None; of another dtype, the result has the common one.
        dim: dimension that `b` runs along.
        act: a key of ``activation_funcs``, which a project may add to.
        alpha: slope of lrelu; the other built-in ones ignore it. None for the default.
        gain: factor on the result; None for the default of the activation.
        clamp: the result's largest magnitude; None or a negative number for no limit.
        impl: ignored.

    Raises:
        KeyError: an unknown activation.
        ValueError: a bias that does not fit.

    Example:
        >>> import torch
        >>> from stylelayers.compat.official.bias_act import bias_act
        >>> bias_act(torch.tensor([[-1.0, 1.0]]), act="lrelu", gain=1)
        tensor([[-0.2000,  1.0000]])
    """
    record = activation_funcs[act]
    alpha = float(record.def_alpha if alpha is None else alpha)
    gain = float(record.def_gain if gain is None else gain)
    clamp = None if clamp is None or clamp < 0 else float(clamp)
    if b is None:
        dim = 0  # which is then of no matter, and a vector has no other
    elif b.dtype != x.dtype:
        x = x.to(torch.promote_types(x.dtype, b.dtype))
    if gain <= 0 or alpha < 0 or clamp == 0 or not isinstance(record, _Activation):
        return _plain(functional.bias_act(x, b, dim=dim), record.func, alpha, gain, clamp)
    slope = alpha if act == "lrelu" else None
    return functional.bias_act(x, b, dim=dim, activation=act, alpha=slope, gain=gain, clamp=clamp)


def _plain(x: Tensor, function: Any, alpha: float, gain: float, clamp: float | None) -> Tensor:
    y = function(x, alpha=alpha) * gain
    return y if clamp is None else y.clamp(-clamp, clamp)


_bias_act_ref = bias_act


def _init() -> bool:
    """Whether the operator is ready, which it always is."""
    return True
