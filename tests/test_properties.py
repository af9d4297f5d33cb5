"""Laws that hold for every shape, kernel, padding, factor and option: a few examples each, the same ones every time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from stylelayers.functional import (
    bias_act,
    blur2d,
    downsample2d,
    modulated_conv2d,
    pixel_norm,
    resample_conv2d,
    upfirdn2d,
    upsample2d,
)
from tests import reference
from tests.conftest import assert_same, channels_last, randn, strided

few = settings(derandomize=True, max_examples=40, deadline=None, database=None)

# What is drawn -----------------------------------------------------------------------------------------------------

numbers = st.floats(-3, 3, allow_nan=False, width=32).map(lambda value: round(value, 2))
lengths = st.integers(1, 4)
sides = st.tuples(*[st.integers(-2, 4)] * 4)
layouts: st.SearchStrategy[Callable[[Tensor], Tensor]] = st.sampled_from([strided, channels_last, torch.clone])


@st.composite
def kernels(draw: st.DrawFn, positive: bool = False) -> list[Any]:
    """1-D or 2-D, odd or even, asymmetric as a rule; with a sum to divide by if `positive`."""
    tap = st.floats(0.25, 3, width=32) if positive else numbers
    shape = draw(st.one_of(st.tuples(lengths), st.tuples(lengths, lengths)))
    taps = [draw(st.lists(tap, min_size=shape[-1], max_size=shape[-1])) for _ in range(shape[0] if shape[1:] else 1)]
    return taps if shape[1:] else taps[0]


@st.composite
def images(draw: st.DrawFn, least: int = 1, channels: int = 2) -> Tensor:
    torch.manual_seed(draw(st.integers(0, 999)))
    return randn(draw(st.integers(1, 2)), channels, draw(st.integers(least, 7)), draw(st.integers(least, 7)))


@st.composite
def filterings(draw: st.DrawFn) -> tuple[Tensor, dict[str, Any]]:
    """An image and arguments of `upfirdn2d` that fit it."""
    x, kernel, factors = draw(images()), draw(kernels()), st.tuples(st.integers(1, 3), st.integers(1, 3))
    up, down = draw(factors), draw(factors)
    left, right, top, bottom = padding = draw(sides)
    taps, size = reference.taps_2d(kernel, normalize=False), (x.shape[2] * up[1], x.shape[3] * up[0])
    assume(size[0] + min(top, 0) + min(bottom, 0) > 0 and size[1] + min(left, 0) + min(right, 0) > 0)
    assume(size[0] + top + bottom >= taps.shape[0] and size[1] + left + right >= taps.shape[1])
    options = {"kernel": kernel, "up": up, "down": down, "padding": padding, "gain": draw(numbers)}
    return x, {**options, "flip_kernel": draw(st.booleans())}


# FIR filters -------------------------------------------------------------------------------------------------------


@few
@given(filterings(), layouts)
def test_upfirdn2d_is_its_reference(drawn: tuple[Tensor, dict[str, Any]], layout: Callable[[Tensor], Tensor]) -> None:
    x, options = drawn
    assert_same(upfirdn2d(layout(x), **options), reference.upfirdn2d(x, **options))


def matrix_of(x: Tensor, options: dict[str, Any]) -> Tensor:
    """The filter as a matrix, column by column from the slow reference; all samples and channels are alike."""
    pixels = x.shape[2] * x.shape[3]
    impulses = torch.eye(pixels, dtype=torch.float64).reshape(pixels, 1, *x.shape[2:])
    return reference.upfirdn2d(impulses, **options).flatten(1).t()


def planes(x: Tensor) -> Tensor:
    return x.flatten(0, 1).flatten(1)


@few
@given(filterings())
def test_upfirdn2d_and_its_gradient_are_adjoint(drawn: tuple[Tensor, dict[str, Any]]) -> None:
    """<Bx, y> = <x, B*y>, with B* the transposed matrix, and the gradient of B* is B again."""
    x, options = drawn[0].requires_grad_(), drawn[1]
    bx = upfirdn2d(x, **options)
    y, v = torch.randn_like(bx).requires_grad_(), torch.randn_like(x)
    (adjoint,) = torch.autograd.grad(bx, x, y, create_graph=True)
    assert_same((bx * y).sum(), (x * adjoint).sum())
    assert_same(planes(adjoint), planes(y) @ matrix_of(x.detach(), options))
    (again,) = torch.autograd.grad(adjoint, y, v)
    assert_same(again, upfirdn2d(v, **options))


@few
@given(filterings())
def test_three_orders_through_a_nonlinear_function(drawn: tuple[Tensor, dict[str, Any]]) -> None:
    """Of sum sin(Bx): B* cos(Bx), then B* (-sin(Bx) Bv), then B* (-cos(Bx) Bv Bw)."""
    x, options = drawn[0].requires_grad_(), drawn[1]
    v, w, b = torch.randn_like(x), torch.randn_like(x), matrix_of(x.detach(), options)
    bx, bv, bw = (planes(tensor.detach()) @ b.t() for tensor in (x, v, w))
    derivative = upfirdn2d(x, **options).sin().sum()
    for expected, direction in ((bx.cos(), v), (-bx.sin() * bv, w), (-bx.cos() * bv * bw, w)):
        (gradient,) = torch.autograd.grad(derivative, x, create_graph=True)
        assert_same(planes(gradient), expected @ b)
        derivative = (gradient * direction).sum()


@few
@given(images(least=4), kernels(positive=True), st.sampled_from(["zeros", "reflect", "replicate"]))
def test_blur_is_its_reference_and_keeps_size_and_constants(x: Tensor, kernel: list[Any], padding_mode: str) -> None:
    y = blur2d(x, kernel, padding_mode=padding_mode)
    assert_same(y, reference.blur2d(x, kernel, padding_mode=padding_mode))
    if padding_mode != "zeros":
        assert_same(blur2d(torch.ones_like(x), kernel, padding_mode=padding_mode), torch.ones_like(x))


@few
@given(images(channels=1), kernels(positive=True), st.integers(2, 3))
def test_resampling_is_its_reference_and_shrinks_what_it_enlarged(x: Tensor, kernel: list[Any], factor: int) -> None:
    """Resampling is convolution by an impulse and resampling, whatever the kernel."""
    impulse = torch.ones(1, 1, 1, 1, dtype=torch.float64)
    enlarged = upsample2d(x, kernel, factor=factor)
    assert_same(enlarged, reference.resample_conv2d(x, impulse, up=factor, kernel=kernel))
    shrunk = downsample2d(enlarged, kernel, factor=factor)
    assert shrunk.shape == x.shape
    assert_same(shrunk, reference.resample_conv2d(enlarged, impulse, down=factor, kernel=kernel))


# Bias, activation, gain, clamp -------------------------------------------------------------------------------------


@st.composite
def activations(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(reference.ACTIVATIONS)))
    constants = st.one_of(st.none(), st.floats(0.1, 3))
    options = {"activation": name, "gain": draw(constants), "clamp": draw(constants), "dim": draw(st.integers(-3, 2))}
    return {**options, "alpha": draw(constants)} if name in ("lrelu", "elu") else options


@few
@given(activations(), st.tuples(lengths, lengths, lengths), st.booleans(), st.integers(0, 999))
def test_bias_act_and_three_orders_are_those_of_its_reference(
    options: dict[str, Any], shape: tuple[int, ...], with_bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    leaves = [2 * randn(*shape), *([randn(shape[options["dim"]])] if with_bias else [])]
    results = []
    for function in (bias_act, reference.bias_act):
        tensors = [leaf.clone().requires_grad_() for leaf in leaves]
        y = function(*tensors, **options)
        orders, derivative = [y], y.sin().sum()
        for _ in range(3):
            gradients = torch.autograd.grad(derivative, tensors, create_graph=True, materialize_grads=True)
            orders += gradients
            derivative = torch.stack([gradient.sin().sum() for gradient in gradients]).sum()
        results.append(orders)
    for ours, theirs in zip(*results, strict=True):
        assert_same(ours, theirs, 1e-7)


@few
@given(images(), st.integers(-4, 3), st.sampled_from([1e-8, 0.1]))
def test_pixel_norm_is_its_reference(x: Tensor, dim: int, eps: float) -> None:
    assert_same(pixel_norm(x, dim, eps), reference.pixel_norm(x, dim, eps))


# Convolutions ------------------------------------------------------------------------------------------------------


@st.composite
def resamplings(draw: st.DrawFn) -> dict[str, Any]:
    method = draw(st.sampled_from(["fir", "nearest"]))
    modes = ["zeros"] if method == "fir" else ["zeros", "reflect", "replicate"]
    mode = draw(st.sampled_from(modes))
    margin = draw(st.tuples(*[st.integers(-1 if mode == "zeros" else 0, 2)] * 4))
    factor = draw(st.sampled_from([{}, {"up": 2}, {"up": 3}, {"down": 2}, {"down": 3}]))
    options = {"resample_method": method, "padding_mode": mode, "padding": margin, **factor}
    return {**options, "kernel": draw(kernels(positive=True))}


@few
@given(images(least=6), resamplings(), lengths, lengths)
def test_resample_conv2d_is_its_reference(x: Tensor, options: dict[str, Any], height: int, width: int) -> None:
    weight = randn(3, 2, height, width)
    assert_same(resample_conv2d(x, weight, **options), reference.resample_conv2d(x, weight, **options))


@few
@given(images(least=6), resamplings(), st.tuples(lengths, lengths), st.booleans())
def test_both_forms_of_modulated_conv2d_are_their_reference(
    x: Tensor, options: dict[str, Any], size: tuple[int, int], demodulate: bool
) -> None:
    """Values, gradients, and gradients of gradients of the fused form are those of the shared one."""
    weight, style = randn(3, 2, *size), 1 + randn(x.shape[0], 2)
    options = {**options, "demodulate": demodulate, "eps": 1e-2}
    expected = reference.modulated_conv2d(x, weight, style, **options)
    noise = randn(x.shape[0], 1, *expected.shape[2:])
    results = []
    for fused in (True, False):
        tensors = [tensor.clone().requires_grad_() for tensor in (x, weight, style, noise)]
        y = modulated_conv2d(*tensors[:3], noise=tensors[3], fused=fused, **options)
        assert_same(y, expected + noise)
        first = torch.autograd.grad(y.sin().sum(), tensors, create_graph=True)
        second = torch.autograd.grad(torch.stack([g.sin().sum() for g in first]).sum(), tensors)
        results.append([*first, *second])
    for of_fused, of_shared in zip(*results, strict=True):
        assert_same(of_fused, of_shared, 1e-7)
