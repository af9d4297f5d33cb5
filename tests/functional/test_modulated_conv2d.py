"""modulated_conv2d: both forms against loops over samples, the laws of demodulation, derivatives, bad input."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from stylelayers.functional import modulated_conv2d, resample_conv2d
from tests import reference
from tests.conftest import assert_same, channels_last, check_derivatives, randn, strided

RESAMPLINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "reflect": {"padding_mode": "reflect"},
    "fir up": {"up": 2, "kernel": (1.0, 2.0, 4.0)},
    "fir down": {"down": 2, "kernel": (1, 3, 3, 1)},
    "nearest up": {"up": 2, "kernel": (1, 2, 1), "resample_method": "nearest", "padding_mode": "reflect"},
    "nearest down": {"down": 2, "kernel": (1, 2), "resample_method": "nearest", "padding_mode": "replicate"},
    "nearest zeros": {"up": 2, "resample_method": "nearest"},
}
every_resampling = pytest.mark.parametrize("options", RESAMPLINGS.values(), ids=RESAMPLINGS.keys())
every_form = pytest.mark.parametrize("fused", [None, True, False])


def operands(kernel_size: int = 3, batch: int = 3, size: tuple[int, int] = (6, 7)) -> tuple[Tensor, Tensor, Tensor]:
    return randn(batch, 3, *size), randn(4, 3, kernel_size, kernel_size), 1 + randn(batch, 3)


@every_resampling
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
def test_values_match_the_reference(options: dict[str, Any], demodulate: bool, kernel_size: int) -> None:
    tensors = operands(kernel_size)
    near, far = (kernel_size - 1) // 2, kernel_size // 2
    options = {"padding": (near, far, near, far), "demodulate": demodulate, "eps": 1e-3, **options}
    expected = reference.modulated_conv2d(*tensors, **options)
    for fused in (None, True, False):
        assert_same(modulated_conv2d(*tensors, fused=fused, **options), expected)


@every_form
@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("shape", [(3, 1, 6, 7), (1, 1, 6, 7), (3, 4, 6, 7), (6, 7)], ids=str)
def test_noise_is_added(fused: bool | None, demodulate: bool, shape: tuple[int, ...]) -> None:
    tensors, noise = operands(), randn(*shape)
    function = partial(modulated_conv2d, *tensors, padding=1, demodulate=demodulate, fused=fused)
    assert_same(function(noise=noise), function() + noise)


@every_resampling
@pytest.mark.parametrize("demodulate", [True, False])
def test_both_forms_have_the_same_derivatives(options: dict[str, Any], demodulate: bool) -> None:
    tensors = [tensor.requires_grad_() for tensor in (*operands(), randn(3, 1, 1, 1))]
    results = []
    for fused in (True, False):
        *inputs, noise = tensors
        y = modulated_conv2d(*inputs, noise=noise, padding=1, demodulate=demodulate, fused=fused, **options)
        first = torch.autograd.grad(y.square().sum(), tensors, create_graph=True)
        second = torch.autograd.grad(torch.cat([gradient.flatten() for gradient in first]).square().sum(), tensors)
        results.append((y, *first, *second))
    for shared, per_sample in zip(*results, strict=True):
        assert_same(shared, per_sample, 1e-8)


@every_form
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_demodulated_filters_have_unit_norm(fused: bool | None, kernel_size: int) -> None:
    """The responses to an impulse in each input channel are a sample's filters."""
    _, weight, _ = operands(kernel_size)
    style = (1 + randn(1, 3)).expand(3, 3)
    impulses = torch.zeros(3, 3, 5, 5, dtype=torch.float64)
    impulses[torch.arange(3), torch.arange(3), 2, 2] = 1
    responses = modulated_conv2d(impulses, weight, style, padding=kernel_size // 2, fused=fused)
    assert_same(responses.square().sum((0, 2, 3)), torch.ones(4, dtype=torch.float64), 1e-7)


@every_form
def test_demodulation_removes_the_scale_of_style_and_weight(fused: bool | None) -> None:
    x, weight, style = operands()
    y = modulated_conv2d(x, weight, style, eps=0.0, fused=fused)
    assert_same(modulated_conv2d(x, weight, 1e3 * style, eps=0.0, fused=fused), y)
    assert_same(modulated_conv2d(x, 1e-3 * weight, style, eps=0.0, fused=fused), y)
    assert_same(modulated_conv2d(x, weight, -style, eps=0.0, fused=fused), -y)
    assert_same(modulated_conv2d(2 * x, weight, style, eps=0.0, fused=fused), 2 * y)


def test_unit_style_without_demodulation_is_a_convolution() -> None:
    x, weight, style = operands()
    y = modulated_conv2d(x, weight, torch.ones_like(style), demodulate=False, up=2, padding=1, kernel=(1, 2))
    assert_same(y, resample_conv2d(x, weight, up=2, padding=1, kernel=(1, 2)))


@every_resampling
@pytest.mark.parametrize("demodulate", [True, False])
def test_derivatives_match_finite_differences(options: dict[str, Any], demodulate: bool) -> None:
    tensors = (randn(2, 2, 4, 4), randn(2, 2, 2, 2), 1 + randn(2, 2), randn(2, 1, 1, 1))

    def function(x: Tensor, weight: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        return modulated_conv2d(x, weight, style, noise=noise, padding=(0, 1, 0, 1), demodulate=demodulate, **options)

    check_derivatives(function, *tensors, batched=False)


@every_form
@every_resampling
def test_memory_layouts_agree_and_empty_batches_pass(fused: bool | None, options: dict[str, Any]) -> None:
    x, weight, style = operands()
    function: Any = partial(modulated_conv2d, padding=1, fused=fused, **options)
    y = function(x, weight, style)
    for layout in (strided, channels_last):
        assert_same(function(layout(x), layout(weight), layout(style)), y)
    assert function(x[:0], weight, style[:0]).shape == (0, *y.shape[1:])


@every_form
@pytest.mark.parametrize("scale", [1e-4, 1.0, 3e4])
def test_half_precision_styles_do_not_overflow(fused: bool | None, scale: float) -> None:
    x, weight, style = (tensor.half() for tensor in operands())
    style = (style * scale).clamp(-6e4, 6e4)
    y = modulated_conv2d(x, weight, style, padding=1, fused=fused, eps=9 * scale**2)
    assert y.dtype == torch.float16
    expected = modulated_conv2d(x.double(), weight.double(), style.double(), padding=1, eps=9 * scale**2)
    assert_same(y.double(), expected, 2e-2)


@pytest.mark.parametrize(("dtype", "scale"), [(torch.bfloat16, 1e15), (torch.float16, 300.0)], ids=str)
def test_demodulates_in_float32_under_autocast(dtype: torch.dtype, scale: float) -> None:
    x, weight, style = (tensor.float() for tensor in operands())
    with torch.autocast("cpu", dtype=dtype):
        y = modulated_conv2d(x, weight, scale * style, padding=1, eps=0.0)
    assert_same(y.double(), modulated_conv2d(x, weight, style, padding=1, eps=0.0).double(), 5e-2)


X, W, S = torch.ones(2, 3, 4, 4), torch.ones(5, 3, 3, 3), torch.ones(2, 3)
BAD: dict[str, tuple[Any, str]] = {
    "x rank": (lambda: modulated_conv2d(X[0], W, S), r"modulated_conv2d: x must be \(N, I, H, W\).*got \(3, 4, 4\)"),
    "weight rank": (lambda: modulated_conv2d(X, W[0], S), r"weight \(O, I, k, k\), got .* and \(3, 3, 3\)"),
    "channels": (lambda: modulated_conv2d(X, W[:, :2], S), r"got \(2, 3, 4, 4\) and \(5, 2, 3, 3\)"),
    "style": (lambda: modulated_conv2d(X, W, S[:, :2]), r"modulated_conv2d: style must be \(2, 3\), got \(2, 2\)"),
    "style batch": (lambda: modulated_conv2d(X, W, S[:1]), r"style must be \(2, 3\), got \(1, 3\)"),
    "up and down": (lambda: modulated_conv2d(X, W, S, up=2, down=2), "one of them 1, got 2 and 2"),
    "mode": (lambda: modulated_conv2d(X, W, S, padding_mode="wrap"), "padding_mode must be .*got 'wrap'"),
    "fir": (lambda: modulated_conv2d(X, W, S, up=2, padding_mode="reflect"), "'fir' needs padding_mode='zeros'"),
    "method": (lambda: modulated_conv2d(X, W, S, up=2, resample_method="x"), "must be one of fir, nearest, got 'x'"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
