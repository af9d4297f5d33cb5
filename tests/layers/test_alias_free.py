"""The alias-free layer: the published formulas step by step, its running magnitude, its repr and its errors."""

from __future__ import annotations

from functools import partial
from math import sqrt
from typing import Any

import numpy as np
import pytest
import torch
from scipy.signal import firwin, upfirdn
from torch import Tensor, nn

from stylelayers import AliasFreeConv
from stylelayers.layers import Sampling
from stylelayers.layers.alias_free import Resampling
from tests.conftest import Case, Law, assert_same, every_law, randn

COARSE, FINE = Sampling((6, 7), 4, cutoff=1.5, half_width=1.0), Sampling((9, 8), 8, cutoff=2.5, half_width=2.0)
KEYS = ("weight", "bias", "magnitude_ema", "affine.weight", "affine.bias")
CASES = {
    "finer": Case(partial(AliasFreeConv, 2, 3, 3, 5, before=COARSE, after=FINE), [(2, 6, 7), (5,)], KEYS),
    "radial": Case(
        partial(AliasFreeConv, 2, 3, 1, 5, before=COARSE, after=COARSE, radial=True, slope=0.1, clamp=None),
        [(2, 6, 7), (5,)],
        KEYS,
        ("2, 3, kernel_size=1", "rate=4", "radial=True, slope=0.1, clamp=None"),
    ),
    "to RGB": Case(
        partial(AliasFreeConv, 2, 3, 1, 5, before=FINE, after=FINE, to_rgb=True),
        [(2, 9, 8), (5,)],
        KEYS,
        ("to_rgb=True",),
    ),
}


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


def firwin_taps(taps: int, sampling: Sampling, rate: float) -> Any:
    return np.float32(firwin(taps, sampling.cutoff, width=2 * sampling.half_width, fs=rate))


def filtered(x: Tensor, taps: Any, up: int, down: int, padding: tuple[int, int], axis: int) -> Tensor:
    """Insert zeros, pad, filter, keep every `down`-th sample, along one axis."""
    rows = np.moveaxis(x.numpy(), axis, -1)
    wide = np.zeros((*rows.shape[:-1], rows.shape[-1] * up))
    wide[..., ::up] = rows
    near, far = padding
    wide = np.pad(wide, [(0, 0)] * (wide.ndim - 1) + [(max(near, 0), max(far, 0))])
    wide = wide[..., max(-near, 0) : wide.shape[-1] - max(-far, 0)]
    full = upfirdn(np.asarray(taps, dtype=float), wide)
    valid = full[..., len(taps) - 1 : full.shape[-1] - len(taps) + 1]
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(valid[..., ::down], -1, axis)))


def published_layer(layer: AliasFreeConv, x: Tensor, latent: Tensor) -> Tensor:
    """The design's formulas, one after the other, with per-sample weights and scipy's filters."""
    weight, style = layer.weight.detach(), (latent @ layer.affine.weight.detach().T) / sqrt(latent.shape[1])
    style = style + layer.affine.bias.detach()  # type: ignore[union-attr]
    weight = weight / weight.square().mean((1, 2, 3), keepdim=True).sqrt()
    style = style / style.square().mean().sqrt()
    weights = weight[None] * style[:, None, :, None, None]
    weights = weights / (weights.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    x = x / layer.magnitude_ema.sqrt()
    padding = layer.kernel_size - 1
    y = torch.cat([nn.functional.conv2d(x[i : i + 1], weights[i], padding=padding) for i in range(len(x))])
    y = y + layer.bias.detach()[:, None, None]
    step = layer.resampling
    rate = layer.before.rate * step.up
    left, right, top, bottom = step.padding
    taps = firwin_taps(step.up_taps, layer.before, rate) * step.up
    y = filtered(filtered(y, taps, step.up, 1, (left, right), 3), taps, step.up, 1, (top, bottom), 2)
    y = (nn.functional.leaky_relu(y, 0.2) * sqrt(2)).clamp(-256, 256)
    taps = firwin_taps(step.down_taps, layer.after, rate)
    return filtered(filtered(y, taps, 1, step.down, (0, 0), 3), taps, 1, step.down, (0, 0), 2)


@pytest.mark.parametrize(("before", "after"), [(COARSE, FINE), (FINE, COARSE), (COARSE, COARSE)])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_the_layer_is_the_published_one(before: Sampling, after: Sampling, kernel_size: int) -> None:
    layer = AliasFreeConv(2, 3, kernel_size, 5, before=before, after=after, dtype=torch.float64).eval()
    nn.init.normal_(layer.bias)
    nn.init.constant_(layer.magnitude_ema, 2.5)
    x, latent = randn(2, 2, *before.size), randn(2, 5)
    y = layer(x, latent)
    assert y.shape == (2, 3, *after.size)
    assert_same(y, published_layer(layer, x, latent), 1e-6)


def test_the_image_layer_has_no_filters_and_no_demodulation() -> None:
    layer = AliasFreeConv(4, 3, 1, 5, before=FINE, after=FINE, to_rgb=True, clamp=2.0, dtype=torch.float64).eval()
    nn.init.normal_(layer.bias)
    assert (layer.up_filter, layer.down_filter) == (None, None)
    x, latent = randn(2, 4, *FINE.size), randn(2, 5)
    expected = torch.einsum("nihw,ni,oi->nohw", x, layer.affine(latent), layer.weight[:, :, 0, 0]) / 2
    assert_same(layer(x, latent), (expected + layer.bias[:, None, None]).clamp(-2, 2))


def test_the_running_magnitude_follows_training_by_images() -> None:
    layer = AliasFreeConv(2, 3, 3, 5, before=COARSE, after=FINE, magnitude_half_life=4, dtype=torch.float64)
    x, latent = 3 * randn(8, 2, 6, 7), randn(8, 5)
    trained = layer(x, latent)  # two half-lives
    assert_same(layer.magnitude_ema, 0.25 + 0.75 * x.square().mean())
    assert_same(layer.eval()(x, latent), trained)
    assert_same(layer.magnitude_ema, 0.25 + 0.75 * x.square().mean())


def test_a_running_magnitude_keeps_out_what_is_not_finite() -> None:
    layer = AliasFreeConv(2, 3, 3, 5, before=COARSE, after=FINE)
    layer(torch.full((1, 2, 6, 7), torch.inf), torch.randn(1, 5))
    layer(torch.randn(0, 2, 6, 7), torch.randn(0, 5))
    assert layer.magnitude_ema == 1


def test_scaled_inputs_give_the_same_output_once_the_magnitude_is_known() -> None:
    layer = AliasFreeConv(2, 3, 3, 5, before=COARSE, after=FINE, magnitude_half_life=1e-3, dtype=torch.float64)
    x, latent = randn(4, 2, 6, 7), randn(4, 5)
    assert_same(layer(x, latent), layer(100 * x, latent))


def test_resampling_of_a_published_layer() -> None:
    """Layer 2 of the golden file of configuration T."""
    before = Sampling(36, 16, cutoff=3.36, half_width=4.64)
    after = Sampling(52, 32, cutoff=5.66, half_width=10.34)
    found = Resampling.between(before, after, kernel_size=3, oversampling=2, filter_taps=6)
    assert found == Resampling(4, 2, 24, 12, (-6, -9, -6, -9))


LAYER: dict[str, Any] = {"in_channels": 2, "out_channels": 3, "before": COARSE, "after": FINE}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AliasFreeConv(**{**LAYER, "in_channels": 0}), "AliasFreeConv: in_channels must be an int of at least"),
        (lambda: AliasFreeConv(**LAYER, filter_taps=0), "AliasFreeConv: filter_taps must be an int of at least 1"),
        (lambda: AliasFreeConv(**LAYER, clamp=0.0), "AliasFreeConv: clamp must be a number above 0"),
        (lambda: AliasFreeConv(**LAYER, magnitude_half_life=0), "magnitude_half_life must be a number above 0"),
        (lambda: AliasFreeConv(**LAYER, oversampling=3), "AliasFreeConv: the ratio of the rates and oversampling must"),
        (lambda: AliasFreeConv(**{**LAYER, "after": Sampling(8, 12, 1, 1)}), "powers of two, got 4 to 12"),
        (lambda: AliasFreeConv(**{**LAYER, "use_radial_filters": True}), "use_radial_filters is called radial here"),
        (lambda: Sampling((6, 0), 4, 1, 1), r"Sampling: size must be an int or \(height, width\), .* got \(6, 0\)"),
        (lambda: Sampling((6, 6, 6), 4, 1, 1), "Sampling: size must be"),
        (lambda: Sampling(6, 4, 2.5, 1), "Sampling: .* a cutoff of at most 2, got 4, 1 and 2.5"),
        (lambda: Sampling(6, float("inf"), 2.5, 1), "Sampling: needs a finite rate"),
        (lambda: Sampling(6, 4, 1, -1), "Sampling: half_width must be a number above 0, got -1"),
    ],
)
def test_arguments_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("x", "latent", "message"),
    [
        ((2, 2, 6, 6), (2, 256), r"x must be \(N, 2, 6, 7\), got \(2, 2, 6, 6\)"),
        ((2, 3, 6, 7), (2, 256), r"x must be \(N, 2, 6, 7\)"),
        ((2, 2, 6, 7), (2, 5), r"latent must be \(N, 256\), got \(2, 5\)"),
    ],
)
def test_inputs_that_do_not_fit(x: tuple[int, ...], latent: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=f"^AliasFreeConv: {message}"):
        AliasFreeConv(**LAYER)(torch.randn(x), torch.randn(latent))
