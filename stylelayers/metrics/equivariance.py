"""How exactly images move and turn with the input of an alias-free generator (arXiv:2106.12423, appendix E).

Each measure is a peak signal-to-noise ratio in dB, of images that range over [-1, 1]: higher is better. It compares
images of a moved input with moved images, over the pixels that both show. StyleGAN2 with Fourier features has 15 to 20
dB, alias-free generators have 40 to 80.

Differences from the published implementation:

- for fractions of pixels and turns, both images pass the same low-pass filter, so that frequencies that no grid of
  pixels can hold exactly decide nothing;
- a border can be left out: 3x3 convolutions carry the edge of the canvas into the image, a few pixels wide.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log10, pi

import torch
from torch import Tensor

from .._checks import check_ints, check_number
from ..layers import motion
from ..models import AliasFreeGenerator, StyleGenerator

_REACH, _CUTOFF, _BETA = 8, 0.4, 8.0  # of the low-pass filter: in pixels, in cycles per pixel, of the Kaiser window
_POINTS = 512  # positions that are interpolated at a time


@dataclass(frozen=True)
class _Motion:
    """Shift ``(right, down)`` in pixels and turn in radians."""

    right: float = 0.0
    down: float = 0.0
    turn: float = 0.0


def eq_t(
    generator: StyleGenerator,
    *,
    samples: int = 64,
    max_shift: float = 0.125,
    border: int = 0,
    seed: int = 0,
    batch_size: int = 8,
) -> float:
    """EQ-T: equivariance under shifts by whole pixels, in dB (arXiv:2106.12423, appendix E).

    Args:
        generator: a :class:`stylelayers.AliasFreeGenerator`; it is measured in evaluation mode.
        samples: pairs of a latent (with a class, or a label vector of one 1, if it has labels) and a motion.
        max_shift: largest shift along an axis, in parts of the image's side, in [0, 0.5].
        border: pixels along the image's border that are not compared.
        seed: of latents, classes and motions.
        batch_size: images generated at a time.

    Returns:
        Peak signal-to-noise ratio of images in [-1, 1], in dB; higher is better.

    Raises:
        ValueError: a generator whose input cannot be moved, or arguments out of range.

    Example:
        >>> from stylelayers import AliasFreeGenerator
        >>> from stylelayers.metrics import eq_t
        >>> generator = AliasFreeGenerator(16, z_dim=4, w_dim=4, channel_base=16, num_layers=3, margin=2)
        >>> eq_t(generator, samples=2) > 0
        True
    """
    draw = _shifts(generator, "eq_t", max_shift, whole=True)
    return _decibels("eq_t", generator, draw, None, samples, border, seed, batch_size)


def eq_t_frac(
    generator: StyleGenerator,
    *,
    samples: int = 64,
    max_shift: float = 0.125,
    border: int = 0,
    seed: int = 0,
    batch_size: int = 8,
) -> float:
    """EQ-T for shifts by any fraction of a pixel, in dB (arXiv:2106.12423, appendix E).

    Args:
        generator, samples, max_shift, border, seed, batch_size: as in :func:`eq_t`.

    Returns:
        Peak signal-to-noise ratio of images in [-1, 1], in dB; higher is better.

    Raises:
        ValueError: as :func:`eq_t`.

    Example:
        >>> from stylelayers import AliasFreeGenerator
        >>> from stylelayers.metrics import eq_t_frac
        >>> generator = AliasFreeGenerator(32, z_dim=4, w_dim=4, channel_base=16, num_layers=3, margin=2)
        >>> eq_t_frac(generator, samples=2) > 0
        True
    """
    draw = _shifts(generator, "eq_t_frac", max_shift, whole=False)
    return _decibels("eq_t_frac", generator, draw, _sinc, samples, border, seed, batch_size)


def eq_r(generator: StyleGenerator, *, samples: int = 64, border: int = 0, seed: int = 0, batch_size: int = 8) -> float:
    """EQ-R: equivariance under turns by any angle about the image's middle, in dB (arXiv:2106.12423, appendix E).

    Args:
        generator, samples, border, seed, batch_size: as in :func:`eq_t`.

    Returns:
        Peak signal-to-noise ratio of images in [-1, 1], in dB; higher is better.

    Raises:
        ValueError: as :func:`eq_t`.

    Example:
        >>> from stylelayers import AliasFreeGenerator
        >>> from stylelayers.metrics import eq_r
        >>> generator = AliasFreeGenerator(32, z_dim=4, w_dim=4, channel_base=16, num_layers=3, margin=2)
        >>> eq_r(generator, samples=2) > 0
        True
    """

    def draw(source: torch.Generator) -> _Motion:
        return _Motion(turn=2 * pi * float(torch.rand((), generator=source)))

    return _decibels("eq_r", generator, draw, _jinc, samples, border, seed, batch_size)


def _shifts(
    generator: StyleGenerator, caller: str, max_shift: float, *, whole: bool
) -> Callable[[torch.Generator], _Motion]:
    check_number(caller, least=0, most=0.5, max_shift=max_shift)
    height, width = generator.resolution

    def draw(source: torch.Generator) -> _Motion:
        parts = (2 * torch.rand(2, generator=source, dtype=torch.float64) - 1) * max_shift
        pixels = parts * torch.tensor([width, height])
        right, down = (pixels.round() if whole else pixels).tolist()
        return _Motion(right, down)

    return draw


_Kernel = Callable[[Tensor, Tensor], Tensor]  # of the distances along x and y, in pixels


@torch.no_grad()
def _decibels(
    caller: str,
    generator: StyleGenerator,
    draw: Callable[[torch.Generator], _Motion],
    kernel: _Kernel | None,
    samples: int,
    border: int,
    seed: int,
    batch_size: int,
) -> float:
    check_ints(caller, samples=samples, batch_size=batch_size)
    check_ints(caller, least=0, border=border)
    if not isinstance(generator, AliasFreeGenerator):
        raise ValueError(f"{caller}: generator must be an AliasFreeGenerator, got {type(generator).__name__}")
    was_training, total, count = generator.training, 0.0, 0
    generator.eval()
    try:
        for still, moved, step in _pairs(generator, draw, samples, seed, batch_size):
            difference = _difference(still, moved, step, kernel, border)
            total, count = total + float(difference.square().sum()), count + difference.numel()
    finally:
        generator.train(was_training)
    if not count:
        raise ValueError(f"{caller}: no pixel is shown by both images without a border of {border} pixels")
    return 10 * log10(4 / max(total / count, 1e-30))


def _pairs(
    generator: AliasFreeGenerator, draw: Callable[[torch.Generator], _Motion], samples: int, seed: int, batch_size: int
) -> Iterator[tuple[Tensor, Tensor, _Motion]]:
    """Images in float64 on the CPU, as they are and under a motion, and the motion."""
    source, weight = torch.Generator().manual_seed(seed), generator.synthesis.input.weight
    unit = min(generator.resolution)
    for start in range(0, samples, batch_size):
        count = min(batch_size, samples - start)
        z = torch.randn(count, generator.z_dim, generator=source).to(weight)
        labels = None
        if generator.num_labels:
            labels = torch.randint(generator.num_labels, (count,), generator=source).to(weight.device)
        steps = [draw(source) for _ in range(count)]
        transforms = torch.stack([motion(step.right / unit, step.down / unit, step.turn) for step in steps])
        ws = generator.mapping(z, labels)
        images = generator.synthesis(ws), generator.synthesis(ws, transform=transforms.to(weight.device))
        yield from zip(*(each.double().cpu() for each in images), steps, strict=True)


def _difference(still: Tensor, moved: Tensor, step: _Motion, kernel: _Kernel | None, border: int) -> Tensor:
    """The moved image minus the image of the moved input, ``(C, P)`` at the P pixels that both show."""
    height, width = still.shape[1:]
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in (height, width)), indexing="ij")
    places = torch.stack([x, y], 2)[border : height - border, border : width - border].flatten(0, 1)
    middle = torch.tensor([width - 1, height - 1], dtype=torch.float64) / 2
    back = motion(step.right, step.down, step.turn)
    origins = (places - middle) @ back[:2, :2].T + back[:2, 2] + middle
    reach = 0 if kernel is None else _REACH
    shown = _inside(origins, (height, width), reach, border) & _inside(places, (height, width), reach, border)
    places, origins = places[shown], origins[shown]
    return _sampled(still, origins, kernel) - _sampled(moved, places, kernel)


def _inside(positions: Tensor, size: tuple[int, int], reach: int, border: int) -> Tensor:
    """Whether pixels within the reach of a filter lie in the image, and the position not on its border."""
    low = max(reach - 1, border) - 1e-9
    limits = torch.tensor([size[1], size[0]], dtype=torch.float64) - 1
    return ((positions >= low) & (positions <= limits - max(reach, border) + 1e-9)).all(1)


def _sampled(image: Tensor, positions: Tensor, kernel: _Kernel | None) -> Tensor:
    """The image ``(C, H, W)`` at positions ``(P, 2)`` in pixels, through a low-pass filter unless they are whole."""
    if kernel is None:
        x, y = positions.round().long().unbind(1)
        return image[:, y, x]
    return torch.cat([_filtered(image, part, kernel) for part in positions.split(_POINTS)], 1)


def _filtered(image: Tensor, positions: Tensor, kernel: _Kernel) -> Tensor:
    around = torch.arange(1 - _REACH, _REACH + 1)
    x, y = (axis.floor().long()[:, None] + around for axis in positions.unbind(1))  # (P, K)
    x, y = x.clamp(0, image.shape[2] - 1), y.clamp(0, image.shape[1] - 1)
    across, along = positions[:, :1] - x, positions[:, 1:] - y
    weights = kernel(across[:, None, :], along[:, :, None])  # (P, K, K)
    return torch.einsum("cpyx,pyx->cp", image[:, y[:, :, None], x[:, None, :]], weights)


def _window(distances: Tensor) -> Tensor:
    inside = (1 - (distances / _REACH).square()).clamp(min=0).sqrt()
    return torch.special.i0(_BETA * inside) / torch.special.i0(torch.tensor(_BETA)) * (distances.abs() < _REACH)


def _sinc(across: Tensor, along: Tensor) -> Tensor:
    """A separable low-pass filter."""
    x, y = (2 * _CUTOFF * torch.sinc(2 * _CUTOFF * axis) * _window(axis) for axis in (across, along))
    return x * y


def _jinc(across: Tensor, along: Tensor) -> Tensor:
    """A low-pass filter that is the same in all directions."""
    radii = torch.hypot(across, along)
    safe = radii.where(radii > 0, 1.0)
    waves = _CUTOFF * torch.special.bessel_j1(2 * pi * _CUTOFF * safe) / safe
    return waves.where(radii > 0, pi * _CUTOFF**2) * _window(radii)
