"""Latents of seeds, and paths between latents."""

from collections.abc import Sequence

import torch
from torch import Tensor

_SEEDS = 1 << 63


def source_of_seed(caller: str, seed: int) -> torch.Generator:
    """A random source on the CPU, so that random numbers depend on neither the batch nor the device.

    Raises:
        ValueError: a seed outside [0, 2**63).
    """
    if not 0 <= seed < _SEEDS:
        raise ValueError(f"{caller}: seeds must be in [0, 2**63), got {seed}")
    return torch.Generator().manual_seed(seed)


def latents_of_seeds(
    seeds: Sequence[int | torch.Generator], z_dim: int, *, device: torch.device | str = "cpu"
) -> Tensor:
    """Unit normal z of each seed or random source, independent of the others.

    Args:
        seeds: in [0, 2**63), or random sources on the CPU.
        z_dim: length of z.
        device: where the latents go; they are drawn on the CPU, so that they are the same everywhere.

    Shape:
        ``(len(seeds), z_dim)``.

    Raises:
        ValueError: a seed out of range.

    Example:
        >>> from stylelayers.explore import latents_of_seeds
        >>> bool((latents_of_seeds([3, 8], 64)[1] == latents_of_seeds([8], 64)[0]).all())
        True
    """
    z = torch.empty(len(seeds), z_dim)
    for row, seed in zip(z, seeds, strict=True):
        source = seed if isinstance(seed, torch.Generator) else source_of_seed("latents_of_seeds", seed)
        row.normal_(generator=source)
    return z.to(device)


def slerp(start: Tensor, end: Tensor, t: Tensor | float) -> Tensor:
    r"""Spherical interpolation: :math:`(\sin((1-t)\omega)\,a + \sin(t\omega)\,b) / \sin\omega`, ω the angle.

    Unit normal latents of many dimensions lie near a sphere, which straight lines leave and these paths do not.

    Args:
        start, end: latents, not necessarily of unit length; between parallel ones the path is straight.
        t: 0 at the start, 1 at the end; broadcast against the leading dimensions.

    Shape:
        ``(*, D)``, ``(*, D)``, ``(*, 1)`` → ``(*, D)``.

    Example:
        >>> import torch
        >>> from stylelayers.explore import slerp
        >>> slerp(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.5)
        tensor([0.7071, 0.7071])
    """
    t = torch.as_tensor(t, dtype=start.dtype, device=start.device)
    lengths = start.norm(dim=-1, keepdim=True) * end.norm(dim=-1, keepdim=True)
    cosine = (start * end).sum(-1, keepdim=True) / torch.where(lengths > 0, lengths, 1.0)
    parallel = 1 - cosine.square() < torch.finfo(start.dtype).eps
    angle = torch.where(parallel, 0.0, cosine).acos()
    curved = (((1 - t) * angle).sin() * start + (t * angle).sin() * end) / angle.sin()
    return torch.where(parallel, torch.lerp(start, end, t.expand_as(angle * t)), curved)
