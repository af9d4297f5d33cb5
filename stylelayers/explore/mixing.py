"""Style mixing (arXiv:1812.04948, section 3.1): coarse styles of one picture, fine ones of another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..models import Generator
from .sampling import synthesize

__all__ = ["check_layers", "mixed_styles_grid", "mixing_table"]


def mixing_table(
    generator: Generator,
    rows: Tensor,
    columns: Tensor,
    layers: Sequence[int],
    *,
    noise: str = "const",
    batch: int | None = None,
) -> Iterator[Tensor]:
    """Images of a table in reading order: the columns' sources above, the rows' sources on the left, mixtures inside.

    Args:
        generator: in evaluation mode.
        rows, columns, layers: as in :func:`mixed_styles_grid`.
        noise, batch: as in :func:`stylelayers.explore.synthesize`.

    Shape:
        batches of ``(n, image_channels, height, width)``, ``(R + 1) * (C + 1)`` in all; the first is black.
    """
    mixed = mixed_styles_grid(rows, columns, layers)
    cells = torch.cat([columns, torch.cat([rows[:, None], mixed], dim=1).flatten(0, 1)])
    yield rows.new_full((1, generator.image_channels, *generator.resolution), -1)
    yield from synthesize(generator, cells, noise=noise, batch=batch)


def mixed_styles_grid(rows: Tensor, columns: Tensor, layers: Sequence[int]) -> Tensor:
    """Every row's styles with those of every column put into the given layers.

    Args:
        rows, columns: styles.
        layers: indices into the styles of a picture; 0 is the coarsest.

    Shape:
        ``(R, num_ws, w_dim)``, ``(C, num_ws, w_dim)`` → ``(R, C, num_ws, w_dim)``.

    Raises:
        ValueError: layers that there are not.

    Example:
        >>> import torch
        >>> from stylelayers.explore import mixed_styles_grid
        >>> mixed_styles_grid(torch.zeros(2, 4, 1), torch.ones(3, 4, 1), [0, 1])[1, 2, :, 0]
        tensor([1., 1., 0., 0.])
    """
    check_layers(layers, rows.shape[1])
    taken = torch.zeros(rows.shape[1], 1, dtype=torch.bool, device=rows.device)
    taken[list(layers)] = True
    return torch.where(taken, columns[None], rows[:, None])


def check_layers(layers: Sequence[int], num_ws: int) -> None:
    """Raise a ValueError unless there is at least one layer and all are in [0, num_ws)."""
    if not layers or not all(0 <= layer < num_ws for layer in layers):
        raise ValueError(f"layers must be in [0, {num_ws}), at least one, got {list(layers)}")
