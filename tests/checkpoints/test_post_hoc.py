"""Averages that are made after training: their weights over time, their reconstruction, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from stylelayers import Generator
from stylelayers.checkpoints import post_hoc_average, save_generator
from stylelayers.checkpoints.post_hoc import AVERAGES, Profile, combination, exponent_of, save_snapshot

END = 1000


def density(profile: Profile, time: float) -> float:
    return (profile.exponent + 1) * time**profile.exponent / profile.time ** (profile.exponent + 1)


@pytest.mark.parametrize("width", [0.01, 0.05, 0.1, 0.2, 0.28])
def test_the_weights_have_the_standard_deviation_of_the_width(width: float) -> None:
    profile = Profile(exponent_of(width), 1.0)
    total, mean, square = (quad(lambda t, p=p: t**p * density(profile, t), 0, 1, points=[0.9])[0] for p in range(3))
    assert total == pytest.approx(1.0)
    assert np.sqrt(square - mean**2) == pytest.approx(width, rel=1e-6)


def test_combined_weights_come_as_close_as_least_squares_on_a_grid() -> None:
    kept = [Profile(exponent_of(width), time) for time in (40.0, 70.0, 100.0) for width in (0.05, 0.1)]
    wanted = Profile(exponent_of(0.07), 100.0)
    weights, error = combination(kept, wanted)
    times = (np.arange(200_000) + 0.5) / 2000
    profiles = np.array([[density(p, t) if t <= p.time else 0.0 for t in times[::20]] for p in kept])
    target = np.array([density(wanted, t) for t in times[::20]])
    best = np.linalg.lstsq(profiles.T, target, rcond=None)[0]
    assert weights.numpy() == pytest.approx(best / best.sum(), abs=2e-3)
    rest = np.linalg.norm(weights.numpy() @ profiles - target) / np.linalg.norm(target)
    assert error == pytest.approx(rest, abs=1e-3)
    assert 0 < error < 0.05


def test_a_kept_average_is_found_exactly() -> None:
    kept = [Profile(exponent_of(width), time) for time in (50.0, 100.0) for width in (0.05, 0.1)]
    weights, error = combination(kept, kept[3])
    assert weights.numpy() == pytest.approx([0, 0, 0, 1], abs=1e-9)
    assert error < 1e-6


# Snapshots on disk --------------------------------------------------------------------------------------------------


def generator_of(value: float) -> Generator:
    generator = Generator(8, z_dim=2, w_dim=2, channel_base=8, image_channels=1, mapping_layers=1)
    with torch.no_grad():
        for place, parameter in enumerate(generator.parameters()):
            parameter.fill_(value + place)
    return generator


def followed(path: np.ndarray, width: float) -> np.ndarray:
    """The average of a width at every time, by its recursion (equation 2)."""
    averages, average = [], 0.0
    for time, value in enumerate(path, 1):
        keep = (1 - 1 / time) ** (exponent_of(width) + 1)
        average = keep * average + (1 - keep) * value
        averages.append(average)
    return np.array(averages)


@pytest.fixture(scope="module")
def walk() -> np.ndarray:
    return np.cumsum(np.random.default_rng(0).standard_normal(END))


@pytest.fixture
def run(tmp_path: Path, walk: np.ndarray) -> Path:
    """A run whose parameters took a random walk."""
    for width in (0.05, 0.1):
        averages = followed(walk, width)
        for time in range(100, END + 1, 100):
            save_snapshot(generator_of(averages[time - 1]), tmp_path, width=width, images_seen=time)
    return tmp_path


@pytest.mark.parametrize("width", [0.04, 0.07, 0.1, 0.15])
@pytest.mark.parametrize("end", [None, 700])
def test_any_width_is_that_of_an_average_that_was_kept(
    run: Path, walk: np.ndarray, width: float, end: int | None
) -> None:
    result = post_hoc_average(run, width, images_seen=end)
    assert (result.images_seen, result.snapshots) == (end or END, (end or END) // 100 * 2)
    expected = followed(walk, width)[result.images_seen - 1]
    for place, parameter in enumerate(result.generator.parameters()):
        assert parameter.flatten()[0].item() - place == pytest.approx(expected, abs=0.01 * np.ptp(walk))
    assert result.error < 0.05


def test_a_width_that_the_snapshots_cannot_make_has_a_large_error(run: Path) -> None:
    assert post_hoc_average(run, 0.005).error > 0.5


def test_buffers_are_those_of_the_newest(run: Path) -> None:
    newest = generator_of(0.0)
    dict(newest.named_buffers())["mapping.w_mean"].fill_(3.0)
    save_snapshot(newest, run, width=0.05, images_seen=END + 100)
    assert dict(post_hoc_average(run, 0.08).generator.named_buffers())["mapping.w_mean"].eq(3.0).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0.0}, "width must be a number above 0, got 0.0"),
        ({"width": 0.3}, "width must be at most 0.28, got 0.3"),
        (
            {"width": 0.1, "images_seen": 99},
            "two snapshots of at most 99 images in .*, got 0; the callback PostHocAverages",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(run: Path, options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=f"^post_hoc_average: .*{message}"):
        post_hoc_average(run, **options)  # type: ignore[arg-type]


def test_other_generator_files_are_no_snapshots(run: Path) -> None:
    save_generator(generator_of(0.0), run / AVERAGES / "other.safetensors", summary={"images_seen": 5})
    with pytest.raises(ValueError, match=r"other.safetensors' is no snapshot of an average"):
        post_hoc_average(run, 0.1)
