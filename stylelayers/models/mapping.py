"""The mapping network of StyleGAN (arXiv:1812.04948, section 2), with labels and truncation.

Difference from published implementations: labels may be class numbers as well as one-hot rows.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import torch
from torch import Tensor, nn

from .._checks import check_ints
from ..functional import pixel_norm
from ..functional._buffers import move_buffer
from ..layers import EqualLinear
from ..layers._names import answers_to_other_names
from ._inputs import as_floating, as_labels, as_one_hot, example_labels
from .summary import Summarized


@answers_to_other_names
class MappingNetwork(Summarized):
    """Map latents, and labels of a conditional network, to the styles of a synthesis network.

    From arXiv:1812.04948, section 2; truncation is that of appendix B.

    Args:
        z_dim: length of z; 0 maps labels alone.
        w_dim: length of w.
        num_ws: copies of w to return, one for each layer of the synthesis network.
        num_layers: depth, at least 1.
        num_labels: classes, or numbers in a label vector; 0 for an unconditional network. Labels are embedded and
            joined to z.
        hidden_dim: width of the hidden layers, default `w_dim`.
        lr_multiplier: learning-rate factor of the layers, above 0; see :class:`stylelayers.EqualLinear`.
        activation: a name that :func:`stylelayers.functional.bias_act` knows.
        w_mean_decay: decay of the running mean of w per training batch; None tracks no mean (and allows no truncation).

    Shape:
        `z` ``(N, z_dim)``, `labels` ``(N,)`` ints or ``(N, num_labels)`` → ``(N, num_ws, w_dim)``.

    Attributes:
        w_mean: ``(w_dim,)`` buffer, initially 0, updated by every call in training mode.

    Raises:
        ValueError: sizes out of range (at construction); latents or labels that do not fit, or truncation without a
            mean (at call).

    Example:
        >>> import torch
        >>> from stylelayers import MappingNetwork
        >>> MappingNetwork(64, 32, 6)(torch.randn(4, 64), truncation_psi=0.7).shape
        torch.Size([4, 6, 32])
    """

    z_dim: int
    w_dim: int
    num_ws: int
    num_labels: int
    embed: EqualLinear | None
    layers: nn.Sequential
    w_mean: Tensor | None

    def __init__(
        self,
        z_dim: int,
        w_dim: int,
        num_ws: int,
        *,
        num_layers: int = 8,
        num_labels: int = 0,
        hidden_dim: int | None = None,
        lr_multiplier: float = 0.01,
        activation: str = "lrelu",
        w_mean_decay: float | None = 0.998,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        caller = "MappingNetwork"
        check_ints(caller, w_dim=w_dim, num_ws=num_ws, num_layers=num_layers)
        check_ints(caller, least=0, z_dim=z_dim, num_labels=num_labels)
        if z_dim + num_labels == 0:
            raise ValueError(f"{caller}: z_dim or num_labels must be an int of at least 1, got 0 for both")
        self.z_dim, self.w_dim, self.num_ws, self.num_labels = z_dim, w_dim, num_ws, num_labels
        self.w_mean_decay = w_mean_decay
        self.embed = EqualLinear(num_labels, w_dim, device=device, dtype=dtype) if num_labels else None
        hidden = hidden_dim or w_dim
        widths = [z_dim + (w_dim if num_labels else 0), *[hidden] * (num_layers - 1), w_dim]
        self.layers = nn.Sequential(
            *(
                EqualLinear(
                    fan_in, fan_out, lr_multiplier=lr_multiplier, activation=activation, device=device, dtype=dtype
                )
                for fan_in, fan_out in pairwise(widths)
            )
        )
        mean = None if w_mean_decay is None else torch.empty(w_dim, device=device, dtype=dtype)
        self.register_buffer("w_mean", mean)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        for layer in (*([self.embed] if self.embed is not None else []), *self.layers):
            layer.reset_parameters()  # type: ignore[operator]
        if self.w_mean is not None:
            nn.init.zeros_(self.w_mean)

    def example_inputs(self) -> tuple[Tensor, ...]:
        dtype = next(self.parameters()).dtype
        return (torch.empty(1, self.z_dim, dtype=dtype, device="meta"), *example_labels(self.num_labels, dtype))

    def forward(
        self,
        z: Tensor | None,
        labels: Tensor | Sequence[int] | int | None = None,
        *,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
    ) -> Tensor:
        """Map to styles.

        Args:
            z: latents; None if `z_dim` is 0. A NumPy array is converted to the dtype and device of the network.
            labels: required by a conditional network, refused by another. A tensor, an array, a list, or one class
                number for all samples.
            truncation_psi: 1 leaves w as it is; smaller values move it towards its mean (arXiv:1812.04948, appendix B).
            truncation_cutoff: number of styles, from the first, to truncate; None for all.
        """
        w = self.layers(self._joined_input(z, labels))
        if self.training and self.w_mean is not None and self.w_mean_decay is not None and len(w):
            moved = self.w_mean.lerp(w.detach().mean(0).to(self.w_mean.dtype), 1 - self.w_mean_decay)
            move_buffer(self, "w_mean", torch.where(moved.isfinite(), moved, self.w_mean))
        ws = w.unsqueeze(1).expand(-1, self.num_ws, -1)
        if truncation_psi == 1:
            return ws
        if self.w_mean is None:
            raise ValueError("MappingNetwork: truncation needs the mean of w; build with w_mean_decay=0.998")
        truncated = self.w_mean.to(w.dtype).lerp(ws, truncation_psi)
        cutoff = self.num_ws if truncation_cutoff is None else truncation_cutoff
        if not 0 <= cutoff <= self.num_ws:
            raise ValueError(f"MappingNetwork: truncation_cutoff must be in [0, {self.num_ws}], got {cutoff}")
        return torch.cat([truncated[:, :cutoff], ws[:, cutoff:]], dim=1)

    def _joined_input(self, z: Any, labels: Any) -> Tensor:
        parts, batch, weight = [], None, cast(EqualLinear, self.layers[0]).weight
        if self.z_dim:
            z = as_floating("MappingNetwork", "z", z, (self.z_dim,), weight)
            parts, batch = [pixel_norm(z)], z.shape[0]
        if self.embed is not None:
            labels = as_labels("MappingNetwork", labels, self.num_labels, batch, weight)
            rows = as_one_hot("MappingNetwork", labels, self.num_labels, self.embed.weight)
            parts.append(pixel_norm(self.embed(rows)))
        elif labels is not None:
            raise ValueError("MappingNetwork: labels were given to a network with num_labels=0")
        return torch.cat(parts, dim=1)
