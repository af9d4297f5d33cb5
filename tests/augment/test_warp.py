"""Affine warps and the matrices they come from: laws, a slow reference, derivatives of both orders."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import pytest
import torch
from torch import Tensor

from stylelayers.augment import affine_warp, color_transform, flip_and_turn, matrices
from stylelayers.augment.warp import SYM6
from stylelayers.testing import check_double_backward
from tests import reference

MODES = ("reflect", "replicate", "constant")
DOUBLE = torch.float64


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or (2, 3, 5, 7)), dtype=DOUBLE)


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=DOUBLE)


def move(right: float, down: float, count: int = 2) -> Tensor:
    """The matrix by which an image goes so many pixels to the right and down."""
    return matrices.translation(numbers(-right).expand(count), numbers(-down).expand(count))


MIXED = matrices.chain(
    matrices.rotation(numbers(0.7, -2.0)),
    matrices.scaling(numbers(1.2, 0.8), numbers(0.9, 1.4)),
    matrices.translation(numbers(1.3, -0.4), numbers(0.2, 3.1)),
)


def test_wavelet_filter_is_the_orthogonal_symlet() -> None:
    taps = torch.tensor(SYM6, dtype=DOUBLE)
    products = torch.stack([(taps[2 * k :] * taps[: len(taps) - 2 * k]).sum() for k in range(6)])
    torch.testing.assert_close(products, numbers(1, 0, 0, 0, 0, 0), atol=1e-11, rtol=0)
    torch.testing.assert_close(taps.sum(), torch.tensor(sqrt(2), dtype=DOUBLE), atol=1e-11, rtol=0)
    signs, place = numbers(1, -1).repeat(6), torch.arange(12, dtype=DOUBLE)
    moments = torch.stack([(taps * signs * (place / 6) ** k).sum() for k in range(6)])
    assert moments.abs().max() < 1e-9  # six vanishing moments
    assert abs((taps * signs * (place / 6) ** 6).sum()) > 1e-3


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", [(5, 7), (2, 9), (1, 1), (16, 16)], ids=str)
def test_identity_warp_keeps_images(mode: str, size: tuple[int, int]) -> None:
    x = images(2, 3, *size)
    torch.testing.assert_close(affine_warp(x, move(0, 0), padding_mode=mode), x, atol=1e-10, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_constants_stay_constant(mode: str) -> None:
    x = torch.full((2, 3, 5, 7), 0.3, dtype=DOUBLE)
    torch.testing.assert_close(affine_warp(x, MIXED, padding_mode=mode, fill=0.3), x, atol=1e-12, rtol=0)


@pytest.mark.parametrize("right, down", [(1, 0), (0, -1), (-2, 1)])
def test_whole_pixel_warps_are_shifts(right: int, down: int) -> None:
    x = torch.zeros(2, 1, 24, 28, dtype=DOUBLE)
    x[:, :, 12, 14] = 1
    expected = x.roll((down, right), (2, 3))
    torch.testing.assert_close(affine_warp(x, move(right, down)), expected, atol=1e-10, rtol=0)


def wave(height: int, width: int, right: Tensor, down: Tensor) -> Tensor:
    """A smooth image as a function of position, at pixels moved by fields of displacement."""
    return torch.cos(2 * pi * (right / 11 + down / 17) + 0.5).expand(1, 1, height, width)


@pytest.mark.parametrize(
    "matrix", [move(0.5, -0.25, 1), matrices.rotation(numbers(0.4)), MIXED[:1]], ids=["shift", "turn", "all"]
)
def test_smooth_images_are_sampled_at_transformed_points(matrix: Tensor) -> None:
    size = 48
    axis = torch.arange(size, dtype=DOUBLE) - (size - 1) / 2
    x, y = axis.view(1, -1), axis.view(-1, 1)
    (a, b, c), (d, e, f), _ = matrix[0]
    expected = wave(size, size, a * x + b * y + c, d * x + e * y + f)
    found = affine_warp(wave(size, size, x, y), matrix)
    inner = (..., slice(14, -14), slice(14, -14))
    torch.testing.assert_close(found[inner], expected[inner], atol=0.02, rtol=0)


def test_quarter_turns_and_flips_are_exact() -> None:
    axis = torch.arange(24, dtype=DOUBLE)
    x, inner = wave(24, 24, axis.view(1, -1), axis.view(-1, 1)), (..., slice(4, -4), slice(4, -4))
    turned = affine_warp(x, matrices.rotation(numbers(pi / 2)))
    exact = flip_and_turn(x, torch.tensor([False]), torch.tensor([1]))
    torch.testing.assert_close(turned[inner], exact[inner], atol=0.02, rtol=0)
    mirrored = affine_warp(x, matrices.scaling(numbers(-1), numbers(1)))
    torch.testing.assert_close(mirrored[inner], x.flip(3)[inner], atol=0.02, rtol=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kernel", [SYM6, (1, 3, 3, 1), (1, 2, 1), (0.7, 0.2, 0.1)], ids=len)
def test_values_match_a_loop_over_pixels(mode: str, kernel: tuple[float, ...]) -> None:
    x = images(2, 2, 4, 5)
    found = affine_warp(x, MIXED, padding_mode=mode, fill=0.7, kernel=kernel)
    expected = reference.affine_warp(x, MIXED, padding_mode=mode, fill=0.7, kernel=kernel)
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_first_and_second_derivatives_match_finite_differences(mode: str) -> None:
    check_double_backward(lambda x: affine_warp(x, MIXED, padding_mode=mode, fill=0.5).square(), images(2, 1, 3, 4))


def test_gradient_is_the_adjoint() -> None:
    x, y = images().requires_grad_(), images()
    warped = affine_warp(x, MIXED)
    (back,) = torch.autograd.grad(warped, x, y)
    matrix = torch.autograd.functional.jacobian(lambda z: affine_warp(z, MIXED), x).reshape(y.numel(), -1)
    torch.testing.assert_close(back.flatten(), matrix.T @ y.flatten())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_dtype_is_kept_and_autocast_adds_no_rounding(dtype: torch.dtype) -> None:
    x = images().to(dtype)
    exact = affine_warp(x.double(), MIXED)
    with torch.autocast("cpu", torch.bfloat16):
        found = affine_warp(x, MIXED)
    assert found.dtype == dtype
    torch.testing.assert_close(
        found.double(),
        exact,
        atol=50 * torch.finfo(dtype).eps ** (1 if dtype == torch.float32 else 2),
        rtol=torch.finfo(dtype).eps,
    )


# Matrices ----------------------------------------------------------------------------------------------------------


def test_neutral_arguments_give_exactly_the_identity() -> None:
    zero, one = torch.zeros(2), torch.ones(2)
    for matrix in (
        matrices.rotation(zero),
        matrices.translation(zero, zero),
        matrices.scaling(one, one),
        matrices.hue(zero),
        matrices.saturation(one),
        matrices.luma_flip(zero),
        matrices.chain(matrices.hue(zero), matrices.saturation(one), matrices.luma_flip(zero)),
    ):
        assert torch.equal(matrix, torch.eye(matrix.shape[-1]).expand_as(matrix))


def test_chain_is_the_matrix_product_under_autocast_too() -> None:
    first, second, third = torch.randn(3, 2, 4, 4)
    with torch.autocast("cpu", torch.bfloat16):
        found = matrices.chain(first, second, third)
    torch.testing.assert_close(found, first @ second @ third)


def test_hue_and_saturation_keep_greys_and_hue_keeps_lengths() -> None:
    grey = torch.linspace(-1, 1, 5, dtype=DOUBLE).view(1, 1, 1, 5).expand(2, 3, 4, 5)
    turn, stronger = matrices.hue(numbers(0.9, -2.5)), matrices.saturation(numbers(0.0, 3.0))
    for matrix in (turn, stronger):
        torch.testing.assert_close(color_transform(grey, matrix), grey)
    x = images()
    torch.testing.assert_close(color_transform(x, turn).norm(dim=1), x.norm(dim=1))
    third = color_transform(x, matrices.hue(numbers(2 * pi / 3, -2 * pi / 3)))
    torch.testing.assert_close(third[0], x[0].roll(1, 0))  # red to green to blue to red
    torch.testing.assert_close(third[1], x[1].roll(-1, 0))
    torch.testing.assert_close(color_transform(x, stronger)[0], x[0].mean(0).expand(3, -1, -1))


def test_luma_flip_mirrors_only_the_mean() -> None:
    x = images()
    y = color_transform(x, matrices.luma_flip(numbers(1, 0)))
    torch.testing.assert_close(y[0].mean(0), -x[0].mean(0))
    torch.testing.assert_close(y[0] - y[0].mean(0), x[0] - x[0].mean(0))
    assert torch.equal(y[1], x[1])


def test_one_channel_equals_grey_rgb() -> None:
    matrix = matrices.chain(
        matrices.hue(numbers(0.5, 0.1)),
        matrices.saturation(numbers(2, 0.5)),
        matrices.luma_flip(numbers(1, 0)),
        matrices.scaling(*[numbers(1.5, 0.5)] * 3),
        matrices.translation(*[numbers(0.3, -0.2)] * 3),
    )
    x = images(2, 1, 4, 5)
    expected = color_transform(x.expand(-1, 3, -1, -1), matrix)
    torch.testing.assert_close(color_transform(x, matrix).expand(-1, 3, -1, -1), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_color_derivatives_match_finite_differences(channels: int) -> None:
    matrix = matrices.chain(matrices.hue(numbers(0.5, 0.1)), matrices.scaling(*[numbers(1.5, 0.5)] * 3))
    check_double_backward(lambda x: color_transform(x, matrix).square(), images(2, channels, 2, 3))


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (affine_warp, {"matrix": torch.ones(2, 2, 3)}, r"affine_warp: matrix must be \(2, 3, 3\) for 2 images, got"),
        (affine_warp, {"matrix": MIXED, "padding_mode": "wrap"}, "affine_warp: padding_mode must be one of zeros"),
        (affine_warp, {"matrix": MIXED, "kernel": torch.ones(3, 3)}, r"affine_warp: kernel must be 1-D, got \(3, 3\)"),
        (color_transform, {"matrix": MIXED}, r"color_transform: matrix must be \(2, 4, 4\)"),
    ],
)
def test_bad_input_raises(function: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(images(), **options)
    with pytest.raises(ValueError, match=r"channels, got 5"):
        color_transform(images(1, 5, 3, 3), torch.eye(4).expand(1, 4, 4))
