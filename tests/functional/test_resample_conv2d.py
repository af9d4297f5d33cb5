"""resample_conv2d: both methods against their steps, equal inside the image, derivatives, bad input."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import Any

import pytest
import torch

from stylelayers.functional import resample_conv2d
from tests import reference
from tests.conftest import assert_same, channels_last, check_derivatives, randn, strided

MODES = ("zeros", "reflect", "replicate")
METHODS = [("fir", "zeros"), *(("nearest", mode) for mode in MODES)]
FACTORS: tuple[dict[str, Any], ...] = ({"up": 2}, {"down": 2}, {"up": 3}, {"down": 3}, {})
FILTERS: dict[str, Any] = {
    "none": None,
    "default": (1, 3, 3, 1),
    "odd asymmetric": (1.0, 2.0, 4.0),
    "2-D": [[1.0, 2.0], [3.0, 4.0], [5.0, -1.0]],
}
every_method = pytest.mark.parametrize(("method", "mode"), METHODS)
every_factor = pytest.mark.parametrize("factor", FACTORS, ids=str)


def same_padding(size: int) -> tuple[int, int, int, int]:
    return ((size - 1) // 2, size // 2, (size - 1) // 2, size // 2)


@every_method
@every_factor
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
def test_values_match_the_reference(method: str, mode: str, factor: dict[str, Any], kernel_size: int) -> None:
    weight = randn(4, 3, kernel_size, kernel_size)
    for size, taps in product([(8, 8), (7, 10), (6, 5)], FILTERS.values()):
        options: dict[str, Any] = {"resample_method": method, "padding_mode": mode, "kernel": taps, **factor}
        x, padding = randn(2, 3, *size), same_padding(kernel_size)
        y = resample_conv2d(x, weight, padding=padding, **options)
        expected = [side * factor.get("up", 1) // factor.get("down", 1) for side in size]
        assert list(y.shape) == [2, 4, *expected]
        assert_same(y, reference.resample_conv2d(x, weight, padding=padding, **options))


@every_method
@every_factor
@pytest.mark.parametrize("padding", [0, 2, (0, 3, 1, 2)], ids=str)
def test_rectangular_kernels_take_any_padding(method: str, mode: str, factor: dict[str, Any], padding: Any) -> None:
    options: dict[str, Any] = {"resample_method": method, "padding_mode": mode, "kernel": (1.0, 2.0), **factor}
    for shape in ((3, 3), (2, 3), (3, 1), (1, 1)):
        x, weight = randn(1, 2, 6, 7), randn(3, 2, *shape)
        y = resample_conv2d(x, weight, padding=padding, **options)
        assert_same(y, reference.resample_conv2d(x, weight, padding=padding, **options))


@every_method
@every_factor
@pytest.mark.parametrize("kernel_size", [1, 2, 3])
def test_the_bias_is_added_to_the_result(method: str, mode: str, factor: dict[str, Any], kernel_size: int) -> None:
    options: dict[str, Any] = {"resample_method": method, "padding_mode": mode, "kernel": (1, 3, 3, 1), **factor}
    x, weight, bias = randn(2, 3, 8, 8), randn(4, 3, kernel_size, kernel_size), randn(4)
    y = resample_conv2d(x, weight, bias, padding=same_padding(kernel_size), **options)
    plain = resample_conv2d(x, weight, padding=same_padding(kernel_size), **options)
    assert_same(y, plain + bias[:, None, None])


@pytest.mark.parametrize("method", ["fir", "nearest"])
@every_factor
def test_negative_padding_crops(method: str, factor: dict[str, Any]) -> None:
    x, weight = randn(1, 2, 8, 9), randn(3, 2, 2, 3)
    options: dict[str, Any] = {"resample_method": method, "kernel": (1.0, 2.0, 4.0), **factor}
    y = resample_conv2d(x, weight, padding=(-1, 2, 0, -2), **options)
    assert_same(y, reference.resample_conv2d(x, weight, padding=(-1, 2, 0, -2), **options))


@every_method
@every_factor
def test_grouped_convolution_equals_separate_ones(method: str, mode: str, factor: dict[str, Any]) -> None:
    x, weight = randn(2, 4, 6, 6), randn(6, 2, 3, 3)
    function: Any = partial(
        resample_conv2d, padding=1, padding_mode=mode, resample_method=method, kernel=(1, 2, 4), **factor
    )
    separate = [function(x[:, :2], weight[:3]), function(x[:, 2:], weight[3:])]
    assert_same(function(x, weight, groups=2), torch.cat(separate, 1))


@pytest.mark.parametrize("factor", [{"up": 2}, {"down": 2}], ids=str)
@pytest.mark.parametrize(("whole", "beside_box"), [((1, 3, 3, 1), (1, 2, 1)), ((1, 1), None), ((1, 4, 6, 4, 1), None)])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_both_methods_agree_in_the_interior(factor: Any, whole: Any, beside_box: Any, kernel_size: int) -> None:
    if whole == (1, 4, 6, 4, 1):
        whole, beside_box = (1, 4, 6, 4, 1), (1, 3, 3, 1)
    x, weight = randn(2, 3, 16, 16), randn(4, 3, kernel_size, kernel_size)
    padding = same_padding(kernel_size)
    fir = resample_conv2d(x, weight, padding=padding, kernel=whole, **factor)
    for mode in MODES:
        nearest = resample_conv2d(
            x,
            weight,
            padding=padding,
            padding_mode=mode,
            kernel=beside_box,
            resample_method="nearest",
            **factor,
        )
        assert nearest.shape == fir.shape
        assert_same(nearest[:, :, 4:-4, 4:-4], fir[:, :, 4:-4, 4:-4])


@every_method
def test_downsampling_is_adjoint_to_upsampling_in_the_interior(method: str, mode: str) -> None:
    """For a symmetric filter: <up(x), y> = 4 <x, down(y)>, with the kernel transposed and flipped."""
    x, y, weight = torch.zeros(1, 3, 16, 16).double(), torch.zeros(1, 4, 32, 32).double(), randn(4, 3, 3, 3)
    x[:, :, 5:11, 5:11], y[:, :, 10:22, 10:22] = randn(1, 3, 6, 6), randn(1, 4, 12, 12)
    taps = (1, 3, 3, 1) if method == "fir" else (1, 2, 1)
    function: Any = partial(resample_conv2d, padding=1, padding_mode=mode, resample_method=method, kernel=taps)
    down = function(y, weight.transpose(0, 1).flip(2, 3), down=2)
    assert_same((function(x, weight, up=2) * y).sum(), 4 * (x * down).sum())


@every_method
@pytest.mark.parametrize("factor", [{"up": 2}, {"down": 2}, {}], ids=str)
@pytest.mark.parametrize("kernel_size", [1, 2])
def test_derivatives_match_finite_differences(method: str, mode: str, factor: dict[str, Any], kernel_size: int) -> None:
    function: Any = partial(
        resample_conv2d,
        padding=same_padding(kernel_size),
        padding_mode=mode,
        resample_method=method,
        kernel=[[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]],
        **factor,
    )
    check_derivatives(function, randn(2, 2, 4, 4), randn(2, 2, kernel_size, kernel_size), batched=False)


@every_method
@every_factor
def test_memory_layouts_agree_and_empty_batches_pass(method: str, mode: str, factor: dict[str, Any]) -> None:
    x, weight = randn(2, 3, 6, 9), randn(4, 3, 3, 3)
    options: dict[str, Any] = {"padding": 1, "padding_mode": mode, "resample_method": method, **factor}
    y = resample_conv2d(x, weight, **options)
    for layout in (strided, channels_last):
        assert_same(resample_conv2d(layout(x), layout(weight), **options), y)
    assert resample_conv2d(x[:0], weight, **options).shape == (0, *y.shape[1:])


X, W = torch.ones(1, 2, 6, 6), torch.ones(3, 2, 3, 3)
BAD: dict[str, tuple[Any, str]] = {
    "x rank": (lambda: resample_conv2d(X[0], W), r"resample_conv2d: x and weight must be 4-D, got \(2, 6, 6\)"),
    "weight rank": (lambda: resample_conv2d(X, W[0]), r"must be 4-D, got .* and \(2, 3, 3\)"),
    "both": (lambda: resample_conv2d(X, W, up=2, down=2), "resample_conv2d: up and down .*one of them 1, got 2 and 2"),
    "up": (lambda: resample_conv2d(X, W, up=0), "up and down must be at least 1.*got 0 and 1"),
    "padding": (lambda: resample_conv2d(X, W, padding=(1, 1)), r"padding must be an int or .*got \(1, 1\)"),  # type: ignore[arg-type]
    "mode": (lambda: resample_conv2d(X, W, padding_mode="wrap"), "resample_conv2d: padding_mode .*got 'wrap'"),
    "fir reflect": (
        lambda: resample_conv2d(X, W, up=2, padding_mode="reflect"),
        "resample_method='fir' needs padding_mode='zeros', got 'reflect'; use resample_method='nearest'",
    ),
    "reflect too far": (
        lambda: resample_conv2d(X[..., :2], W, padding=2, padding_mode="reflect"),
        r"needs a larger image, got \(1, 2, 6, 2\); use padding_mode='replicate'",
    ),
    "learned filter": (
        lambda: resample_conv2d(X, W, up=2, kernel=torch.ones(2, requires_grad=True)),
        "taps are constants and get no gradient",
    ),
    **{
        f"method with {factor}": (
            partial(resample_conv2d, X, W, resample_method="linear", **factor),
            "resample_conv2d: resample_method must be one of fir, nearest, got 'linear'",
        )
        for factor in FACTORS
    },
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
