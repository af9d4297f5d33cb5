"""pixel_norm: numbers, unit mean square, derivatives, bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stylelayers.functional import pixel_norm
from tests import reference
from tests.conftest import assert_same, channels_last, check_derivatives, randn, strided


@pytest.mark.parametrize("shape", [(4,), (3, 5), (2, 3, 4, 5)], ids=str)
@pytest.mark.parametrize("eps", [1e-8, 0.5])
def test_values_match_the_reference(shape: tuple[int, ...], eps: float) -> None:
    x = randn(*shape)
    for dim in range(-len(shape), len(shape)):
        assert_same(pixel_norm(x, dim, eps), reference.pixel_norm(x, dim, eps))


def test_mean_square_is_one_at_any_scale() -> None:
    x = randn(2, 8, 3, 3)
    for scale in (1e-2, 1.0, 1e6):
        y = pixel_norm(x * scale)
        assert_same(y.square().mean(1), torch.ones(2, 3, 3, dtype=torch.float64), 1e-3)
    assert_same(pixel_norm(torch.zeros(2, 3)), torch.zeros(2, 3), 0.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_squares_do_not_overflow(dtype: torch.dtype) -> None:
    x = torch.tensor([[3e4, -3e4, 0.0, 0.0]], dtype=dtype)
    y = pixel_norm(x)
    assert y.dtype == dtype
    assert_same(y.double(), torch.tensor([[2**0.5, -(2**0.5), 0, 0]], dtype=torch.float64), 1e-2)


def test_memory_layouts_agree_and_empty_batches_pass() -> None:
    x = randn(2, 3, 4, 5)
    for layout in (strided, channels_last):
        assert_same(pixel_norm(layout(x)), pixel_norm(x))
    assert pixel_norm(x[:0]).shape == (0, 3, 4, 5)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_derivatives_match_finite_differences(dim: int) -> None:
    check_derivatives(lambda x: pixel_norm(x, dim), randn(3, 4))
    check_derivatives(lambda x: pixel_norm(x, dim, 0.3), torch.zeros(2, 2, dtype=torch.float64))


BAD = {
    "integers": (lambda: pixel_norm(torch.ones(2, 3).int()), "pixel_norm: x must be floating-point.*got torch.int32"),
    "no such dim": (lambda: pixel_norm(torch.ones(3)), r"with a dimension 1, got torch.float32 \(3,\)"),
    "negative": (lambda: pixel_norm(torch.ones(2, 3), -3), r"with a dimension -3, got .*\(2, 3\)"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
