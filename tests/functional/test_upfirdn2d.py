"""upfirdn2d: numbers against scipy, the laws of linear filters, derivatives of every order, bad input."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from scipy import signal
from torch import Tensor

from stylelayers.functional import upfirdn2d
from tests import reference
from tests.conftest import assert_same, channels_last, check_derivatives, randn, saved_for_backward, strided

KERNELS: dict[str, Any] = {
    "single": [2.0],
    "odd": [1.0, 2.0, 4.0],
    "even": [1.0, -2.0, 3.0, 5.0],
    "tall": [[1.0, 2.0], [3.0, -4.0], [5.0, 7.0]],
    "wide": [[1.0, 2.0, 3.0, 4.0], [-1.0, 0.0, 5.0, 2.0]],
}
GEOMETRIES: dict[str, dict[str, Any]] = {
    "plain": {},
    "padded": {"padding": 2},
    "asymmetric": {"padding": (1, 2, 3, 0)},
    "cropped": {"padding": (-1, 2, 0, -2)},
    "up2": {"up": 2},
    "up2 padded": {"up": 2, "padding": (2, 1, 2, 1)},
    "up3 cropped": {"up": 3, "padding": (-4, -3, -2, -5)},
    "up xy": {"up": (2, 3), "padding": (4, 0, 1, 6)},
    "down2": {"down": 2},
    "down3 padded": {"down": 3, "padding": (2, 2, 1, 0)},
    "down xy": {"down": (3, 1), "padding": (-1, 3, 2, 2)},
    "up2 down3": {"up": 2, "down": 3, "padding": 1},
    "up xy down xy": {"up": (3, 1), "down": (1, 2), "padding": (5, -2, -1, 4)},
    "flipped": {"up": 2, "padding": 1, "flip_kernel": True, "gain": -1.5},
}
every_kernel = pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS.keys())
every_geometry = pytest.mark.parametrize("options", GEOMETRIES.values(), ids=GEOMETRIES.keys())


@every_kernel
@every_geometry
def test_values_match_the_reference(kernel: Any, options: dict[str, Any]) -> None:
    x = randn(2, 3, 7, 6)
    for size in ((7, 6), (6, 5)):
        image = x[..., : size[0], : size[1]]
        assert_same(upfirdn2d(image, kernel, **options), reference.upfirdn2d(image, kernel, **options))


@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 3), (3, 2)])
def test_agrees_with_scipy_along_both_axes(up: int, down: int) -> None:
    x, taps = randn(1, 1, 9, 8), [1.0, -2.0, 3.0, 5.0]
    y = x[0, 0].numpy()
    for axis in (0, 1):
        y = signal.upfirdn(taps, y, up, down, axis=axis)
    near, far = len(taps) - 1, len(taps) - up  # scipy leaves out the zeros behind the last sample
    assert_same(upfirdn2d(x, taps, up=up, down=down, padding=(near, far, near, far))[0, 0], torch.from_numpy(y))


@every_kernel
@every_geometry
def test_gradient_is_the_adjoint(kernel: Any, options: dict[str, Any]) -> None:
    x = randn(2, 2, 6, 7).requires_grad_()
    bx = upfirdn2d(x, kernel, **options)
    y, direction = torch.randn_like(bx).requires_grad_(), torch.randn_like(x)
    (adjoint,) = torch.autograd.grad(bx, x, y, create_graph=True)
    assert_same((bx * y).sum(), (x * adjoint).sum())
    (back,) = torch.autograd.grad(adjoint, y, direction)
    assert_same(back, upfirdn2d(direction, kernel, **options))


def test_impulse_response_is_the_kernel() -> None:
    kernel, impulse = randn(3, 4), torch.zeros(1, 1, 5, 7, dtype=torch.float64)
    impulse[0, 0, 2, 3] = 1
    assert_same(upfirdn2d(impulse, kernel)[0, 0], kernel)
    assert_same(upfirdn2d(impulse, kernel, flip_kernel=True)[0, 0], kernel.flip(0, 1))
    enlarged = upfirdn2d(impulse, kernel, up=(4, 3))[0, 0]
    assert_same(enlarged[2 * 3 - 2 : 2 * 3 + 1, 3 * 4 - 3 : 3 * 4 + 1], kernel)
    assert_same(enlarged.square().sum(), kernel.square().sum())


def test_composition_laws_hold() -> None:
    x, kernel = randn(2, 3, 8, 8), [1.0, 2.0, 4.0]
    assert_same(upfirdn2d(x, kernel, down=(3, 2)), upfirdn2d(x, kernel)[:, :, ::2, ::3])
    zeros_inserted = upfirdn2d(x, [1.0], up=2)
    assert_same(upfirdn2d(zeros_inserted, kernel, padding=1), upfirdn2d(x, kernel, up=2, padding=1))
    twice = upfirdn2d(upfirdn2d(x, kernel), [3.0, -1.0])
    assert_same(upfirdn2d(x, [3.0, 5.0, 10.0, -4.0]), twice)  # (1, 2, 4) * (3, -1)
    assert_same(upfirdn2d(x, kernel, gain=4.0), upfirdn2d(4 * x, kernel))


@pytest.mark.parametrize("name", ["even", "tall"])
@every_geometry
def test_derivatives_match_finite_differences(name: str, options: dict[str, Any]) -> None:
    check_derivatives(lambda x: upfirdn2d(x, KERNELS[name], **options), randn(1, 1, 6, 5))


def test_only_the_kernel_is_saved_for_backward() -> None:
    x = randn(4, 3, 16, 16).requires_grad_()
    saved = saved_for_backward(lambda: upfirdn2d(x, [1.0, 3.0, 3.0, 1.0], up=2))
    assert sum(tensor.numel() for tensor in saved) <= 16
    (gradient,) = torch.autograd.grad(upfirdn2d(x, KERNELS["odd"]).sum(), x, create_graph=True)
    assert not gradient.requires_grad  # linear: nothing of x is left in it


def test_func_transforms_agree_with_plain_calls() -> None:
    x = randn(5, 2, 3, 6, 7)

    def function(image: Tensor) -> Tensor:
        return upfirdn2d(image, KERNELS["tall"], up=(1, 2), padding=1)

    assert_same(torch.vmap(function)(x), function(x.flatten(0, 1)).unflatten(0, (5, 2)))
    image = randn(1, 1, 2, 3)
    assert_same(torch.func.jacfwd(function)(image), torch.func.jacrev(function)(image))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_output_has_the_dtype_of_the_input(dtype: torch.dtype) -> None:
    x, kernel = torch.randn(1, 2, 8, 8).to(dtype), torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64) / 8
    y = upfirdn2d(x, kernel)
    assert y.dtype == dtype
    assert_same(y.double(), upfirdn2d(x.double(), kernel), 1e-6 if dtype == torch.float32 else 3e-2)


def test_autocast_changes_nothing() -> None:
    x = torch.randn(1, 2, 8, 8, requires_grad=True)

    def twice_differentiated() -> tuple[Tensor, ...]:
        y = upfirdn2d(x, [1.0, 2.0, 4.0], up=2)
        (first,) = torch.autograd.grad(y.square().sum(), x, create_graph=True)
        return (y, first, *torch.autograd.grad(first.square().sum(), x))

    expected = twice_differentiated()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for actual, wanted in zip(twice_differentiated(), expected, strict=True):
            assert_same(actual, wanted, 0.0)


@every_geometry
def test_memory_layouts_agree_and_empty_batches_pass(options: dict[str, Any]) -> None:
    x, kernel = randn(2, 3, 6, 8), KERNELS["odd"]
    y = upfirdn2d(x, kernel, **options)
    assert y.is_contiguous()
    last = upfirdn2d(channels_last(x), kernel, **options)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert not last.is_contiguous()
    for other in (last, upfirdn2d(strided(x), kernel, **options), upfirdn2d(x.mT.contiguous().mT, kernel, **options)):
        assert_same(other, y)
    assert upfirdn2d(x[:0], kernel, **options).shape == (0, *y.shape[1:])


BAD = {
    "rank": (lambda: upfirdn2d(torch.ones(3, 8, 8), [1.0]), r"upfirdn2d: x must .*\(N, C, H, W\), got .*\(3, 8, 8\)"),
    "integers": (lambda: upfirdn2d(torch.ones(1, 1, 2, 2).int(), [1.0]), "upfirdn2d: x must be .*got torch.int32"),
    "learned kernel": (
        lambda: upfirdn2d(randn(1, 1, 4, 4), torch.ones(2, requires_grad=True)),
        "fir_kernel: taps .* got a tensor that requires grad; pass taps.detach()",
    ),
    "kernel rank": (lambda: upfirdn2d(randn(1, 1, 4, 4), torch.ones(1, 2, 2)), r"taps must be 1-D or 2-D.*\(1, 2, 2\)"),
    "no taps": (lambda: upfirdn2d(randn(1, 1, 4, 4), []), r"at least one tap, got \(0,\)"),
    "up 0": (lambda: upfirdn2d(randn(1, 1, 4, 4), [1.0], up=0), r"upfirdn2d: up must be .*at least 1, got 0"),
    "up triple": (lambda: upfirdn2d(randn(1, 1, 4, 4), [1.0], up=(1, 2, 3)), r"up must be .*got \(1, 2, 3\)"),  # type: ignore[arg-type]
    "up float": (lambda: upfirdn2d(randn(1, 1, 4, 4), [1.0], up=2.0), "upfirdn2d: up must be .*got 2.0"),  # type: ignore[arg-type]
    "down": (lambda: upfirdn2d(randn(1, 1, 4, 4), [1.0], down=(1, -2)), r"down must be .*got \(1, -2\)"),
    "padding": (lambda: upfirdn2d(randn(1, 1, 4, 4), [1.0], padding=(1, 2)), r"padding must be .*got \(1, 2\)"),  # type: ignore[arg-type]
    "padding float": (lambda: upfirdn2d(randn(1, 1, 4, 4), [1.0], padding=0.5), "padding must be .*got 0.5"),  # type: ignore[arg-type]
    "gain": (
        lambda: upfirdn2d(randn(1, 1, 4, 4), [1.0], gain=torch.ones(3)),  # type: ignore[arg-type]
        r"upfirdn2d: gain must be a number, got a tensor \(3,\); multiply the result",
    ),
    "too small": (lambda: upfirdn2d(randn(1, 1, 4, 4), [1.0] * 5), r"as large as the kernel \(5, 5\), got \(4, 4\)"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        call()
