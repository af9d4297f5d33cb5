"""What the page shows, without the page: settings → a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from PIL import Image
from torch import Tensor

from ..explore import (
    Directions,
    factorize,
    mixed_styles_grid,
    style_statistics,
    styles_of_seeds,
    synthesize,
    to_pixels,
)
from ..images.writing import as_image
from ..models import Generator

__all__ = ["Explorer", "Settings", "layer_names", "render"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All that a picture depends on, beside the generator.

    Attributes:
        seed, label: of the picture; the label is a class number, None where there are no classes.
        truncation_psi: draws styles towards their mean: 1 not at all, 0 fully.
        noise: with the stored noise maps, or without noise.
        mixed_seed, mixed_label: of the picture whose styles are put in.
        mixed_layers: where they are put in, 0 the coarsest; none mixes nothing.
        amounts: how far the styles move along the first directions, in deviations of one number of w.
        moved_layers: that move, and that the directions are found for; None for all, none for no move.
    """

    seed: int = 0
    label: int | None = None
    truncation_psi: float = 1.0
    noise: bool = True
    mixed_seed: int = 1
    mixed_label: int | None = None
    mixed_layers: Sequence[int] = ()
    amounts: Sequence[float] = ()
    moved_layers: Sequence[int] | None = None

    def second(self) -> Settings:
        """The picture whose styles are put in, by itself."""
        return Settings(
            seed=self.mixed_seed, label=self.mixed_label, truncation_psi=self.truncation_psi, noise=self.noise
        )


class Explorer:
    """A generator, and what is computed once for all of its pictures.

    Args:
        generator: in evaluation mode.
        directions: how many of the strongest are kept, at most `w_dim`.

    Attributes:
        num_directions: how many there are.
        deviation: root mean square of one number of w around its mean, the unit of moves.
    """

    def __init__(self, generator: Generator, *, directions: int = 8) -> None:
        self.generator = generator
        self.num_directions = min(directions, generator.w_dim)
        self.deviation = float(style_statistics(generator)[1]) / sqrt(generator.w_dim)
        self._directions: dict[tuple[int, ...], Directions] = {}

    @property
    def can_truncate(self) -> bool:
        """Whether the mean of w is known."""
        return self.generator.mapping.w_mean is not None

    def directions(self, layers: Sequence[int] | None) -> Directions:
        """The strongest directions of some layers, or of all; see :func:`stylelayers.explore.factorize`."""
        key = tuple(range(self.generator.num_ws) if layers is None else sorted(set(layers)))
        if key not in self._directions:
            self._directions[key] = factorize(self.generator, layers=key, count=self.num_directions)
        return self._directions[key]


def render(explorer: Explorer, settings: Settings) -> Image.Image:
    """The picture of the settings, one pixel of the file for one of the generator.

    Styles of the second picture are put in first; the mixture moves along the directions.

    Raises:
        ValueError: labels, layers or amounts that do not fit the generator.
    """
    ws = _styles(explorer, settings)
    if settings.mixed_layers:
        ws = mixed_styles_grid(ws, _styles(explorer, settings.second()), settings.mixed_layers)[0]
    if any(settings.amounts) and (settings.moved_layers is None or settings.moved_layers):
        ws = _moved(explorer, settings, ws)
    image = next(synthesize(explorer.generator, ws, noise="const" if settings.noise else "none", batch=1))
    return as_image(to_pixels(image)[0])


def layer_names(generator: Generator) -> list[str]:
    """For each style of a picture its number, and the resolution that it acts at: ``"0: 4x4"``.

    Example:
        >>> from stylelayers import Generator
        >>> layer_names(Generator((8, 12), channel_base=16))
        ['0: 4x6', '1: 8x12', '2: 8x12', '3: colours']
    """
    height, width = generator.resolution
    last = len(generator.synthesis.blocks) - 1
    levels = [(layer + 1) // 2 for layer in range(generator.num_ws - 1)]
    sizes = [f"{height >> last - level}x{width >> last - level}" for level in levels]
    return [f"{layer}: {what}" for layer, what in enumerate([*sizes, "colours"])]


def _styles(explorer: Explorer, settings: Settings) -> Tensor:
    """The styles ``(1, num_ws, w_dim)`` of the seed alone."""
    labels = None if settings.label is None else [settings.label]
    psi = settings.truncation_psi
    return styles_of_seeds(explorer.generator, [settings.seed], labels=labels, truncation_psi=psi)


def _moved(explorer: Explorer, settings: Settings, ws: Tensor) -> Tensor:
    """The styles ``(1, num_ws, w_dim)`` moved along all directions at once, in their layers."""
    found = explorer.directions(settings.moved_layers)
    if len(settings.amounts) > len(found.vectors):
        raise ValueError(f"amounts must be at most {len(found.vectors)}, got {len(settings.amounts)}")
    amounts = torch.tensor(settings.amounts, dtype=ws.dtype, device=ws.device) * explorer.deviation
    moved = ws.clone()
    moved[:, found.layers] += amounts @ found.vectors[: len(amounts)].to(ws)
    return moved
