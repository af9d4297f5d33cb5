"""Distances of feature sets against independent implementations, and what they notice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from stylelayers.metrics import density_coverage, distances, frechet_distance, kernel_distance, precision_recall


def features(count: int, *, shift: float = 0.0, seed: int = 0, dim: int = 6) -> Tensor:
    """Correlated, not normal, of one law but for the shift."""
    source = torch.Generator().manual_seed(seed)
    mix = torch.randn(dim, dim, generator=torch.Generator().manual_seed(99))
    return (torch.randn(count, dim, generator=source) @ mix).relu() + shift


# Against references ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "shift"), [(3, 0.0), (6, 0.5), (24, 0.1)])
def test_frechet_distance_is_that_of_scipys_matrix_root(dim: int, shift: float) -> None:
    real, fake = features(300, dim=dim), features(200, seed=1, dim=dim, shift=shift)
    a, b = real.double().numpy(), fake.double().numpy()
    covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(real, fake) == pytest.approx(expected, rel=1e-8)


def test_kernel_distance_is_the_unbiased_estimate_by_its_sums() -> None:
    real, fake = features(40), features(40, seed=1, shift=0.3)
    a, b = real.double().numpy(), fake.double().numpy()

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    n, apart = len(a), ~np.eye(len(a), dtype=bool)
    within = (kernel(a, a)[apart].sum() + kernel(b, b)[apart].sum()) / (n * (n - 1))
    mean, deviation = kernel_distance(real, fake)  # all subsets are the whole sets
    assert mean == pytest.approx(within - 2 * kernel(a, b).mean(), rel=1e-8)
    assert deviation == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("neighbours", [1, 3, 5])
def test_precision_and_recall_are_those_of_scikit_learns_neighbours(neighbours: int) -> None:
    real, fake = features(700), features(300, seed=1, shift=0.7)

    def share(points: Tensor, others: Tensor) -> float:
        tree = NearestNeighbors(n_neighbors=neighbours + 1, algorithm="kd_tree").fit(others.double().numpy())
        radii = tree.kneighbors(others.double().numpy())[0][:, -1]
        all_of = NearestNeighbors(n_neighbors=len(others), algorithm="kd_tree").fit(others.double().numpy())
        distances, indices = all_of.kneighbors(points.double().numpy())
        return float((distances <= radii[indices]).any(1).mean())

    precision, recall = precision_recall(real, fake, neighbours=neighbours)
    assert precision == pytest.approx(share(fake, real))
    assert recall == pytest.approx(share(real, fake))
    assert 0 < precision < 1 > recall > 0


@pytest.mark.parametrize("neighbours", [1, 5])
def test_density_and_coverage_are_those_of_scikit_learns_neighbours(neighbours: int) -> None:
    real, fake = features(700), features(300, seed=1, shift=0.7)
    a, b = real.double().numpy(), fake.double().numpy()
    radii = NearestNeighbors(n_neighbors=neighbours + 1, algorithm="kd_tree").fit(a).kneighbors(a)[0][:, -1]
    tree = NearestNeighbors(algorithm="kd_tree").fit(b)
    held = [len(tree.radius_neighbors(a[i : i + 1], radius=radii[i])[0][0]) for i in range(len(a))]
    density, coverage = density_coverage(real, fake, neighbours=neighbours)
    assert density == pytest.approx(sum(held) / (neighbours * len(b)))
    assert coverage == pytest.approx(sum(count > 0 for count in held) / len(a))
    assert 0 < coverage < 1


# What they notice --------------------------------------------------------------------------------------------------


def test_equal_sets_have_distance_zero_and_cover_each_other() -> None:
    real = features(200)
    assert frechet_distance(real, real.clone()) == pytest.approx(0.0, abs=1e-6)
    assert kernel_distance(real, real.clone())[0] <= 0  # unbiased: an image is not compared with itself
    assert precision_recall(real, real.clone()) == (1.0, 1.0)
    twice = real.repeat(5, 1)  # balls of radius zero
    assert precision_recall(twice, real) == (1.0, 1.0)


def test_a_shift_of_the_mean_adds_its_square() -> None:
    real, fake = features(500), features(500, seed=1)
    shift = torch.tensor([0.0, 0.5, 0.0, 0.0, -2.0, 0.0])
    centred = fake - fake.mean(0) + real.mean(0)
    assert frechet_distance(real, centred + shift) - frechet_distance(real, centred) == pytest.approx(4.25, rel=1e-4)
    kernel_distances = [kernel_distance(real, fake + by)[0] for by in (0.0, 0.2, 0.5)]
    assert kernel_distances == sorted(kernel_distances)


def test_dropped_modes_show_in_recall_and_bad_images_in_precision() -> None:
    centres = torch.eye(6)[:4] * 50
    real = torch.cat([centre + features(100, seed=seed) for seed, centre in enumerate(centres)])
    fake = torch.cat([centre + features(100, seed=10 + seed) for seed, centre in enumerate(centres)])
    all_modes, two_modes = precision_recall(real, fake), precision_recall(real, fake[:200])
    assert min(all_modes) > 0.7
    assert two_modes[0] == pytest.approx(all_modes[0], abs=0.1)
    assert two_modes[1] < 0.55
    with_bad = precision_recall(real, torch.cat([fake, fake + 500]))
    assert with_bad[0] == pytest.approx(all_modes[0] / 2)
    assert with_bad[1] == pytest.approx(all_modes[1])


def test_dropped_modes_show_in_coverage_and_one_odd_image_enlarges_nothing() -> None:
    centres = torch.eye(6)[:4] * 50
    real = torch.cat([centre + features(100, seed=seed) for seed, centre in enumerate(centres)])
    fake = torch.cat([centre + features(100, seed=10 + seed) for seed, centre in enumerate(centres)])
    density, coverage = density_coverage(real, fake)
    assert density == pytest.approx(1.0, abs=0.2) and coverage > 0.9
    assert density_coverage(real, fake[:200])[1] == pytest.approx(coverage / 2, abs=0.05)
    spread = torch.cat([fake[:200], features(10, seed=3) * 1000])  # far from all, and from each other
    assert density_coverage(real, spread)[1] == density_coverage(real, fake[:200])[1]
    assert precision_recall(real, spread)[1] > precision_recall(real, fake[:200])[1]


def test_random_states_are_left_alone_and_seeds_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "KID_SUBSET_SIZE", 50)
    real, fake = features(120), features(110, seed=1)
    state = torch.get_rng_state()
    first, again, other = (kernel_distance(real, fake, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert first == again != other


def test_too_few_images_have_no_neighbours() -> None:
    with pytest.raises(ValueError, match="more than 3 real and generated images, got 9 and 3"):
        precision_recall(features(9), features(3))
    with pytest.raises(ValueError, match=r"density_coverage: needs more than 5 .* images, got 5 and 9"):
        density_coverage(features(5), features(9))
