"""Averages of a generator whose length is chosen after training (arXiv:2312.02696, section 3 and appendix C).

The average of width `s` at time `T` weights the parameters at time `t` by ``t ** k``, with the exponent `k` for which
the weights have the standard deviation ``s * T``. It always covers the same share of the training, unlike an average
with a half-life. A run keeps two of them, of different widths, at several times (snapshots); the weights of any other
average are approximated by a linear combination of theirs.
"""

import os
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from .._checks import check_ints, check_number
from ..models import StyleGenerator
from .generator_file import read_generator_file, read_header, save_generator

AVERAGES = "averages"  # folder of a run
MAX_WIDTH = 0.28  # 1 / sqrt(12) has the exponent 0, where all times weigh the same
_WIDTH, _TIME = "average_width", "images_seen"  # in the summary of a snapshot


class Profile(NamedTuple):
    """The weights of an average over time: ``(exponent + 1) * t ** exponent / time ** (exponent + 1)`` up to `time`."""

    exponent: float
    time: float


class PostHocAverage(NamedTuple):
    """Result of :func:`post_hoc_average`.

    Attributes:
        generator: the averaged one, in evaluation mode.
        images_seen: the end of the average.
        snapshots: files that were combined.
        error: distance of the combined weights over time to those asked for, as a share of their norm; 0 is exact.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.checkpoints import PostHocAverage
        >>> PostHocAverage(Generator(8, channel_base=16), images_seen=40_000, snapshots=16, error=0.01).snapshots
        16
    """

    generator: StyleGenerator
    images_seen: int
    snapshots: int
    error: float


def exponent_of(width: float, caller: str = "post_hoc_average") -> float:
    """The exponent `k` of the average of a width, so that ``width² = (k + 1) / ((k + 2)² (k + 3))`` (equation 4).

    Example:
        >>> from stylelayers.checkpoints.post_hoc import exponent_of
        >>> round(exponent_of(0.05), 2), round(exponent_of(0.1), 2)
        (16.97, 6.94)
    """
    check_number(caller, above=0, width=width)
    if width > MAX_WIDTH:
        raise ValueError(f"{caller}: width must be at most {MAX_WIDTH}, got {width}")
    low, high = 0.0, 2 / width
    for _ in range(100):  # the width falls as the exponent grows
        middle = (low + high) / 2
        wider = sqrt((middle + 1) / (middle + 3)) / (middle + 2) > width
        low, high = (middle, high) if wider else (low, middle)
    return low


def combination(kept: Sequence[Profile], wanted: Profile) -> tuple[Tensor, float]:
    """Weights ``(len(kept),)`` of the snapshots, in float64, that come closest to the wanted one, and their error.

    A least-squares problem in the weights over time (appendix C, algorithm 3). The error is the distance to the wanted
    weights over time, as a share of their norm.
    """
    products = torch.tensor([[_product(a, b) for b in kept] for a in kept], dtype=torch.float64)
    targets = torch.tensor([_product(a, wanted) for a in kept], dtype=torch.float64)
    norms = products.diagonal().sqrt()  # equal scales, for a well-conditioned problem
    scaled = products / norms / norms[:, None]
    weights = torch.linalg.lstsq(scaled, (targets / norms)[:, None], driver="gelsd").solution[:, 0] / norms
    weights = weights / weights.sum()  # constant parameters stay as they are
    square = _product(wanted, wanted)
    rest = square - 2 * float(targets @ weights) + float(weights @ products @ weights)
    return weights, sqrt(max(rest, 0.0) / square)


def _product(a: Profile, b: Profile) -> float:
    """The integral of the product of both weights over time."""
    end = min(a.time, b.time)
    powers = (end / a.time) ** (a.exponent + 1) * (end / b.time) ** (b.exponent + 1)
    return (a.exponent + 1) * (b.exponent + 1) / (a.exponent + b.exponent + 1) * powers / end


def save_snapshot(generator: StyleGenerator, run: Path, *, width: float, images_seen: int) -> Path:
    """Write an average of a running training to the run's folder."""
    path = run / AVERAGES / f"{images_seen:09}-{width:g}.safetensors"
    return save_generator(generator, path, summary={_TIME: images_seen, _WIDTH: width})


@torch.no_grad()
def post_hoc_average(run: str | os.PathLike[str], width: float, *, images_seen: int | None = None) -> PostHocAverage:
    """Make the average of any width from the snapshots that a run has kept.

    Parameters are combined in float64; buffers are those of the newest snapshot. Source: arXiv:2312.02696, section 3.

    Args:
        run: the run's folder.
        width: standard deviation of the weights over time as a share of the training, above 0 and at most 0.28.
        images_seen: end of the average in images, None for the newest snapshot.

    Returns:
        The averaged generator, and how close its weights over time are to those of the width.

    Raises:
        ValueError: a width out of range, no two snapshots up to `images_seen`, or damaged ones.

    Example:
        >>> from stylelayers.checkpoints import post_hoc_average
        >>> post_hoc_average("runs/RUN", 0.08).error  # doctest: +SKIP
        0.012
    """
    exponent = exponent_of(width)
    files = {path: _profile_of(path) for path in sorted((Path(run) / AVERAGES).glob("*.safetensors"))}
    if images_seen is not None:
        check_ints("post_hoc_average", images_seen=images_seen)
        files = {path: profile for path, profile in files.items() if profile.time <= images_seen}
    if len(files) < 2:
        up_to = "" if images_seen is None else f" of at most {images_seen:,} images"
        raise ValueError(
            f"post_hoc_average: run must have two snapshots{up_to} in {str(Path(run) / AVERAGES)!r}, got {len(files)}; "
            f"the callback PostHocAverages keeps them, if its every_images is not None"
        )
    end = images_seen or max(profile.time for profile in files.values())
    weights, error = combination(list(files.values()), Profile(exponent, end))
    return PostHocAverage(_combine(list(files), weights.tolist()), int(end), len(files), error)


def _profile_of(path: Path) -> Profile:
    summary = read_header(path).summary
    try:
        return Profile(exponent_of(float(summary[_WIDTH])), float(summary[_TIME]))
    except (KeyError, TypeError, ValueError):
        raise ValueError(f"post_hoc_average: {str(path)!r} is no snapshot of an average") from None


def _combine(files: Sequence[Path], weights: Sequence[float]) -> StyleGenerator:
    """The newest of the generators, with the weighted sum of the parameters of all."""
    sums: dict[str, Tensor] = {}
    for path, weight in zip(files, weights, strict=True):
        generator = read_generator_file(path).generator
        for name, parameter in generator.named_parameters():
            sums[name] = sums.get(name, 0.0) + weight * parameter.double()
    for name, parameter in generator.named_parameters():
        parameter.copy_(sums[name])
    return generator
