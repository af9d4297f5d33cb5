"""Latents that a seed names, and paths between them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["latents_of_seeds", "slerp", "sources_of_seeds"]

_SEEDS = 1 << 63


def sources_of_seeds(seeds: Sequence[int]) -> list[torch.Generator]:
    """A random source a seed, on the CPU, so that what is drawn depends on neither the batch nor the device.

    Raises:
        ValueError: a seed that is not in [0, 2**63).
    """
    for seed in seeds:
        if not 0 <= seed < _SEEDS:
            raise ValueError(f"seeds must be in [0, 2**63), got {seed}")
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def latents_of_seeds(
    seeds: Sequence[int] | Sequence[torch.Generator], z_dim: int, *, device: torch.device | str = "cpu"
) -> Tensor:
    """Unit normal z of each seed, or of each of their sources: the same whatever the others are.

    Shape:
        ``(len(seeds), z_dim)``.

    Example:
        >>> from stylelayers.explore import latents_of_seeds
        >>> bool((latents_of_seeds([3, 8], 64)[1] == latents_of_seeds([8], 64)[0]).all())
        True
    """
    sources = [seed if isinstance(seed, torch.Generator) else sources_of_seeds([seed])[0] for seed in seeds]
    z = torch.empty(len(sources), z_dim)
    for row, source in zip(z, sources, strict=True):
        row.normal_(generator=source)
    return z.to(device)


def slerp(start: Tensor, end: Tensor, t: Tensor | float) -> Tensor:
    r"""Spherical interpolation: :math:`(\sin((1-t)\omega)\,a + \sin(t\omega)\,b) / \sin\omega`, ω the angle.

    Unit normal latents of many dimensions lie near a sphere; a straight line between two leaves it, this does not.

    Args:
        start, end: latents; where they are parallel, the straight line is taken.
        t: 0 is the start, 1 the end; broadcast against the leading dimensions.

    Shape:
        ``(*, D)``, ``(*, D)``, ``(*, 1)`` → ``(*, D)``.
    """
    t = torch.as_tensor(t, dtype=start.dtype, device=start.device)
    lengths = start.norm(dim=-1, keepdim=True) * end.norm(dim=-1, keepdim=True)
    cosine = (start * end).sum(-1, keepdim=True) / torch.where(lengths > 0, lengths, 1.0)
    parallel = 1 - cosine.square() < torch.finfo(start.dtype).eps
    angle = torch.where(parallel, 0.0, cosine).acos()
    curved = (((1 - t) * angle).sin() * start + (t * angle).sin() * end) / angle.sin()
    return torch.where(parallel, torch.lerp(start, end, t.expand_as(angle * t)), curved)
