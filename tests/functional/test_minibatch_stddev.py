"""minibatch_stddev: numbers for every batch and group size, what it is blind to, derivatives, bad input."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from stylelayers.functional import minibatch_stddev
from tests import reference
from tests.conftest import assert_same, channels_last, check_derivatives, randn, strided


@pytest.mark.parametrize("batch", range(1, 10))
@pytest.mark.parametrize("group_size", range(1, 6))
def test_values_match_the_reference(batch: int, group_size: int) -> None:
    x = randn(batch, 6, 3, 2)
    for num_channels in (1, 2, 3, 6):
        y = minibatch_stddev(x, group_size, num_channels)
        assert_same(y, reference.minibatch_stddev(x, group_size, num_channels), 1e-12)


def test_divisible_batches_match_the_usual_formula() -> None:
    x = randn(8, 6, 3, 2)
    y = x.reshape(4, 2, 2, 3, 3, 2)  # group, groups, num_channels, channels, height, width
    y = (y.var(0, correction=0) + 1e-8).sqrt().mean((2, 3, 4))
    expected = y.reshape(2, 2, 1, 1).repeat(4, 1, 3, 2)
    assert_same(minibatch_stddev(x, 4, 2)[:, 6:], expected, 1e-12)


def test_order_and_offset_do_not_matter() -> None:
    x = randn(7, 4, 3, 3)
    y = minibatch_stddev(x, 7)
    assert_same(y[:, :4], x, 0.0)
    order = torch.randperm(7)
    assert_same(minibatch_stddev(x[order], 7), y[order])
    assert_same(minibatch_stddev(x + 3.0, 7)[:, 4:], y[:, 4:])
    assert_same(minibatch_stddev(-2 * x, 7)[:, 4:], 2 * y[:, 4:], 1e-7)
    assert_same(minibatch_stddev(x[:1].expand(7, -1, -1, -1))[:, 4:], torch.full_like(y[:, 4:], 1e-4))


def test_groups_do_not_mix() -> None:
    x = randn(7, 4, 3, 3)  # two groups: images 0, 2, 4, 6 and 1, 3, 5
    changed = x.clone()
    changed[3] += 1
    differs = (minibatch_stddev(x) != minibatch_stddev(changed))[:, 4].flatten(1).any(1)
    assert differs.tolist() == [False, True, False, True, False, True, False]


@pytest.mark.parametrize("batch", range(6))
@pytest.mark.parametrize("group_size", [1, 2, 4])
def test_separate_batches_have_the_statistics_of_separate_calls(batch: int, group_size: int) -> None:
    parts = [randn(batch, 4, 3, 2) for _ in range(3)]
    expected = torch.cat([minibatch_stddev(part, group_size, 2) for part in parts])
    assert torch.equal(minibatch_stddev(torch.cat(parts), group_size, 2, batches=3), expected)


def test_layouts_agree_dtype_is_kept_empty_batches_pass() -> None:
    x = randn(5, 4, 3, 3)
    for layout in (strided, channels_last):
        assert_same(minibatch_stddev(layout(x)), minibatch_stddev(x))
    for dtype in (torch.float32, torch.bfloat16):
        y = minibatch_stddev(x.to(dtype))
        assert y.dtype == dtype
        assert_same(y[:, 4:].double(), minibatch_stddev(x)[:, 4:], 3e-2)
    assert minibatch_stddev(x[:0], 4, 2).shape == (0, 6, 3, 3)


@pytest.mark.parametrize(("batch", "group_size"), [(1, 4), (3, 3), (5, 3)])
def test_derivatives_match_finite_differences(batch: int, group_size: int) -> None:
    check_derivatives(lambda x: minibatch_stddev(x, group_size, 2), randn(batch, 2, 1, 2))


def test_identical_images_have_finite_derivatives() -> None:
    x = torch.ones(4, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    (first,) = torch.autograd.grad(minibatch_stddev(x)[:, 2:].sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), x)
    assert first.isfinite().all()
    assert second.isfinite().all()


BAD = {
    "rank": (lambda: minibatch_stddev(randn(4, 3)), r"minibatch_stddev: x must .*\(N, C, H, W\), got .*\(4, 3\)"),
    "integers": (lambda: minibatch_stddev(torch.ones(1, 1, 1, 1).int()), "floating-point.*got torch.int32"),
    "group size": (lambda: minibatch_stddev(randn(4, 3, 1, 1), 0), "group_size must be an int of at least 1, got 0"),
    "channels": (lambda: minibatch_stddev(randn(4, 3, 1, 1), 4, 2), "num_channels must divide the 3 channels, got 2"),
    "batches": (lambda: minibatch_stddev(randn(5, 3, 1, 1), batches=2), "batches must divide the 5 images, got 2"),
    "no batches": (lambda: minibatch_stddev(randn(5, 3, 1, 1), batches=0), "batches must be an int .*got 0"),
    "no channels": (
        lambda: minibatch_stddev(randn(4, 3, 1, 1), 4, 0),
        "num_channels must be an int .*got 0",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
