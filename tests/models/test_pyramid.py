"""Pyramid: which resolutions there are, and how many channels."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from stylelayers.models.pyramid import Pyramid


@pytest.mark.parametrize(
    ("resolution", "base", "doublings"),
    [
        (8, (4, 4), 1),
        (32, (4, 4), 3),
        (48, (6, 6), 3),
        (1024, (4, 4), 8),
        (30, (15, 15), 1),
        (20, (5, 5), 2),
        ((32, 48), (4, 6), 3),
        ((48, 32), (6, 4), 3),
        ((16, 1024), (4, 256), 2),
        ((24, 36), (6, 9), 2),
    ],
    ids=str,
)
def test_resolutions_double_from_a_base(resolution: Any, base: tuple[int, int], doublings: int) -> None:
    pyramid = Pyramid.for_resolution("Test", resolution)
    assert (pyramid.base, pyramid.doublings) == (base, doublings)
    levels = pyramid.levels
    assert levels[0] == base
    assert levels[-1] == (resolution if isinstance(resolution, tuple) else (resolution,) * 2)
    assert all((2 * h, 2 * w) == after for (h, w), after in itertools.pairwise(levels))


def test_channels_halve_between_maximum_and_one() -> None:
    assert Pyramid((4, 4), 8).channels(32768, 512) == [512, 512, 512, 512, 512, 256, 128, 64, 32]
    assert Pyramid((4, 4), 3).channels(64, 12) == [12, 8, 4, 2]
    assert Pyramid((4, 4), 3).channels(8, 12) == [2, 1, 1, 1]
    assert Pyramid((15, 15), 1).channels(64, 99) == [16, 8]  # by level, whatever the base


@pytest.mark.parametrize(
    "resolution", [4, 0, -8, 31, 34, 62, (8, 4), (8, 9), (16, 31), (8,), (8, 8, 8), "32", 32.0, (8.0, 8), None], ids=str
)
def test_bad_resolutions_raise(resolution: Any) -> None:
    with pytest.raises(ValueError, match=r"Test: resolution must be .* got ") as error:
        Pyramid.for_resolution("Test", resolution)
    assert str(error.value).endswith(f"got {resolution!r}")
