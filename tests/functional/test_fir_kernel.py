"""FIR kernels: what makes one, and that no mode of torch under which taps are first used stays in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from stylelayers.functional import blur2d, fir_kernel
from tests.conftest import assert_same, randn


def test_fir_kernel_normalizes_and_casts() -> None:
    like = torch.empty(0, dtype=torch.float16)
    assert_same(fir_kernel([1, 3]), torch.tensor([0.25, 0.75]), 0.0)
    assert_same(fir_kernel([[1, 3]], normalize=False, like=like), torch.tensor([[1.0, 3.0]]).half(), 0.0)
    assert fir_kernel(randn(3, 3).abs()).dtype == torch.float64
    assert_same(fir_kernel(randn(3, 4).exp()).sum(), torch.tensor(1.0).double())


@pytest.mark.parametrize(
    "kernel", [(1, 3), [1.0, 3.0], torch.tensor([1, 3]), torch.tensor([1.0, 3.0]).numpy()], ids=str
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_taps_of_every_type_are_accepted(kernel: Any, dtype: torch.dtype) -> None:
    like = torch.empty((), dtype=dtype)
    assert_same(fir_kernel(kernel, like=like), torch.tensor([0.25, 0.75], dtype=dtype), 0.0)


def test_taps_are_summed_before_they_are_cast() -> None:
    for taps in (torch.tensor([70000.0, 210000.0]), torch.tensor([70000, 210000]), (70000, 210000)):
        assert_same(fir_kernel(taps, like=torch.empty(0, dtype=torch.float16)), torch.tensor([0.25, 0.75]).half(), 0.0)
    with pytest.raises(ValueError, match="fir_kernel: like must be a floating-point tensor, got"):
        fir_kernel((1, 3), like=torch.empty(0, dtype=torch.uint8))


def under(mode: Any) -> Callable[..., None]:
    def call(function: Callable[[Tensor], Tensor], x: Tensor) -> None:
        with mode:
            function(x)

    return call


def under_fake_tensors(function: Callable[[Tensor], Tensor], x: Tensor) -> None:
    with FakeTensorMode() as mode:
        assert function(mode.from_tensor(x)).shape == x.shape


FIRST_CALLS: dict[str, Callable[..., Any]] = {
    "plain": lambda function, x: function(x),
    "inference": under(torch.inference_mode()),
    "meta device": under(torch.device("meta")),
    "fake tensors": under_fake_tensors,
    "vmap": lambda function, x: torch.vmap(function)(x[None]),
    "grad": lambda function, x: torch.func.grad(lambda x: function(x).sum())(x),
    "jvp": lambda function, x: torch.func.jvp(function, (x,), (x,)),
    "hessian": lambda function, x: torch.func.hessian(lambda x: function(x).square().sum())(x),
    "functionalize": lambda function, x: torch.func.functionalize(function)(x),
    "compile": lambda function, x: torch.compile(function, fullgraph=True, backend="aot_eager")(x),
}


@pytest.mark.parametrize("first", FIRST_CALLS)
def test_cached_taps_keep_no_mode_of_the_first_call(first: str) -> None:
    taps = (1.0, 2.0, float(3 + list(FIRST_CALLS).index(first)))  # of this test alone, for tensors of taps are kept
    x = randn(1, 2, 4, 5)
    FIRST_CALLS[first](lambda x: blur2d(x, taps), x)
    leaf, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    y, expected = blur2d(leaf, taps), blur2d(other, torch.tensor(taps))
    assert_same(y, expected)
    assert_same(torch.autograd.grad(y.square().sum(), leaf)[0], torch.autograd.grad(expected.square().sum(), other)[0])


def test_cached_taps_are_not_mixed_up() -> None:
    x = torch.ones(1, 1, 5, 5)
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        for taps in ((1, 1, 2), (1.0, 1.0, 2.0), [1, 2, 1], [[1, 2, 1]]):
            assert_same(blur2d(x.to(dtype), taps), blur2d(x.to(dtype), torch.tensor(taps, dtype=dtype)), 0.0)


def test_fir_kernel_returns_a_tensor_that_may_be_changed() -> None:
    fir_kernel((1, 7)).zero_()
    assert_same(fir_kernel((1, 7)), torch.tensor([0.125, 0.875]), 0.0)


def test_vmap_maps_over_kernels() -> None:
    x, kernels = randn(2, 1, 2, 4, 4), randn(2, 3).exp()
    assert_same(torch.vmap(blur2d)(x, kernels), torch.stack([blur2d(*pair) for pair in zip(x, kernels, strict=True)]))


BAD: dict[str, tuple[Any, str]] = {
    "sums to 0": ([1.0, -1.0], "taps that sum to 0.*normalize=False"),
    "sums to rounding": ([0.1, 0.2, -0.3], "taps that sum to 0.*normalize=False"),
    "rows sum to rounding": ([[0.1, 0.2], [-0.3, 0.0]], "taps that sum to 0.*normalize=False"),
    "overflows": ([1e308, 1e308], "taps that sum to 0, or to no number.*normalize=False"),
    "tensor sums to 0": (torch.tensor([1.0, -1.0]), "taps that sum to 0.*normalize=False"),
    "tensor sums to rounding": (torch.tensor([0.1, 0.2, -0.3]).double(), "taps that sum to 0.*normalize=False"),
    "tensor is not finite": (torch.tensor([1.0, torch.nan]), "taps that sum to 0, or to no number"),
    "not a number": ([float("nan"), 1.0], r"must be finite, got \[nan, 1.0\]"),
    "infinite": (torch.tensor([[float("inf"), 1.0]]).numpy(), "must be finite"),
    "complex": (torch.tensor([1j, 1]), "must be real, got torch.complex64"),
    "bytes": (b"121", r"1-D or 2-D .*got \(\)"),
    "no taps": ([], r"at least one tap, got \(0,\)"),
    "no taps in rows": ([[], []], r"at least one tap, got \(2, 0\)"),
    "rank": ([[[1.0]]], r"1-D or 2-D .*got \(1, 1, 1\)"),
    "rank of a tensor": (torch.ones(1, 1, 3), r"1-D or 2-D .*got \(1, 1, 3\)"),
    "number": (3.0, r"1-D or 2-D .*got \(\)"),
    "text": ("121", r"1-D or 2-D .*got \(\)"),
    "ragged": ([[1, 2], [3]], "rows of one length"),
    "mixed": ([1, [2, 3]], "must be numbers"),
    "words": (["one"], r"must be numbers, got \['one'\]"),
    "learned": (torch.ones(3, requires_grad=True), "requires grad; pass taps.detach()"),
}


@pytest.mark.parametrize(("taps", "message"), BAD.values(), ids=BAD.keys())
def test_bad_taps_raise(taps: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"fir_kernel: taps .*{message.removeprefix('taps ')}"):
        fir_kernel(taps)
