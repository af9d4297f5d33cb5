"""Penalties of float16 gradients: right where they fit, an error where they do not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stylelayers.losses import path_lengths, r1_penalty


def half(*shape: int) -> Tensor:
    return torch.ones(shape, dtype=torch.float16, requires_grad=True)


@pytest.mark.parametrize("slope", [1.0, 300.0, 30_000.0])
def test_half_precision_squares_do_not_overflow(slope: float) -> None:
    images = half(2, 1, 2, 2)
    penalty = r1_penalty(images * slope, images)
    assert penalty.dtype == torch.float32
    assert penalty.item() == pytest.approx(4 * slope**2, rel=1e-3)


def test_an_overflow_raises() -> None:
    images = half(2, 1, 2, 2)
    with pytest.raises(ValueError, match=r"r1_penalty: the gradient overflows float16; .* float32 or bfloat16"):
        r1_penalty(images * 300 * 300, images)
    latents = half(2, 4)
    with pytest.raises(ValueError, match="path_lengths: the gradient overflows float16"):
        path_lengths((latents * 300 * 300).reshape(2, 1, 2, 2), latents, torch.full((2, 1, 2, 2), 10.0).half())
