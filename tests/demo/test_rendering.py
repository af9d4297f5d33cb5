"""Settings → pictures: each setting does what it says, and nothing else."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from stylelayers.demo import Explorer, Settings, layer_names, render
from stylelayers.explore import (
    factorize,
    image_motion,
    style_statistics,
    styles_of_seeds,
    synthesize,
    to_pixels,
)
from stylelayers.models import StyleGenerator
from tests.explore.tiny import tiny_alias_free, tiny_generator


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return Explorer(tiny_generator(labels=3), directions=3)


def pixels(explorer: Explorer, **settings: Any) -> NDArray[np.uint8]:
    return np.asarray(render(explorer, Settings(**settings)))


def pixels_of(generator: StyleGenerator, ws: torch.Tensor, noise: str = "const") -> NDArray[np.uint8]:
    return to_pixels(next(synthesize(generator, ws, noise=noise)))[0].numpy()


def same(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    return bool(np.array_equal(one, other))


@pytest.mark.parametrize("psi", [1.0, 0.4])
@pytest.mark.parametrize("noise", [True, False])
def test_seeds_give_the_pictures_of_generate(explorer: Explorer, psi: float, noise: bool) -> None:
    ws = styles_of_seeds(explorer.generator, [5], labels=[2], truncation_psi=psi)
    expected = pixels_of(explorer.generator, ws, "const" if noise else "none")
    assert same(pixels(explorer, seed=5, label=2, truncation_psi=psi, noise=noise), expected)


def test_same_settings_give_the_same_picture() -> None:
    settings = Settings(
        seed=3, label=1, truncation_psi=0.7, mixed_seed=4, mixed_label=2, mixed_layers=[1], amounts=[1.0, -2.0]
    )
    first, again = (render(Explorer(tiny_generator(labels=3)), settings) for _ in range(2))
    assert first.tobytes() == again.tobytes()


@pytest.mark.parametrize("changed", [
    {"seed": 4}, {"label": 2}, {"truncation_psi": 0.5}, {"noise": False}, {"mixed_layers": [0]}, {"mixed_layers": [3]},
    {"amounts": [2.0]}, {"amounts": [0.0, 0.0, -2.0]},
], ids=str)  # fmt: skip
def test_every_setting_changes_the_picture(explorer: Explorer, changed: dict[str, Any]) -> None:
    usual = {"seed": 3, "label": 1, "mixed_seed": 8, "mixed_label": 0}
    assert not same(pixels(explorer, **{**usual, **changed}), pixels(explorer, **usual))


def test_chosen_layers_come_from_the_second_picture(explorer: Explorer) -> None:
    usual: dict[str, Any] = {"seed": 3, "label": 1, "mixed_seed": 8, "mixed_label": 2, "truncation_psi": 0.8}
    second = render(explorer, Settings(**usual).second())
    assert same(pixels(explorer, **usual, mixed_layers=range(4)), np.asarray(second))
    styles = [
        styles_of_seeds(explorer.generator, [seed], labels=[label], truncation_psi=0.8)
        for seed, label in ((3, 1), (8, 2))
    ]
    mixed = torch.stack([styles[layer in (1, 3)][:, layer] for layer in range(4)], dim=1)
    assert same(pixels(explorer, **usual, mixed_layers=[3, 1]), pixels_of(explorer.generator, mixed))


def test_styles_move_along_all_directions_in_chosen_layers(explorer: Explorer) -> None:
    generator = explorer.generator
    found = factorize(generator, layers=[1, 2])
    deviation = float(style_statistics(generator)[1]) / sqrt(generator.w_dim)
    ws = styles_of_seeds(generator, [3], labels=[0]).clone()
    for layer in (1, 2):
        ws[:, layer] += deviation * (2.0 * found.vectors[0] - 3.0 * found.vectors[1])
    assert same(pixels(explorer, seed=3, label=0, amounts=[2.0, -3.0], moved_layers=[2, 1]), pixels_of(generator, ws))


def test_moves_by_zero_or_of_no_layers_keep_the_picture(explorer: Explorer) -> None:
    expected = pixels(explorer, seed=3)
    assert same(pixels(explorer, seed=3, amounts=[0.0, 0.0]), expected)
    assert same(pixels(explorer, seed=3, amounts=[5.0], moved_layers=[]), expected)


@pytest.mark.parametrize(("wrong", "message"), [
    ({"seed": -1}, "seeds must be in"),
    ({"label": 3}, r"labels must be in \[0, 3\)"),
    ({"mixed_layers": [4]}, r"layers must be in \[0, 4\)"),
    ({"amounts": [1.0], "moved_layers": [4]}, r"layers must be in \[0, 4\)"),
    ({"amounts": [1.0] * 4}, "amounts must be at most 3, got 4"),
])  # fmt: skip
def test_bad_settings_raise(explorer: Explorer, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        render(explorer, Settings(**wrong))


def test_pictures_have_the_generators_size_and_colours() -> None:
    grey = render(Explorer(tiny_generator((8, 12), image_channels=1)), Settings())
    colours = render(Explorer(tiny_generator((8, 12))), Settings())
    assert (grey.size, grey.mode, colours.size, colours.mode) == ((12, 8), "L", (12, 8), "RGB")


def test_directions_are_at_most_w_dim() -> None:
    explorer = Explorer(tiny_generator(), directions=50)
    assert explorer.num_directions == 5
    assert explorer.directions(None).vectors.shape == (5, 5)
    assert explorer.directions([0, 1]) is explorer.directions([1, 0])


def test_layers_are_named_by_resolution() -> None:
    names = layer_names(tiny_generator(32))
    assert names == [
        "0: 4x4", "1: 8x8", "2: 8x8", "3: 16x16", "4: 16x16", "5: 32x32", "6: 32x32", "7: colours"
    ]  # fmt: skip


def test_truncation_requires_the_mean_of_w() -> None:
    assert Explorer(tiny_generator()).can_truncate
    assert not Explorer(tiny_generator(w_mean_decay=None)).can_truncate


def test_images_of_alias_free_generators_turn_and_move() -> None:
    explorer = Explorer(tiny_alias_free())
    ws = styles_of_seeds(explorer.generator, [3])
    transform = image_motion(explorer.generator, shift=(0.25, -0.5), turn=40.0)[None]
    expected = to_pixels(next(synthesize(explorer.generator, ws, transform=transform)))[0].numpy()
    assert same(pixels(explorer, seed=3, shift=(0.25, -0.5), turn=40.0), expected)
    assert not same(pixels(explorer, seed=3), expected)
    assert not same(pixels(explorer, seed=3, shift=(0.0, 0.25)), pixels(explorer, seed=3, shift=(0.25, 0.0)))
    assert same(pixels(explorer, seed=3, noise=False), pixels(explorer, seed=3))


def test_other_images_do_not_move(explorer: Explorer) -> None:
    assert Explorer(tiny_alias_free()).can_move and not explorer.can_move
    with pytest.raises(ValueError, match="render: images are moved and turned by the input of an alias-free generator"):
        render(explorer, Settings(label=0, turn=1.0))
