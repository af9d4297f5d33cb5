"""Style mixing (arXiv:1812.04948, section 3.1)."""

from typing import cast

import torch
from torch import Tensor

from ..models import MappingNetwork


def mix_styles(
    mapping: MappingNetwork, z: Tensor, z_other: Tensor, labels: Tensor | None, probability: float
) -> Tensor:
    """Styles of two latents per sample: with a probability, a sample switches to the second at a random layer.

    Style mixing of arXiv:1812.04948, section 3.1.

    Args:
        mapping: of a generator.
        z: first latents, ``(N, z_dim)``.
        z_other: second latents, ``(N, z_dim)``.
        labels: ``(N,)`` ints or ``(N, num_labels)``, of both; None without labels.
        probability: of a switch, in [0, 1].

    Returns:
        ``(N, num_ws, w_dim)``.

    Example:
        >>> import torch
        >>> from stylelayers import MappingNetwork
        >>> from stylelayers.training import mix_styles
        >>> mix_styles(MappingNetwork(4, 8, 6), torch.randn(2, 4), torch.randn(2, 4), None, 0.9).shape
        torch.Size([2, 6, 8])
    """
    if not probability or mapping.num_ws < 2:
        return cast(Tensor, mapping(z, labels))
    both = mapping(torch.cat([z, z_other]), None if labels is None else torch.cat([labels, labels]))
    ws, others = both.chunk(2)
    batch, layers = ws.shape[:2]
    switch = torch.randint(1, layers, (batch, 1), device=ws.device)
    switch = torch.where(torch.rand(batch, 1, device=ws.device) < probability, switch, layers)
    first = torch.arange(layers, device=ws.device) < switch
    return torch.where(first.unsqueeze(-1), ws, others)
