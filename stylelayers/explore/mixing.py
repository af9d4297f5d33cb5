"""Style mixing (arXiv:1812.04948, section 3.1): coarse styles of one image, fine styles of another."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..models import StyleGenerator
from .sampling import default_batch, synthesize


def mixing_table(
    generator: StyleGenerator,
    rows: Tensor,
    columns: Tensor,
    layers: Sequence[int],
    *,
    noise: str | None = None,
    batch: int | None = None,
) -> Iterator[Tensor]:
    """Images of a table, row by row: the columns' sources in the first row, the rows' in the first column.

    Style mixing of arXiv:1812.04948, section 3.1, figure 3.

    Args:
        generator: in evaluation mode.
        rows, columns, layers: as in :func:`mixed_styles_grid`.
        noise, batch: as in :func:`stylelayers.explore.synthesize`.

    Shape:
        batches of ``(n, image_channels, height, width)``, ``(R + 1) * (C + 1)`` images in total; the first is black.

    Raises:
        ValueError: no layers, layers out of range, or arguments that do not fit the generator.

    Example:
        >>> import torch
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import mixing_table, styles_of_seeds
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16).eval()
        >>> rows, columns = styles_of_seeds(generator, [0]), styles_of_seeds(generator, [1, 2])
        >>> torch.cat(list(mixing_table(generator, rows, columns, layers=[0, 1]))).shape
        torch.Size([6, 3, 8, 8])
    """
    check_layers("mixing_table", layers, rows.shape[1])
    yield rows.new_full((1, generator.image_channels, *generator.resolution), -1)
    yield from synthesize(generator, columns, noise=noise, batch=batch)
    rows_per_batch = max(1, (batch or default_batch(generator)) // (len(columns) + 1))
    for some in rows.split(rows_per_batch):
        cells = torch.cat([some[:, None], mixed_styles_grid(some, columns, layers)], dim=1)
        yield from synthesize(generator, cells.flatten(0, 1), noise=noise, batch=batch)


def mixed_styles_grid(rows: Tensor, columns: Tensor, layers: Sequence[int]) -> Tensor:
    """Styles of every row, with those of every column in the given layers (arXiv:1812.04948, section 3.1).

    Args:
        rows, columns: styles.
        layers: indices of layers, 0 the coarsest.

    Shape:
        ``(R, num_ws, w_dim)``, ``(C, num_ws, w_dim)`` → ``(R, C, num_ws, w_dim)``.

    Raises:
        ValueError: no layers, or layers out of range.

    Example:
        >>> import torch
        >>> from stylelayers.explore import mixed_styles_grid
        >>> mixed_styles_grid(torch.zeros(2, 4, 1), torch.ones(3, 4, 1), [0, 1])[1, 2, :, 0]
        tensor([1., 1., 0., 0.])
    """
    check_layers("mixed_styles_grid", layers, rows.shape[1])
    replaced = torch.zeros(rows.shape[1], 1, dtype=torch.bool, device=rows.device)
    replaced[list(layers)] = True
    return torch.where(replaced, columns[None], rows[:, None])


def check_layers(caller: str, layers: Sequence[int], num_ws: int) -> None:
    """Raise a ValueError unless there is at least one layer and all are in [0, num_ws)."""
    if not layers or not all(0 <= layer < num_ws for layer in layers):
        raise ValueError(f"{caller}: layers must be in [0, {num_ws}), at least one, got {list(layers)}")
