"""Images that move and turn: by how much, which way, and that nothing else changes."""

from __future__ import annotations

from math import pi
from typing import Any

import pytest
import torch

from stylelayers.explore import (
    can_move,
    image_motion,
    motion_path,
    moved,
    sample,
    styles_of_seeds,
    synthesize,
)
from stylelayers.layers import motion
from tests.conftest import assert_same
from tests.explore.tiny import tiny_alias_free, tiny_generator


def image(generator: Any, seed: int = 3, **options: Any) -> torch.Tensor:
    return next(synthesize(generator, styles_of_seeds(generator, [seed]), **options))[0]


@pytest.mark.parametrize(("shift", "rows", "columns"), [
    ((0.25, 0.0), (slice(8, -8), slice(8, -8)), (slice(8, -16), slice(16, -8))),
    ((0.0, 0.25), (slice(8, -16), slice(16, -8)), (slice(8, -8), slice(8, -8))),
])  # fmt: skip
def test_images_move_right_and_down_by_parts_of_their_sides(
    shift: tuple[float, float], rows: tuple[slice, slice], columns: tuple[slice, slice]
) -> None:
    generator = tiny_alias_free((32, 32), margin=10, channel_base=128, dtype=torch.float64)
    before, there = image(generator), image(generator, transform=image_motion(generator, shift=shift)[None])
    expected, found = before[:, rows[0], columns[0]], there[:, rows[1], columns[1]]
    assert (expected - found).abs().max() < 0.02 * expected.std()
    assert (before - there).std() > 0.3 * before.std()


def test_parts_are_of_each_side() -> None:
    generator = tiny_alias_free((16, 32))
    assert_same(image_motion(generator, shift=(0.25, 0.5)), motion(right=0.5, down=0.5).float())
    assert_same(image_motion(generator, turn=90), motion(turn=pi / 2).float())


def test_images_turn_counter_clockwise_about_their_middle() -> None:
    generator = tiny_alias_free((32, 32), margin=10, channel_base=128, configuration="R", dtype=torch.float64)
    before, there = image(generator), image(generator, transform=image_motion(generator, turn=90.0)[None])
    inside = slice(8, -8)
    expected = before.rot90(1, (1, 2))[:, inside, inside]  # from the first axis, down, to the second: to the left
    assert (expected - there[:, inside, inside]).abs().max() < 0.02 * expected.std()
    assert (before - there).std() > 0.3 * before.std()


def test_what_the_network_does_already_stays() -> None:
    generator = tiny_alias_free()
    generator.synthesis.input.transform.copy_(motion(0.25, 0.0))
    assert_same(image_motion(generator, turn=90), (motion(0.25, 0.0) @ motion(turn=pi / 2)).float())
    assert_same(image_motion(generator, shift=(0.25, 0.0)), motion(0.5, 0.0).float())
    assert_same(image_motion(generator), motion(0.25, 0.0).float())


def test_all_that_is_computed_inside_is_moved_and_nothing_afterwards() -> None:
    generator, options = tiny_alias_free(), {"shift": (0.25, -0.125), "turn": 30.0}
    before = next(sample(generator, [3, 4]))
    with moved(generator, **options):  # type: ignore[arg-type]
        inside = next(sample(generator, [3, 4]))
        with moved(generator, turn=-30):
            twice = generator.synthesis.input.transform.clone()
    assert torch.equal(next(sample(generator, [3, 4])), before)
    assert_same(inside[0], image(generator, transform=image_motion(generator, **options)[None]), 1e-5)  # type: ignore[arg-type]
    expected = motion(0.25, -0.125, pi / 6) @ motion(turn=-pi / 6)
    assert_same(twice, expected.float(), 1e-6)
    with pytest.raises(KeyboardInterrupt), moved(generator, turn=5):
        raise KeyboardInterrupt
    assert torch.equal(generator.synthesis.input.transform, torch.eye(3))


def test_batches_of_a_film_take_their_own_transforms() -> None:
    generator = tiny_alias_free()
    ws, path = styles_of_seeds(generator, [1, 2, 3]), motion_path(generator, 3, shift=(0.5, 0.0), turn=40)
    whole = torch.cat(list(synthesize(generator, ws, transform=path)))
    assert_same(torch.cat(list(synthesize(generator, ws, transform=path, batch=2))), whole, 1e-5)
    assert_same(whole[1], image(generator, 2, transform=path[1:2]), 1e-5)


def test_paths_are_steady_and_loops_swing() -> None:
    generator = tiny_alias_free()
    there = motion_path(generator, 5, shift=(0.5, 0.25))
    assert_same(there[:, 0, 2], torch.tensor([0.0, -0.125, -0.25, -0.375, -0.5]))
    assert_same(there[:, 1, 2], torch.tensor([0.0, -0.0625, -0.125, -0.1875, -0.25]))
    swing = motion_path(generator, 4, shift=(0.5, 0.0), turn=90, loop=True)
    assert_same(swing, torch.stack([motion(s * 0.5, 0.0, s * pi / 2).float() for s in (0, 1, 0, -1)]))
    rounds = motion_path(generator, 4, turn=-360, loop=True)
    assert_same(rounds, torch.stack([motion(turn=-part * pi / 2).float() for part in range(4)]))
    assert_same(motion_path(generator, 1, turn=90), torch.eye(3)[None])


WRONG = [
    ({"shift": (0.5,)}, r"moved: shift must be \(x, y\), got \(0\.5,\)"),
    ({"shift": (float("nan"), 0.0)}, r"moved: shift must be a number in \[-100, 100\], got nan"),
    ({"shift": (0.0, 101)}, r"moved: shift must be a number in \[-100, 100\], got 101"),
    ({"turn": float("inf")}, r"moved: turn must be a number in \[-36000, 36000\], got inf"),
    ({"turn": True}, "moved: turn must be a number"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_motions_that_there_are_not(options: dict[str, Any], message: str) -> None:
    generator = tiny_alias_free()
    with pytest.raises(ValueError, match=message), moved(generator, **options):
        pass
    with pytest.raises(ValueError, match="motion_path: frames must be an int of at least 1, got 0"):
        motion_path(generator, 0)
    with pytest.raises(ValueError, match=r"synthesize: transform must be \(2, 3, 3\), .* got \(3, 3\)"):
        synthesize(generator, styles_of_seeds(generator, [0, 1]), transform=torch.eye(3))


def test_other_generators_cannot_move() -> None:
    generator = tiny_generator()
    assert can_move(tiny_alias_free()) and not can_move(generator)
    expected = r"alias-free generator \(StyleGAN3\), got one of class Generator"
    with pytest.raises(ValueError, match="moved: images are .* " + expected), moved(generator):
        pass
    with pytest.raises(ValueError, match="image_motion: .* " + expected):
        image_motion(generator)
    with pytest.raises(ValueError, match=r"transform must be \(1, 3, 3\), for an alias-free generator"):
        synthesize(generator, styles_of_seeds(generator, [0]), transform=torch.eye(3)[None])
