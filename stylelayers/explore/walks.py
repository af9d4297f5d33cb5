"""Walks through points: spherical in z, linear in w."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .._checks import check_choice
from ..models import StyleGenerator
from ..models._inputs import as_one_hot
from .conditions import Labels
from .latents import latents_of_seeds, slerp
from .sampling import cycled_labels, styles_of_seeds

WALKS = ("z", "w")


def walk_styles(
    generator: StyleGenerator,
    seeds: Sequence[int],
    *,
    frames: int = 30,
    space: str = "z",
    loop: bool = False,
    labels: Labels | None = None,
    truncation_psi: float = 1.0,
    truncation_cutoff: int | None = None,
) -> Tensor:
    """The styles of a walk from seed to seed.

    Args:
        generator: in evaluation mode.
        seeds: at least two.
        frames, loop: as in :func:`spherical_walk`.
        space: ``"z"`` walks along great circles between latents, ``"w"`` along straight lines between styles.
        labels, truncation_psi, truncation_cutoff: as in :func:`sample`; between classes, one-hot
            labels are interpolated linearly, and so are label vectors.

    Returns:
        ``(total frames, num_ws, w_dim)``, for :func:`synthesize`; the number of frames is that of
        :func:`spherical_walk`.

    Raises:
        ValueError: an unknown space, fewer than two seeds, or arguments that do not fit the generator.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import walk_styles
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16).eval()
        >>> walk_styles(generator, [0, 1, 2], frames=10).shape
        torch.Size([21, 4, 4])
    """
    options = {"truncation_psi": truncation_psi, "truncation_cutoff": truncation_cutoff}
    check_choice("walk_styles", "space", space, WALKS)
    ws = styles_of_seeds(generator, seeds, labels=labels, **options)  # type: ignore[arg-type]
    if space == "w":
        return linear_walk(ws, frames, loop=loop)
    z = spherical_walk(latents_of_seeds(seeds, generator.z_dim, device=ws.device).to(ws.dtype), frames, loop=loop)
    classes = cycled_labels("walk_styles", generator, len(seeds), labels)
    rows = None if classes is None else as_one_hot("walk_styles", classes, generator.num_labels, ws)
    with torch.no_grad():
        walk: Tensor = generator.mapping(z, None if rows is None else linear_walk(rows, frames, loop=loop), **options)
    return walk


def spherical_walk(points: Tensor, frames: int, *, loop: bool = False) -> Tensor:
    """Latents along great circles from each point to the next, see :func:`slerp`.

    Args:
        points: at least two.
        frames: steps between two points, at least 1.
        loop: return from the last point to the first; the last frame is then the one before the first point. Without
            it, the last frame is the last point.

    Shape:
        `points` ``(K, D)`` → ``(K * frames, D)`` with `loop`, else ``((K - 1) * frames + 1, D)``.

    Raises:
        ValueError: fewer than two points, or no frames.

    Example:
        >>> import torch
        >>> from stylelayers.explore import spherical_walk
        >>> spherical_walk(torch.eye(3), 10, loop=True).norm(dim=1).sum().round()
        tensor(30.)
    """
    return _walk("spherical_walk", points, frames, loop, slerp)


def linear_walk(points: Tensor, frames: int, *, loop: bool = False) -> Tensor:
    """Straight lines from each point to the next.

    Args:
        points, frames, loop: as in :func:`spherical_walk`.

    Shape:
        `points` ``(K, *)`` → ``(K * frames, *)`` with `loop`, else ``((K - 1) * frames + 1, *)``.

    Raises:
        ValueError: as :func:`spherical_walk`.

    Example:
        >>> import torch
        >>> from stylelayers.explore import linear_walk
        >>> linear_walk(torch.tensor([[0.0], [1.0]]), 4).flatten().tolist()
        [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    return _walk("linear_walk", points, frames, loop, lambda start, end, t: torch.lerp(start, end, t.expand_as(start)))


def _walk(
    caller: str, points: Tensor, frames: int, loop: bool, interpolate: Callable[[Tensor, Tensor, Tensor], Tensor]
) -> Tensor:
    if len(points) < 2 or frames < 1:
        came = f"{len(points)} points and {frames} frames"
        raise ValueError(f"{caller}: a walk needs at least 2 points and 1 frame, got {came}")
    path = torch.cat([points, points[:1]]) if loop else points
    frame = torch.arange((len(path) - 1) * frames, device=points.device)
    t = (frame % frames).to(points.dtype).div(frames).view(-1, *[1] * (points.ndim - 1))
    walk = interpolate(path[frame // frames], path[frame // frames + 1], t)
    return walk if loop else torch.cat([walk, points[-1:]])
