"""A learned bias and an activation as one layer."""

import torch
from torch import Tensor, nn

from .._checks import check_ints
from ..functional import bias_act
from ..functional.bias_act import activate, add_bias, check_activation, split_gain
from ._describe import non_default_arguments
from ._names import answers_to_other_names


@answers_to_other_names
class BiasAct(nn.Module):
    """``clamp(gain * act(x + bias))`` along dimension 1; see :func:`stylelayers.functional.bias_act`.

    The activation of StyleGAN2, arXiv:1912.04958, appendix B.

    Args:
        num_channels: length of the bias.
        activation: a name that :func:`stylelayers.functional.bias_act` knows.
        alpha, gain: shape parameter and gain of the activation; None for its own.
        clamp: the output's largest magnitude, above 0; None for no limit.

    Shape:
        ``(N, num_channels, *)``, unchanged.

    Attributes:
        bias: ``(num_channels,)``, initially 0.

    Raises:
        ValueError: an unknown activation, or constants out of range.

    Example:
        >>> import torch
        >>> from stylelayers import BiasAct
        >>> BiasAct(8)(torch.randn(2, 8, 4, 4)).shape
        torch.Size([2, 8, 4, 4])
    """

    def __init__(
        self,
        num_channels: int,
        activation: str = "lrelu",
        *,
        alpha: float | None = None,
        gain: float | None = None,
        clamp: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_ints("BiasAct", num_channels=num_channels)
        check_activation("BiasAct", activation, alpha=alpha, gain=gain, clamp=clamp)
        self.num_channels, self.activation = num_channels, activation
        self.alpha, self.gain, self.clamp = alpha, gain, clamp
        self.bias = nn.Parameter(torch.empty(num_channels, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.bias)

    @property
    def gain_before(self) -> float:
        """The part of the gain that the layer before may apply, where it costs nothing, as `applied_gain`."""
        return split_gain(self.activation, self.gain)[0]

    def forward(self, x: Tensor, *, applied_gain: float | None = None) -> Tensor:
        """Add the bias and activate.

        Args:
            x: the input.
            applied_gain: :attr:`gain_before` if `x` has been multiplied by it and was made for this call alone: it is
                overwritten. None for an input as it is.
        """
        if applied_gain is None:
            return bias_act(
                x, self.bias, activation=self.activation, alpha=self.alpha, gain=self.gain, clamp=self.clamp
            )
        late = split_gain(self.activation, self.gain)[1]
        y = add_bias(x, self.bias if applied_gain == 1 else self.bias * applied_gain)
        return activate(y, self.activation, alpha=self.alpha, gain=late, clamp=self.clamp)

    def extra_repr(self) -> str:
        options = non_default_arguments(alpha=(self.alpha, None), gain=(self.gain, None), clamp=(self.clamp, None))
        return f"{self.num_channels}, {self.activation!r}{options}"
