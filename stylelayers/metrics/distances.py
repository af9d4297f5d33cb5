"""Distances between the features ``(N, d)`` of real and of generated images, in float64."""

import warnings

import torch
from torch import Tensor, nn

from .._random_state import preserve_random_state

KID_SUBSETS, KID_SUBSET_SIZE = 100, 1000
NEIGHBOURS = 3
DENSITY_NEIGHBOURS = 5
_ROWS = 512  # of a distance matrix at a time


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Fréchet distance of two normal distributions: ``|mu_r - mu_f|^2 + tr(S_r + S_f - 2 (S_r S_f)^(1/2))``.

    From the means and covariances of the features (arXiv:1706.08500), in float64, through
    ``torchmetrics.image.FrechetInceptionDistance``; with features of Inception it is the FID.

    Args:
        real: features of real images, ``(N, d)``.
        fake: features of generated images, ``(M, d)``.

    Returns:
        A number of at least 0, which is best.

    Example:
        >>> import torch
        >>> from stylelayers.metrics import frechet_distance
        >>> real = torch.tensor([[0.0, 1.0], [2.0, 0.0], [1.0, 3.0]])
        >>> round(frechet_distance(real, real + 1), 3)
        2.0
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_GivenFeatures(real.shape[1])).to(real.device)
    metric.update(real.double(), real=True)
    metric.update(fake.double(), real=False)
    return max(float(metric.compute()), 0.0)  # rounding errors of equal sets


def kernel_distance(real: Tensor, fake: Tensor, *, seed: int = 0) -> tuple[float, float]:
    """Squared MMD with a cubic kernel, mean and standard deviation over random subsets (arXiv:1801.01401, eq. 4).

    With features of Inception it is the KID. The kernel of features x and y is ``(x . y / d + 1)^3``. Through
    ``torchmetrics.image.KernelInceptionDistance``, over 100 subsets of 1,000 images, or as many as the smaller set has.
    The estimate is unbiased and can be below 0. If the only subset is both whole sets, the deviation is 0.

    Args:
        real: features of real images, ``(N, d)``.
        fake: features of generated images, ``(M, d)``.
        seed: of the subsets. Global random states are left as they are.

    Returns:
        The mean, 0 if both sets are of one distribution, and the deviation.

    Example:
        >>> import torch
        >>> from stylelayers.metrics import kernel_distance
        >>> kernel_distance(torch.zeros(8, 4), torch.ones(8, 4))
        (7.0, 0.0)
    """
    from torchmetrics.image.kid import KernelInceptionDistance

    size = kid_subset_size(len(real), len(fake))
    subsets = 1 if size == len(real) == len(fake) else KID_SUBSETS  # all 100 would be the same
    with warnings.catch_warnings(), preserve_random_state():
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save all")
        torch.default_generator.manual_seed(seed)
        metric = KernelInceptionDistance(_GivenFeatures(real.shape[1]), subsets=subsets, subset_size=size)
        metric.update(real.double(), real=True)
        metric.update(fake.double(), real=False)
        mean, deviation = metric.compute()
    return float(mean), float(deviation)


def kid_subset_size(real: int, fake: int) -> int:
    """Number of images of each set in a subset."""
    return min(KID_SUBSET_SIZE, real, fake)


def precision_recall(real: Tensor, fake: Tensor, *, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Share of generated images in the manifold of the real ones, and the reverse (arXiv:1904.06991, eq. 1-2).

    The manifold of a set is the union of balls around its points; a radius is the distance of a point to its
    `neighbours`-th nearest other point.

    Args:
        real: features of real images, ``(N, d)``.
        fake: features of generated images, ``(M, d)``.
        neighbours: below N and M.

    Returns:
        Precision and recall, both in [0, 1].

    Raises:
        ValueError: no more images than neighbours.

    Example:
        >>> import torch
        >>> from stylelayers.metrics import precision_recall
        >>> real = torch.arange(8.0).view(8, 1)
        >>> precision_recall(real, real[:4])
        (1.0, 0.875)
    """
    _check_counts("precision_recall", real, fake, neighbours)
    real, fake = real.double(), fake.double()
    return _share_in_manifold(fake, real, neighbours), _share_in_manifold(real, fake, neighbours)


def density_coverage(real: Tensor, fake: Tensor, *, neighbours: int = DENSITY_NEIGHBOURS) -> tuple[float, float]:
    """How many balls of real images hold a generated one, and the share of the balls that hold any (arXiv:2002.09797).

    The balls are those of the real images alone, as in :func:`precision_recall`, so that a single generated image far
    from the others enlarges nothing. Density is the number of balls that a generated image lies in, over `neighbours`:
    it is 1 on average for images of the real distribution, and can be larger. Equations 3 and 4.

    Args:
        real: features of real images, ``(N, d)``.
        fake: features of generated images, ``(M, d)``.
        neighbours: below N and M.

    Returns:
        Density, at least 0, and coverage, in [0, 1].

    Raises:
        ValueError: no more images than neighbours.

    Example:
        >>> import torch
        >>> from stylelayers.metrics import density_coverage
        >>> real = torch.arange(8.0).view(8, 1)
        >>> density_coverage(real, real[:4], neighbours=1)
        (2.75, 0.625)
    """
    _check_counts("density_coverage", real, fake, neighbours)
    real, fake = real.double(), fake.double()
    radii = _radii(real, neighbours)
    memberships, covered = 0, torch.zeros(len(real), dtype=torch.bool, device=real.device)
    for part in fake.split(_ROWS):
        within = _distances(part, real) <= radii
        memberships += int(within.sum())
        covered |= within.any(0)
    return memberships / (neighbours * len(fake)), float(covered.double().mean())


def _check_counts(caller: str, real: Tensor, fake: Tensor, neighbours: int) -> None:
    if min(len(real), len(fake)) <= neighbours:
        raise ValueError(
            f"{caller}: needs more than {neighbours} real and generated images, got {len(real)} and {len(fake)}"
        )


def _share_in_manifold(points: Tensor, others: Tensor, neighbours: int) -> float:
    """Share of `points` in the manifold of `others`."""
    radii = _radii(others, neighbours)
    within = [(_distances(part, others) <= radii).any(1) for part in points.split(_ROWS)]
    return float(torch.cat(within).double().mean())


def _radii(points: Tensor, neighbours: int) -> Tensor:
    """The distance of each point to its `neighbours`-th nearest other point."""
    return torch.cat([_distances(part, points).kthvalue(neighbours + 1).values for part in points.split(_ROWS)])


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Distances without a matrix product, whose rounding would put points at a distance from themselves."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


class _GivenFeatures(nn.Identity):
    """Identity in place of the feature network: torchmetrics receives features."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features
