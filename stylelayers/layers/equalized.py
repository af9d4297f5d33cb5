"""Layers with an equalized learning rate (ProgressiveGAN, arXiv:1710.10196, section 4.1).

Weights are stored with unit variance and multiplied in ``forward`` by the constant of He initialization, so that an
optimizer that normalizes gradients (Adam) changes all layers at the same relative rate.

Differences from published implementations: the scale is an explicit product in ``forward`` (no hooks, which would
rename state-dict keys), and bias and activation are one operator.
"""

from collections.abc import Sequence
from math import prod, sqrt
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_ints, check_number
from ..functional import resample_conv2d
from ..functional._autocast import in_dtype_of
from ..functional.bias_act import activate, check_activation, split_gain
from ._describe import non_default_arguments
from ._names import answers_to_other_names
from ._resampling import Resampling, same_padding


@answers_to_other_names
class EqualLinear(nn.Module):
    r"""Linear layer: :math:`act(x \, (s W)^T + m b)`, :math:`s = gain \cdot m / \sqrt{fan\_in}` (m: multiplier).

    The learning rate is equalized (arXiv:1710.10196, section 4.1): stored weights are of unit variance and scaled in
    every call.

    Args:
        in_features, out_features: sizes, at least 1.
        bias: learn a bias.
        bias_init: initial value of the bias as it is used.
        lr_multiplier: learning-rate factor relative to the other layers, above 0.
        gain: factor on the weights; sqrt(2) is He scaling.
        activation: a name that :func:`stylelayers.functional.bias_act` knows, with its default gain.
        clamp: the output's largest magnitude, None for no limit.

    Shape:
        ``(*, in_features)`` → ``(*, out_features)``.

    Attributes:
        weight: ``(out_features, in_features)``, initially normal with standard deviation ``1 / lr_multiplier``,
            which the scale undoes: the weight as used starts with variance ``gain**2 / fan_in``.
        bias: ``(out_features,)``, initially ``bias_init / lr_multiplier``.

    Raises:
        ValueError: arguments out of range, or unknown names (at construction); an input without `in_features` numbers
            (at call).

    Example:
        >>> import torch
        >>> from stylelayers import EqualLinear
        >>> EqualLinear(64, 10, activation="lrelu")(torch.randn(4, 64)).shape
        torch.Size([4, 10])
    """

    in_features: int
    out_features: int
    bias_init: float
    lr_multiplier: float
    gain: float
    activation: str
    clamp: float | None
    scale: float
    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        bias_init: float = 0.0,
        lr_multiplier: float = 1.0,
        gain: float = 1.0,
        activation: str = "linear",
        clamp: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_ints("EqualLinear", in_features=in_features, out_features=out_features)
        check_activation("EqualLinear", activation, clamp=clamp)
        check_number("EqualLinear", above=0, lr_multiplier=lr_multiplier)
        self.in_features, self.out_features = in_features, out_features
        self.bias_init, self.lr_multiplier, self.gain = bias_init, lr_multiplier, gain
        self.activation, self.clamp = activation, clamp
        self.scale = gain * lr_multiplier / sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(out_features, in_features, device=device, dtype=dtype))
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(out_features, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=1 / self.lr_multiplier)
        if self.bias is not None:
            nn.init.constant_(self.bias, self.bias_init / self.lr_multiplier)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim < 1 or x.shape[-1] != self.in_features:
            raise ValueError(f"EqualLinear: x must be (*, {self.in_features}), got {tuple(x.shape)}")
        x = in_dtype_of(self.weight, x, "EqualLinear")
        early, late = split_gain(self.activation, None)
        y = nn.functional.linear(x, self.weight * (self.scale * early), _times(self.bias, self.lr_multiplier * early))
        return activate(y, self.activation, gain=late, clamp=self.clamp)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}" + non_default_arguments(
            activation=(self.activation, "linear"),
            bias_init=(self.bias_init, 0.0),
            lr_multiplier=(self.lr_multiplier, 1.0),
            gain=(self.gain, 1.0),
            clamp=(self.clamp, None),
        )


@answers_to_other_names
class EqualConv2d(nn.Module):
    r"""Same-size or resampling convolution: :math:`act(conv(x, s W) + b)`, :math:`s = gain / \sqrt{fan\_in}`.

    The learning rate is equalized (arXiv:1710.10196, section 4.1): stored weights are of unit variance and scaled in
    every call.

    Args:
        in_channels, out_channels: at least 1.
        kernel_size: odd or even, at least 1; even kernels reach one pixel further to the right and bottom.
        resample: ``"up"`` doubles the size, ``"down"`` halves it, None keeps it.
        resample_filter: FIR low-pass of the resampling, 1-D or 2-D.
        bias: learn a bias.
        gain: factor on the weights; sqrt(2) is He scaling.
        activation: a name that :func:`stylelayers.functional.bias_act` knows.
        padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.
        resample_method: ``"fir"`` (default with zeros) or ``"nearest"`` (default with the other paddings); see
            :class:`stylelayers.ModulatedConv2d`.
        activation_gain: gain after the activation, None for the activation's own.
        clamp: the output's largest magnitude, None for no limit.

    Shape:
        ``(N, in_channels, H, W)`` → ``(N, out_channels, H, W)``, doubled or halved.

    Attributes:
        weight: ``(out_channels, in_channels, kernel_size, kernel_size)``, initially unit normal.
        bias: ``(out_channels,)``, initially 0.

    Raises:
        ValueError: arguments out of range, or unknown names (at construction); an input of another shape (at call).

    Example:
        >>> import torch
        >>> from stylelayers import EqualConv2d
        >>> EqualConv2d(3, 8, 3, resample="down", activation="lrelu")(torch.randn(2, 3, 16, 16)).shape
        torch.Size([2, 8, 8, 8])
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        resample: str | None = None,
        resample_filter: Sequence[Any] = (1, 3, 3, 1),
        bias: bool = True,
        gain: float = 1.0,
        activation: str = "linear",
        padding_mode: str = "zeros",
        resample_method: str | None = None,
        activation_gain: float | None = None,
        clamp: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        caller = "EqualConv2d"
        check_ints(caller, in_channels=in_channels, out_channels=out_channels, kernel_size=kernel_size)
        if activation_gain is not None:
            check_number(caller, above=0, activation_gain=activation_gain)
        check_activation(caller, activation, clamp=clamp)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.activation, self.activation_gain, self.clamp, self.gain = activation, activation_gain, clamp, gain
        self.resampling = Resampling.from_arguments(caller, resample, resample_method, resample_filter, padding_mode)
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.scale = gain / sqrt(prod(shape[1:]))
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        early, late = split_gain(self.activation, self.activation_gain)
        y = resample_conv2d(
            in_dtype_of(self.weight, x, "EqualConv2d"),
            self.weight * (self.scale * early),
            _times(self.bias, early),
            up=self.resampling.up,
            down=self.resampling.down,
            padding=same_padding(self.kernel_size),
            padding_mode=self.resampling.padding_mode,
            kernel=self.resampling.taps,
            resample_method=self.resampling.method,
        )
        return activate(y, self.activation, gain=late, clamp=self.clamp)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}{self.resampling}, "
            f"bias={self.bias is not None}, activation={self.activation!r}"
        ) + non_default_arguments(
            gain=(self.gain, 1.0), activation_gain=(self.activation_gain, None), clamp=(self.clamp, None)
        )


def _times(bias: Tensor | None, factor: float) -> Tensor | None:
    return bias if bias is None or factor == 1 else bias * factor
