"""Walks and mixtures: where they begin, what they pass, and what stays."""

from __future__ import annotations

from math import cos, pi, sin

import pytest
import torch

from stylelayers.explore import (
    latents_of_seeds,
    linear_walk,
    mixed_styles_grid,
    mixing_table,
    slerp,
    spherical_walk,
    styles_of_seeds,
    synthesize,
    walk_styles,
)
from tests.conftest import assert_same, randn
from tests.explore.tiny import tiny_generator


def test_slerp_turns_by_equal_angles() -> None:
    start, end = torch.tensor([2.0, 0.0, 0.0]).double(), torch.tensor([0.0, 2.0, 0.0]).double()
    for t in (0.0, 0.25, 0.5, 1.0):
        assert_same(
            slerp(start, end, t), torch.tensor([2 * cos(t * pi / 2), 2 * sin(t * pi / 2), 0], dtype=torch.float64)
        )


@pytest.mark.parametrize("factor", [0.0, 1.0, 2.0, -1.0])
def test_slerp_has_finite_derivatives_at_parallel_and_zero_latents(factor: float) -> None:
    start = torch.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    end = (start.detach() * factor).requires_grad_()
    for gradient in torch.autograd.grad(slerp(start, end, 0.25).sum(), (start, end)):
        assert gradient.isfinite().all()


def test_slerp_of_parallel_latents_is_the_line_and_finite() -> None:
    start = randn(3)
    for end in (start, 2 * start, -start):
        assert_same(slerp(start, end, 0.25), torch.lerp(start, end, 0.25))


def test_spherical_walks_keep_the_length_and_turn_steadily() -> None:
    points = torch.nn.functional.normalize(randn(3, 16), dim=1)
    walk = spherical_walk(points, 4, loop=True)
    assert walk.shape == (12, 16)
    assert_same(walk.norm(dim=1), torch.ones(12).double())
    cosines = (walk * walk.roll(-1, 0)).sum(1).view(3, 4)
    assert_same(cosines, cosines[:, :1].expand(-1, 4))


@pytest.mark.parametrize("walk", [spherical_walk, linear_walk])
def test_walks_pass_their_points(walk) -> None:  # type: ignore[no-untyped-def]
    points = randn(3, 8)
    path, ring = walk(points, 5), walk(points, 5, loop=True)
    assert (len(path), len(ring)) == (11, 15)
    assert_same(path[::5], points)
    assert_same(ring[::5], points)
    assert_same(ring[:10], path[:10])


def test_linear_walks_take_equal_steps() -> None:
    points = randn(2, 4, 3)
    assert_same(linear_walk(points, 4)[1], 0.75 * points[0] + 0.25 * points[1])


@pytest.mark.parametrize("space", ["z", "w"])
def test_styles_of_a_walk(space: str) -> None:
    generator = tiny_generator(labels=3, dtype=torch.float64)
    options = {"labels": [2, 0], "truncation_psi": 0.5}
    keys = styles_of_seeds(generator, [4, 9], **options)  # type: ignore[arg-type]
    walk = walk_styles(generator, [4, 9], frames=2, space=space, **options)  # type: ignore[arg-type]
    assert_same(walk[::2], keys)
    z, rows = latents_of_seeds([4, 9], 6).double(), torch.tensor([[0.5, 0.0, 0.5]]).double()
    between = {
        "w": keys.mean(0),
        "z": generator.mapping(slerp(z[:1], z[1:], 0.5), rows, truncation_psi=0.5)[0],
    }
    assert_same(walk[1], between[space])
    assert (between["w"] - between["z"]).abs().amax() > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": [1]}, "spherical_walk: a walk needs at least 2 points and 1 frame, got 1 points"),
        ({"frames": 0}, "got 2 points and 0 frames"),
        ({"space": "s"}, "walk_styles: space must be one of z, w, got 's'"),
    ],
    ids=str,
)
def test_walks_that_go_nowhere(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        walk_styles(tiny_generator(), **{"seeds": [0, 1], **options})  # type: ignore[arg-type]


def test_mixtures_take_the_layers_of_the_columns() -> None:
    rows, columns = randn(2, 4, 3), randn(3, 4, 3)
    mixed = mixed_styles_grid(rows, columns, [1, 3])
    for row in range(2):
        for column in range(3):
            expected = torch.stack([rows[row, 0], columns[column, 1], rows[row, 2], columns[column, 3]])
            assert torch.equal(mixed[row, column], expected)


def test_a_table_has_its_sources_on_the_edges() -> None:
    generator = tiny_generator()
    rows, columns = styles_of_seeds(generator, [0, 1]), styles_of_seeds(generator, [2, 3, 4])
    table = torch.cat(list(mixing_table(generator, rows, columns, [0, 1], batch=2))).unflatten(0, (3, 4))
    assert (table[0, 0] == -1).all()
    torch.testing.assert_close(table[0, 1:], next(synthesize(generator, columns)))
    torch.testing.assert_close(table[1:, 0], next(synthesize(generator, rows)))
    inside = mixed_styles_grid(rows, columns, [0, 1]).flatten(0, 1)
    torch.testing.assert_close(table[1:, 1:].flatten(0, 1), next(synthesize(generator, inside)))


@pytest.mark.parametrize("layers", [[], [4], [-1]], ids=str)
def test_layers_that_there_are_not(layers: list[int]) -> None:
    with pytest.raises(ValueError, match=r"mixed_styles_grid: layers must be in \[0, 4\), at least one"):
        mixed_styles_grid(randn(1, 4, 3), randn(1, 4, 3), layers)
