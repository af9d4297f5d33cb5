"""Pictures of the page, by its settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import torch
from PIL import Image
from torch import Tensor

from ..explore import (
    Directions,
    can_move,
    factorize,
    image_motion,
    mixed_styles_grid,
    style_statistics,
    styles_of_seeds,
    synthesize,
    to_pixels,
)
from ..images.writing import as_image
from ..models import StyleGenerator


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a picture.

    Attributes:
        seed, label: of the picture; the label is a class number, or the numbers of a label vector, None for a generator
            without labels.
        truncation_psi: pulls styles towards their mean: 1 not at all, 0 completely.
        noise: use the stored noise maps, if there are any.
        mixed_seed, mixed_label: of the second picture, whose styles are mixed in.
        mixed_layers: layers whose styles are those of the second picture, 0 the coarsest.
        amounts: moves of the styles along the first directions, in standard deviations of a component of w.
        shift, turn: of the image: ``(x, y)`` in parts of its width and height, to the right and down; degrees
            counter-clockwise. Only for alias-free generators.
        moved_layers: layers that move and that the directions are computed for; None for all, empty for no move.
    """

    seed: int = 0
    label: int | Sequence[float] | None = None
    truncation_psi: float = 1.0
    noise: bool = True
    mixed_seed: int = 1
    mixed_label: int | Sequence[float] | None = None
    mixed_layers: Sequence[int] = ()
    amounts: Sequence[float] = ()
    moved_layers: Sequence[int] | None = None
    shift: Sequence[float] = (0.0, 0.0)
    turn: float = 0.0

    def second(self) -> "Settings":
        """Settings of the second picture alone."""
        return Settings(
            seed=self.mixed_seed, label=self.mixed_label, truncation_psi=self.truncation_psi, noise=self.noise
        )


class Explorer:
    """A generator, with cached statistics and directions.

    Args:
        generator: in evaluation mode.
        directions: number of directions, strongest first, at most `w_dim`.

    Attributes:
        num_directions: number of directions.
        deviation: standard deviation of a component of w, the unit of moves: over all classes, or over the vectors of
            one label and of none.
    """

    def __init__(self, generator: StyleGenerator, *, directions: int = 8) -> None:
        self.generator = generator
        self.num_directions = min(directions, generator.w_dim)
        labels = None
        if generator.label_kind == "vectors":
            labels = torch.eye(generator.num_labels + 1)[:, 1:]
        self.deviation = float(style_statistics(generator, labels=labels)[1]) / sqrt(generator.w_dim)
        self._directions: dict[tuple[int, ...], Directions] = {}

    @property
    def can_truncate(self) -> bool:
        """Whether the mean of w is known."""
        return self.generator.mapping.w_mean is not None

    @property
    def has_noise(self) -> bool:
        """Whether there are stored noise maps."""
        return self.generator.synthesis.fixed_noise != "none"

    @property
    def can_move(self) -> bool:
        """Whether the image can be moved and turned."""
        return can_move(self.generator)

    def directions(self, layers: Sequence[int] | None) -> Directions:
        """The strongest directions of some or all layers, see :func:`stylelayers.explore.factorize`."""
        key = tuple(range(self.generator.num_ws) if layers is None else sorted(set(layers)))
        if key not in self._directions:
            self._directions[key] = factorize(self.generator, layers=key, count=self.num_directions)
        return self._directions[key]


def render(explorer: Explorer, settings: Settings) -> Image.Image:
    """Generate the picture of the settings.

    Styles are mixed first, then moved along the directions; then the image turns and moves.

    Raises:
        ValueError: labels, layers, amounts or motions that do not fit the generator.
    """
    ws = _styles_of_seed(explorer, settings)
    if settings.mixed_layers:
        ws = mixed_styles_grid(ws, _styles_of_seed(explorer, settings.second()), settings.mixed_layers)[0]
    if any(settings.amounts) and (settings.moved_layers is None or settings.moved_layers):
        ws = _move_styles(explorer, settings, ws)
    transform = None
    if any(settings.shift) or settings.turn:
        transform = image_motion(explorer.generator, shift=settings.shift, turn=settings.turn, caller="render")[None]
    noise = None if settings.noise else "none"
    image = next(synthesize(explorer.generator, ws, noise=noise, batch=1, transform=transform))
    return as_image(to_pixels(image)[0])


def layer_names(generator: StyleGenerator) -> list[str]:
    """Number and resolution of each layer."""
    return generator.synthesis.layer_names()


def _styles_of_seed(explorer: Explorer, settings: Settings) -> Tensor:
    """Styles ``(1, num_ws, w_dim)`` of the seed, neither mixed nor moved."""
    labels = None if settings.label is None else [settings.label]
    psi = settings.truncation_psi
    return styles_of_seeds(explorer.generator, [settings.seed], labels=labels, truncation_psi=psi)


def _move_styles(explorer: Explorer, settings: Settings, ws: Tensor) -> Tensor:
    """Styles ``(1, num_ws, w_dim)``, moved along all directions in their layers."""
    found = explorer.directions(settings.moved_layers)
    if len(settings.amounts) > len(found.vectors):
        raise ValueError(f"render: amounts must be at most {len(found.vectors)}, got {len(settings.amounts)}")
    amounts = torch.tensor(settings.amounts, dtype=ws.dtype, device=ws.device) * explorer.deviation
    moved = ws.clone()
    moved[:, found.layers] += amounts @ found.vectors[: len(amounts)].to(ws)
    return moved
