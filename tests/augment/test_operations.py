"""The simple augmentations: against plain indexing, their laws, their derivatives of first and second order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from stylelayers.augment import (
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    affine_warp,
    amplify_bands,
    color_transform,
    cutout,
    flip_and_turn,
    translate_pixels,
)
from stylelayers.testing import check_double_backward

SHIFTS = torch.tensor([[0, 0], [2, -1], [-3, 4]])
NO, YES = torch.tensor([False] * 3), torch.tensor([True] * 3)
NUMBERS = torch.tensor([0.3, 1.0, 1.7], dtype=torch.float64)
MATRIX = torch.tensor([[0.9, 0.2, -0.1, 0.3], [0.1, 0.7, 0.2, -0.2], [0.3, -0.4, 1.1, 0.1], [0, 0, 0, 1]])
COLORS: dict[str, Callable[[Tensor], Tensor]] = {
    "brightness": partial(adjust_brightness, offset=NUMBERS),
    "saturation": partial(adjust_saturation, factor=NUMBERS),
    "contrast": partial(adjust_contrast, factor=NUMBERS),
    "matrix": partial(color_transform, matrix=MATRIX.double().expand(3, 4, 4)),
}
OPERATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    **COLORS,
    "flip and turn": partial(flip_and_turn, flip=torch.tensor([True, False, True]), turns=torch.tensor([1, 2, 3])),
    "translate, reflect": partial(translate_pixels, shift=SHIFTS),
    "translate, replicate": partial(translate_pixels, shift=SHIFTS, padding_mode="replicate"),
    "translate, constant": partial(translate_pixels, shift=SHIFTS, padding_mode="constant", fill=-1.0),
    "cutout": partial(cutout, corner=SHIFTS, size=(3, 2), fill=-1.0),
}


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or (3, 2, 4, 5)), dtype=torch.float64)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("shape", [(3, 2, 4, 4), (3, 1, 3, 5), (3, 4, 3, 4)], ids=str)
def test_first_and_second_derivatives_match_finite_differences(name: str, shape: tuple[int, ...]) -> None:
    check_double_backward(lambda x: OPERATIONS[name](x).square(), images(*shape))


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "brightness"])
def test_operations_are_affine(name: str) -> None:
    x, y, operation = images(), images(), OPERATIONS[name]
    offset = operation(torch.zeros_like(x))
    expected = 2 * (operation(x) - offset) - 3 * (operation(y) - offset)
    torch.testing.assert_close(operation(2 * x - 3 * y) - offset, expected)


@pytest.mark.parametrize("name", OPERATIONS)
def test_samples_are_independent(name: str) -> None:
    x = images().requires_grad_()
    gradient = torch.autograd.grad(OPERATIONS[name](x)[1].square().sum(), x)[0]
    assert gradient[1].any()
    assert not gradient[[0, 2]].any()


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_dtype_is_kept(name: str, dtype: torch.dtype) -> None:
    assert OPERATIONS[name](images().to(dtype)).dtype == dtype


def test_color_operations_match_their_formulas() -> None:
    x = images(3, 3, 4, 5)
    for n, factor in enumerate(NUMBERS):
        torch.testing.assert_close(OPERATIONS["brightness"](x)[n], x[n] + factor)
        torch.testing.assert_close(OPERATIONS["contrast"](x)[n], x[n] * factor + x[n].mean() * (1 - factor))
        torch.testing.assert_close(OPERATIONS["saturation"](x)[n], x[n] * factor + x[n].mean(0) * (1 - factor))
        mixed = torch.einsum("ij,jhw->ihw", MATRIX[:3, :3].double(), x[n]) + MATRIX[:3, 3, None, None]
        torch.testing.assert_close(OPERATIONS["matrix"](x)[n], mixed)
    grey = images(3, 1, 4, 4)
    assert torch.equal(adjust_saturation(grey, NUMBERS), grey)


@pytest.mark.parametrize("name", COLORS)
@pytest.mark.parametrize("channels", [1, 3])
def test_color_operations_keep_alpha(name: str, channels: int) -> None:
    colors, alpha = images(3, channels, 4, 5), images(3, 1, 4, 5)
    changed = COLORS[name](torch.cat([colors, alpha], 1))
    assert torch.equal(changed[:, :channels], COLORS[name](colors))
    assert torch.equal(changed[:, channels:], alpha)


def test_color_operations_keep_opaque_images_opaque() -> None:
    red = torch.tensor([1.0, 0.0, 0.0, 1.0]).view(1, 4, 1, 1)
    grey = adjust_saturation(red, torch.zeros(1))
    torch.testing.assert_close(grey.flatten(), torch.tensor([1 / 3, 1 / 3, 1 / 3, 1.0]))


@pytest.mark.parametrize("name", OPERATIONS)
def test_only_color_operations_refuse_other_channels(name: str) -> None:
    for channels in (5, 6):
        x = images(3, channels, 4, 5)
        if name not in COLORS:
            assert OPERATIONS[name](x).shape == x.shape
            continue
        with pytest.raises(
            ValueError, match=rf"1 \(grey\), 2 .*4 \(RGB, alpha\) channels, got {channels}; leave 'color' o"
        ):
            COLORS[name](x)


def test_cutout_changes_alpha_too() -> None:
    assert (cutout(images(3, 4, 4, 5), 0 * SHIFTS, (4, 5), fill=-1.0) == -1).all()


@pytest.mark.parametrize("mirrored", [NO, YES], ids=["", "mirrored"])
@pytest.mark.parametrize("quarters", [-1, 0, 1, 2, 3])
def test_turns_match_rot90(quarters: int, mirrored: Tensor) -> None:
    square, wide, turns = images(3, 2, 5, 5), images(3, 2, 4, 6), torch.full((3,), quarters)
    flipped = square.flip(3) if mirrored.all() else square
    assert torch.equal(flip_and_turn(square, mirrored, turns), flipped.rot90(quarters, (2, 3)))
    flipped = wide.flip(3) if mirrored.all() else wide
    halves = quarters - quarters % 2
    assert torch.equal(flip_and_turn(wide, mirrored, turns), flipped.rot90(halves, (2, 3)))


def test_two_flips_or_four_turns_are_the_identity() -> None:
    x = images(3, 2, 5, 5)
    assert torch.equal(flip_and_turn(flip_and_turn(x, YES, 0 * NUMBERS.long()), YES, 0 * NUMBERS.long()), x)
    y = x
    for _ in range(4):
        y = flip_and_turn(y, NO, torch.ones(3, dtype=torch.long))
    assert torch.equal(y, x)


def test_translation_moves_an_impulse_down_and_right() -> None:
    x = torch.zeros(1, 1, 5, 7)
    x[0, 0, 2, 3] = 1
    y = translate_pixels(x, torch.tensor([[1, -2]]), padding_mode="constant")
    assert y.nonzero().tolist() == [[0, 0, 3, 1]]


@pytest.mark.parametrize("mode", ["reflect", "replicate", "constant"])
def test_translation_equals_padding_and_cropping(mode: str) -> None:
    x = images()
    for n, (down, right) in enumerate(SHIFTS.tolist()):
        value = {"value": -1.0} if mode == "constant" else {}

        padded = torch.nn.functional.pad(x[n : n + 1], (4, 4, 3, 3), mode=mode, **value)
        expected = padded[:, :, 3 - down : 7 - down, 4 - right : 9 - right]
        options: Any = {"padding_mode": mode, "fill": -1.0}
        assert torch.equal(translate_pixels(x, SHIFTS, **options)[n : n + 1], expected)


PADDED: dict[str, Callable[..., Tensor]] = {
    "translate_pixels": partial(translate_pixels, shift=SHIFTS),
    "affine_warp": partial(affine_warp, matrix=torch.eye(3).roll(1, 1).expand(3, 3, 3)),
    "amplify_bands": partial(amplify_bands, gains=torch.tensor([2.0, 1.0, 0.5, 1.0]).expand(3, 4)),
}


@pytest.mark.parametrize("name", PADDED)
def test_zeros_padding_ignores_the_fill(name: str) -> None:
    x, function = images(), PADDED[name]
    zeros = function(x, padding_mode="zeros", fill=0.7)
    assert torch.equal(zeros, function(x, padding_mode="constant"))
    assert not torch.equal(zeros, function(x, padding_mode="constant", fill=0.7))


def test_reflection_repeats_beyond_one_image() -> None:
    x = torch.arange(3.0).view(1, 1, 1, 3)
    far = [translate_pixels(x, torch.tensor([[5, shift]])).flatten().tolist() for shift in (4, 8, -5, 1000)]
    assert far == [[0, 1, 2], [0, 1, 2], [1, 2, 1], [0, 1, 2]]


def test_cutout_fills_exactly_a_rectangle() -> None:
    x = images()
    expected = x.clone()
    for n, (row, column) in enumerate(SHIFTS.tolist()):
        expected[n, :, max(row, 0) : max(row + 3, 0), max(column, 0) : max(column + 2, 0)] = -1
    assert torch.equal(OPERATIONS["cutout"](x), expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: adjust_brightness(x, torch.ones(2)), r"adjust_brightness: offset must be \(3,\) for 3 images, got"),
        (lambda x: adjust_contrast(x, torch.ones(3, 1)), r"adjust_contrast: factor must be \(3,\).* got \(3, 1\)"),
        (lambda x: adjust_saturation(x[0], torch.ones(3)), r"images must be floating-point \(N, C, H, W\), got"),
        (lambda x: adjust_contrast(x.long(), torch.ones(3)), r"images must be floating-point .* got torch.int64"),
        (lambda x: translate_pixels(x, torch.ones(3)), r"translate_pixels: shift must be \(3, 2\)"),
        (lambda x: translate_pixels(x, torch.ones(3, 2)), r"shift must hold integers, got torch.float32"),
        (lambda x: translate_pixels(x, SHIFTS, padding_mode="wrap"), r"must be one of zeros, .*got 'wrap'"),
        (lambda x: flip_and_turn(x, NO[:2], SHIFTS[:, 0]), r"flip_and_turn: flip must be \(3,\)"),
        (lambda x: flip_and_turn(x, NO, SHIFTS), r"flip_and_turn: turns must be \(3,\)"),
        (lambda x: cutout(x, SHIFTS[:, 0], (2, 2)), r"cutout: corner must be \(3, 2\)"),
    ],
)
def test_bad_input_raises(call: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(images())
