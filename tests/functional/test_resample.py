"""blur2d, upsample2d and downsample2d: numbers, constants, ramps and means kept, one the adjoint of the other."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from stylelayers.functional import blur2d, downsample2d, upsample2d
from tests import reference
from tests.conftest import assert_same, channels_last, check_derivatives, randn, strided

KERNELS = {
    "binomial": (1, 2, 1),
    "even": (1, 3, 3, 1),
    "single": (5.0,),
    "asymmetric": (1.0, 2.0, 4.0),
    "2-D": [[1.0, 2.0], [3.0, 4.0], [5.0, -1.0]],
}
MODES = ("zeros", "reflect", "replicate")
every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())


@every_kernel
@pytest.mark.parametrize("padding_mode", MODES)
@pytest.mark.parametrize("size", [(8, 8), (7, 5), (3, 3)])
def test_blur_matches_the_reference(kernel: Any, padding_mode: str, size: tuple[int, int]) -> None:
    x = randn(2, 3, *size)
    y = blur2d(x, kernel, padding_mode=padding_mode)
    assert y.shape == x.shape
    assert_same(y, reference.blur2d(x, kernel, padding_mode=padding_mode))


@every_kernel
@pytest.mark.parametrize("factor", [2, 3])
def test_resampling_matches_the_reference(kernel: Any, factor: int) -> None:
    """Resampling is convolution by an impulse and resampling."""
    x, impulse = randn(2, 1, 6, 9), torch.ones(1, 1, 1, 1, dtype=torch.float64)
    enlarged = reference.resample_conv2d(x, impulse, up=factor, kernel=kernel)
    shrunk = reference.resample_conv2d(x, impulse, down=factor, kernel=kernel)
    assert_same(upsample2d(x, kernel, factor=factor), enlarged)
    assert_same(downsample2d(x, kernel, factor=factor), shrunk)
    for operator in (upsample2d, downsample2d):
        assert_same(operator(x, kernel, factor=1), reference.blur2d(x, kernel))


@every_kernel
@pytest.mark.parametrize("padding_mode", ["reflect", "replicate"])
@pytest.mark.parametrize("factor", [2, 3])
def test_padding_equals_a_padded_image(kernel: Any, padding_mode: str, factor: int) -> None:
    x, margin = randn(2, 1, 6, 9), 3
    larger = F.pad(x, [margin] * 4, mode=padding_mode)
    inside = slice(margin * factor, -margin * factor)
    enlarged = upsample2d(x, kernel, factor=factor, padding_mode=padding_mode)
    assert_same(enlarged, upsample2d(larger, kernel, factor=factor)[:, :, inside, inside])
    shrunk = downsample2d(x, kernel, factor=3, padding_mode=padding_mode)
    assert_same(shrunk, downsample2d(larger, kernel, factor=3)[:, :, 1:3, 1:4])


def test_libraries_agree_including_the_border() -> None:
    x = randn(2, 3, 8, 6)
    bilinear = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    assert_same(upsample2d(x, padding_mode="replicate"), bilinear)


def test_libraries_agree_in_the_interior() -> None:
    x = randn(2, 3, 8, 6)
    bilinear = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    assert_same(upsample2d(x)[:, :, 1:-1, 1:-1], bilinear[:, :, 1:-1, 1:-1])
    assert_same(upsample2d(x, (1, 1)), F.interpolate(x, scale_factor=2, mode="nearest"))
    assert_same(upsample2d(x, (1, 1, 1), factor=3), F.interpolate(x, scale_factor=3, mode="nearest"))
    assert_same(downsample2d(x, (1, 1)), F.avg_pool2d(x, 2))
    assert_same(blur2d(x, (1, 1, 1)), F.avg_pool2d(x, 3, stride=1, padding=1))


@pytest.mark.parametrize("factor", [2, 3])
def test_ramps_stay_ramps(factor: int) -> None:
    """Pixel centres stay where they are: enlarged pixel m lies at (m + 1/2) / factor - 1/2."""
    ramp = torch.arange(24, dtype=torch.float64).expand(1, 1, 24, 24)
    kernel = {2: (1, 3, 3, 1), 3: (1, 2, 3, 2, 1)}[factor]  # linear interpolation
    inside = slice(6, -6)
    enlarged = (torch.arange(24 * factor, dtype=torch.float64) + 0.5) / factor - 0.5
    shrunk = (torch.arange(24 // factor, dtype=torch.float64) + 0.5) * factor - 0.5
    assert_same(upsample2d(ramp, kernel, factor=factor)[0, 0, 12, inside], enlarged[inside])
    assert_same(downsample2d(ramp, kernel, factor=factor)[0, 0, 4, 2:-2], shrunk[2:-2])


@every_kernel
def test_constants_are_kept(kernel: Any) -> None:
    ones = torch.ones(1, 2, 12, 14, dtype=torch.float64)
    for padding_mode in ("reflect", "replicate"):
        assert_same(blur2d(ones, kernel, padding_mode=padding_mode), ones)
        assert_same(downsample2d(ones, kernel, padding_mode=padding_mode), ones[:, :, :6, :7])
        assert_same(upsample2d(ones, (1, 3, 3, 1), padding_mode=padding_mode), ones.repeat(1, 1, 2, 2))
    assert_same(blur2d(ones, kernel)[:, :, 3:-3, 3:-3], ones[:, :, 3:-3, 3:-3])
    assert_same(downsample2d(ones, kernel)[:, :, 2:-2, 2:-2], ones[:, :, :2, :3])
    blocks = upsample2d(ones, kernel)[:, :, 4:-4, 4:-4].unflatten(3, (-1, 2)).unflatten(2, (-1, 2))
    assert_same(blocks.mean((3, 5)), ones[:, :, :8, :10])


@pytest.mark.parametrize("kernel", [(1, 1), (1, 3, 3, 1), (1, 5, 10, 10, 5, 1)], ids=str)
def test_upsampling_is_the_adjoint_of_downsampling(kernel: tuple[int, ...]) -> None:
    x, y = randn(2, 3, 5, 4), randn(2, 3, 10, 8)
    assert_same((upsample2d(x, kernel) * y).sum(), 4 * (x * downsample2d(y, kernel)).sum())


@every_kernel
def test_downsampling_is_filter_and_stride(kernel: Any) -> None:
    x = randn(1, 2, 9, 8)
    height, width = reference.taps_2d(kernel).shape
    filtered = reference.blur2d(x, kernel)
    first = (1 - height % 2, 1 - width % 2)  # even kernels: `blur2d` lies one pixel further to the left and top
    assert_same(downsample2d(x, kernel)[:, :, :4, :3], filtered[:, :, first[0] :: 2, first[1] :: 2][:, :, :4, :3])


OPERATORS = {"blur2d": blur2d, "upsample2d": upsample2d, "downsample2d": downsample2d}
every_operator = pytest.mark.parametrize("operator", OPERATORS.values(), ids=OPERATORS.keys())


@every_operator
@pytest.mark.parametrize("name", ["asymmetric", "2-D", "even"])
def test_derivatives_match_finite_differences(operator: Any, name: str) -> None:
    check_derivatives(lambda x: operator(x, KERNELS[name]), randn(1, 2, 4, 5))


@pytest.mark.parametrize("padding_mode", MODES)
@pytest.mark.parametrize("operator", [blur2d, upsample2d, downsample2d])
def test_derivatives_at_the_border_match_finite_differences(operator: Any, padding_mode: str) -> None:
    check_derivatives(lambda x: operator(x, KERNELS["asymmetric"], padding_mode=padding_mode), randn(1, 1, 4, 3))


@every_operator
def test_memory_layouts_agree_and_empty_batches_pass(operator: Any) -> None:
    x = randn(2, 3, 6, 8)
    y = operator(x)
    assert y.is_contiguous()
    assert operator(channels_last(x)).is_contiguous(memory_format=torch.channels_last)
    for layout in (channels_last, strided):
        assert_same(operator(layout(x)), y)
    assert operator(x[:0]).shape == (0, *y.shape[1:])


BAD = {
    "mode": (lambda: blur2d(randn(1, 1, 4, 4), padding_mode="wrap"), "blur2d: padding_mode must be .*got 'wrap'"),
    "mode up": (lambda: upsample2d(randn(1, 1, 4, 4), padding_mode="wrap"), "upsample2d: padding_mode .*'wrap'"),
    "reflect too far": (
        lambda: blur2d(randn(1, 1, 1, 4), padding_mode="reflect"),
        r"reflect.*needs a larger image, got \(1, 1, 1, 4\); use padding_mode='replicate'",
    ),
    "kernel rank": (lambda: blur2d(randn(1, 1, 4, 4), torch.ones(1, 1, 3)), r"taps must be 1-D or 2-D.*\(1, 1, 3\)"),
    "sums to 0": (lambda: downsample2d(randn(1, 1, 4, 4), (1, -1)), "taps that sum to 0"),
    "factor 0": (lambda: upsample2d(randn(1, 1, 4, 4), factor=0), "factor must be an int of at least 1, got 0"),
    "factor": (lambda: downsample2d(randn(1, 1, 4, 4), factor=-1), "factor must be an int of at least 1, got -1"),
    "factor float": (lambda: upsample2d(randn(1, 1, 4, 4), factor=1.5), "must be .*got 1.5"),  # type: ignore[arg-type]
    "learned": (lambda: blur2d(randn(1, 1, 4, 4), torch.ones(3, requires_grad=True)), "get no gradient"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


WRONG_RANK = {
    "blur2d": blur2d,
    "blur2d reflect": partial(blur2d, padding_mode="reflect"),
    "blur2d replicate": partial(blur2d, padding_mode="replicate"),
    "upsample2d": upsample2d,
    "downsample2d": downsample2d,
    "downsample2d reflect": partial(downsample2d, padding_mode="reflect"),
}


@pytest.mark.parametrize("operator", WRONG_RANK.values(), ids=WRONG_RANK.keys())
def test_wrong_rank_raises(operator: Any) -> None:
    with pytest.raises(ValueError, match=r"x must be a floating-point \(N, C, H, W\), got .*\(3, 8, 8\)"):
        operator(randn(3, 8, 8))
