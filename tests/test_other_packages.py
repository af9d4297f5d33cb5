"""Our filters beside those of kornia and timm, in float64 (docs/coming_from); skipped where a package is missing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import comb
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stylelayers import Blur, Downsample2d
from stylelayers.compat import blur_strides
from stylelayers.functional import fir_kernel, upfirdn2d
from tests.conftest import assert_same, randn

SIZES = [(8, 10), (9, 7), (12, 11)]
every_size = pytest.mark.parametrize("size", range(2, 8))
STRIDES = range(1, 5)


def binomial(size: int) -> tuple[int, ...]:
    return tuple(comb(size - 1, index) for index in range(size))


def sides(height: int, width: int) -> tuple[int, int, int, int]:
    """Pixels by which kornia pads for a kernel: left, right, top, bottom."""
    return ((width - 1) // 2, width // 2, (height - 1) // 2, height // 2)


def assert_equal(ours: Callable[[Tensor], Tensor], theirs: Callable[[Tensor], Tensor], *sizes: tuple[int, int]) -> None:
    """The same outputs and gradients for images of these sizes."""
    for size in sizes:
        x = randn(2, 3, *size).requires_grad_()
        outputs = ours(x), theirs(x)
        weight = randn(*outputs[1].shape)
        assert_same(outputs[0], outputs[1], 1e-12)
        gradients = [torch.autograd.grad((y * weight).sum(), x)[0] for y in outputs]
        assert_same(gradients[0], gradients[1], 1e-12)


@every_size
def test_blur_pools_of_kornia(size: int) -> None:
    filters = pytest.importorskip("kornia.filters")
    taps = binomial(size)
    for stride in STRIDES:

        def ours(x: Tensor, stride: int = stride) -> Tensor:
            return upfirdn2d(x, fir_kernel(taps), down=stride, padding=sides(size, size))

        assert_equal(ours, filters.BlurPool2D(size, stride), *SIZES)
    assert_equal(Downsample2d(taps), filters.BlurPool2D(size), SIZES[0])
    if size % 2:
        assert_equal(Blur(taps), filters.BlurPool2D(size, stride=1), *SIZES)


@every_size
def test_max_blur_pools_of_kornia(size: int) -> None:
    filters = pytest.importorskip("kornia.filters")
    for stride in range(2, min(size, 4) + 1):
        network = nn.Sequential(nn.MaxPool2d(2, stride))
        blur_strides(network, binomial(size), padding_mode="zeros")
        assert_equal(network, filters.MaxBlurPool2D(size, stride), *SIZES)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (4, 1)])
@pytest.mark.parametrize("border", ["constant", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("behaviour", ["corr", "conv"])
def test_filter2d_of_kornia(behaviour: str, border: str, shape: tuple[int, int]) -> None:
    filters = pytest.importorskip("kornia.filters")
    kernel = randn(1, *shape)
    for taps, is_normalized in ((kernel, False), (kernel / kernel.abs().sum(), True)):
        options: dict[str, Any] = {"border_type": border, "behaviour": behaviour, "normalized": is_normalized}

        def ours(x: Tensor, taps: Tensor = taps) -> Tensor:
            return upfirdn2d(F.pad(x, sides(*shape), border), taps[0], flip_kernel=behaviour == "corr")

        def theirs(x: Tensor, options: dict[str, Any] = options) -> Tensor:
            return filters.filter2d(x, kernel, **options)

        assert_equal(ours, theirs, *SIZES)


@every_size
def test_blur_pools_of_timm(size: int) -> None:
    layers = pytest.importorskip("timm.layers")
    taps = binomial(size)
    for (mode, ours), stride in product((("reflect", "reflect"), ("constant", "zeros")), STRIDES):
        theirs = layers.BlurPool2d(3, size, stride, pad_mode=mode, dtype=torch.float64)

        def padded(x: Tensor, mode: str = mode, stride: int = stride) -> Tensor:
            return upfirdn2d(F.pad(x, [(stride + size - 2) // 2] * 4, mode), fir_kernel(taps), down=stride)

        def sliced(x: Tensor, mode: str = ours) -> Tensor:
            return Blur(taps, padding_mode=mode)(x)[..., ::2, ::2]

        assert_equal(padded, theirs, *SIZES)
        if size % 2 and stride == 2:
            assert_equal(Downsample2d(taps, padding_mode=ours), theirs, SIZES[0])
            assert_equal(sliced, theirs, *SIZES)
