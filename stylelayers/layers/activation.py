"""A learned bias and an activation as one layer."""

import torch
from torch import Tensor, nn

from .._checks import check_ints
from ..functional import bias_act
from ..functional.bias_act import check_activation
from ._describe import non_default_arguments
from ._names import answers_to_other_names


@answers_to_other_names
class BiasAct(nn.Module):
    """``clamp(gain * act(x + bias))`` along dimension 1; see :func:`stylelayers.functional.bias_act`.

    Args:
        num_channels: length of the bias.
        activation: a name that `bias_act` knows.
        alpha, gain, clamp: constants; None for the activation's own and for no clamp.

    Shape:
        ``(N, num_channels, *)``, unchanged.

    Attributes:
        bias: ``(num_channels,)``, initially 0.

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

    def forward(self, x: Tensor) -> Tensor:
        return bias_act(x, self.bias, activation=self.activation, alpha=self.alpha, gain=self.gain, clamp=self.clamp)

    def extra_repr(self) -> str:
        options = non_default_arguments(alpha=(self.alpha, None), gain=(self.gain, None), clamp=(self.clamp, None))
        return f"{self.num_channels}, {self.activation!r}{options}"
