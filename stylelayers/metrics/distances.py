"""Distances of two sets of features ``(N, d)``, one of real and one of generated images, in float64."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from .._random_state import preserve_random_state

__all__ = ["frechet_distance", "kernel_distance", "precision_recall"]

KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000
NEIGHBOURS = 3
_ROWS = 512  # of a distance matrix at a time


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """``|mu_r - mu_f|^2 + tr(S_r + S_f - 2 (S_r S_f)^(1/2))`` of the sets' means and covariances (arXiv:1706.08500).

    Through ``torchmetrics.image.FrechetInceptionDistance``, which is Inception's FID if the features are.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_Features(real.shape[1])).to(real.device)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    return max(float(metric.compute()), 0.0)  # rounding errors of equal sets


def kernel_distance(real: Tensor, fake: Tensor, *, seed: int = 0) -> tuple[float, float]:
    """Mean and deviation, over 100 random subsets, of the squared MMD with a cubic kernel (arXiv:1801.01401, eq. 4).

    Through ``torchmetrics.image.KernelInceptionDistance``. Subsets are of 1,000 images, or of all of a smaller set;
    the estimate is unbiased, and so below 0 at times. Where a subset is both whole sets there is one of them,
    and the deviation is 0.
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    size = kid_subset_size(len(real), len(fake))
    subsets = 1 if size == len(real) == len(fake) else KID_SUBSETS  # else 100 times the same
    with warnings.catch_warnings(), preserve_random_state():
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all")
        torch.default_generator.manual_seed(seed)
        metric = KernelInceptionDistance(_Features(real.shape[1]), subsets=subsets, subset_size=size)
        metric.update(real.double(), real=True)
        metric.update(fake.double(), real=False)
        mean, deviation = metric.compute()
    return float(mean), float(deviation)


def kid_subset_size(real: int, fake: int) -> int:
    """How many images of each set a subset has."""
    return min(KID_SUBSET_SIZE, real, fake)


def precision_recall(real: Tensor, fake: Tensor, *, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Share of generated images within the real ones' manifold, and the reverse (arXiv:1904.06991, eq. 1-2).

    A set's manifold is the union of balls around its points that reach to their `neighbours`-th nearest other point.

    Raises:
        ValueError: no more images than neighbours.
    """
    if min(len(real), len(fake)) <= neighbours:
        raise ValueError(
            f"precision_recall: needs more than {neighbours} real and generated images, got {len(real)} and {len(fake)}"
        )
    real, fake = real.double(), fake.double()
    return _share_within(fake, real, neighbours), _share_within(real, fake, neighbours)


def _share_within(points: Tensor, others: Tensor, neighbours: int) -> float:
    """The share of `points` that lie in the manifold of `others`."""
    radii = torch.cat([_distances(part, others).kthvalue(neighbours + 1).values for part in others.split(_ROWS)])
    within = [(_distances(part, others) <= radii).any(1) for part in points.split(_ROWS)]
    return float(torch.cat(within).double().mean())


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Without the matrix product, whose rounding keeps a point from being at distance 0 of itself."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


class _Features(nn.Identity):
    """Stands for the feature network, since torchmetrics is given features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features
