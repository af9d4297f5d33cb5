"""Frequency bands: against scipy, waves of one frequency, derivatives, and how the pipeline draws gains."""

from __future__ import annotations

from collections.abc import Callable
from math import pi
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve1d
from torch import Tensor

from stylelayers.augment import AugmentPipeline, amplify_bands
from stylelayers.testing import check_double_backward

GAINS = torch.tensor([[0.5, 2.0, 1.0, 3.0], [1.0, 1.0, 1.0, 1.0]], dtype=torch.float64)
MODES = {"reflect": "mirror", "replicate": "nearest", "constant": "constant"}  # here and in scipy


def images(*shape: int) -> Tensor:
    return torch.randn(*(shape or (2, 2, 5, 9)), dtype=torch.float64)


def explicit_filter(gains: np.ndarray) -> np.ndarray:
    """The impulse response of four gains, by splitting what is low again with holes in the filter."""
    half_band = np.array([-1, 0, 9, 16, 9, 0, -1]) / 32
    low, response = np.ones(1), np.zeros(43)
    for gain, spread in zip(gains[:0:-1], (1, 2, 4), strict=True):
        holes = np.zeros(6 * spread + 1)
        holes[::spread] = half_band
        lower = np.convolve(low, holes)
        high = np.pad(low, (len(lower) - len(low)) // 2) - lower
        response += gain * np.pad(high, (43 - len(high)) // 2)
        low = lower
    return response + gains[0] * low


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(2, 2, 5, 9), (2, 1, 64, 48)], ids=str)
def test_filtering_agrees_with_scipy_on_both_axes(mode: str, shape: tuple[int, ...]) -> None:
    x = images(*shape)
    found = amplify_bands(x, GAINS, padding_mode=mode, fill=-0.5)
    for image, gains, result in zip(x.numpy(), GAINS.numpy(), found.numpy(), strict=True):
        expected = image - (mode == "constant") * -0.5
        for axis in (1, 2):
            expected = convolve1d(expected, explicit_filter(gains), axis=axis, mode=MODES[mode])
        if mode == "constant":  # a filter turns the frame's value and all else by the same gain of constants
            expected += -0.5 * gains[0] ** 2
        np.testing.assert_allclose(result, expected, atol=1e-12)


@pytest.mark.parametrize(("band", "frequency"), [(0, 0.0), (3, pi)])
def test_lowest_and_highest_frequency_are_in_one_band_each(band: int, frequency: float) -> None:
    wave = torch.cos(frequency * torch.arange(33.0, dtype=torch.float64)).expand(1, 1, 7, 33)
    gains = torch.ones(1, 4, dtype=torch.float64)
    gains[0, band] = 3
    torch.testing.assert_close(amplify_bands(wave, gains), wave * (9 if band == 0 else 3))


@pytest.mark.parametrize("band", range(4))
def test_each_gain_acts_most_in_its_own_band(band: int) -> None:
    frequencies = torch.tensor([pi / 16, 3 * pi / 16, 3 * pi / 8, 3 * pi / 4], dtype=torch.float64)
    gains = 1 + torch.eye(4, dtype=torch.float64)[band].expand(4, 4)
    waves = torch.cos(frequencies.view(4, 1, 1, 1) * torch.arange(65.0)).expand(4, 1, 1, 65)
    gained = (amplify_bands(waves, gains) / gains[:, :1, None, None] / waves)[:, 0, 0, 32]  # the centre: no border
    assert gained.argmax() == band
    assert gained[band] > 1.6


def test_unit_gains_are_the_identity_and_samples_independent() -> None:
    x = images().requires_grad_()
    y = amplify_bands(x, GAINS)
    torch.testing.assert_close(y[1], x[1], rtol=1e-14, atol=1e-14)
    gradient = torch.autograd.grad(y[0].square().sum(), x)[0]
    assert gradient[0].all()
    assert not gradient[1].any()


@pytest.mark.parametrize("mode", MODES)
def test_first_and_second_derivatives_match_finite_differences(mode: str) -> None:
    check_double_backward(lambda x: amplify_bands(x, GAINS, padding_mode=mode).square(), images(2, 1, 3, 4))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_dtype_is_kept_and_autocast_adds_no_rounding(dtype: torch.dtype) -> None:
    x = images().to(dtype)
    plain = amplify_bands(x, GAINS)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(amplify_bands(x, GAINS), plain)
    assert plain.dtype == dtype


def test_empty_batches_pass() -> None:
    assert amplify_bands(images(0, 3, 4, 4), GAINS[:0]).shape == (0, 3, 4, 4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: amplify_bands(x, GAINS[:1]), r"amplify_bands: gains must be \(2, 4\) for 2 images, got \(1, 4\)"),
        (lambda x: amplify_bands(x[0], GAINS), r"amplify_bands: images must be floating-point \(N, C, H, W\), got"),
        (lambda x: amplify_bands(x, GAINS, padding_mode="wrap"), r"must be one of zeros, .*got 'wrap'"),
    ],
)
def test_bad_input_raises(call: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(images())


def drawn_gains(monkeypatch: pytest.MonkeyPatch, **options: Any) -> Tensor:
    """Of 4,000 samples."""
    found: list[Tensor] = []

    def record(images: Tensor, gains: Tensor, **_: Any) -> Tensor:
        found.append(gains)
        return images

    monkeypatch.setattr("stylelayers.augment.pipeline.amplify_bands", record)
    AugmentPipeline("filter", **options)(torch.zeros(4000, 1, 1, 1, dtype=torch.float64))
    return found[0]


def test_gains_are_normalized_by_the_natural_spectrum(monkeypatch: pytest.MonkeyPatch) -> None:
    share = torch.tensor([10, 1, 1, 1], dtype=torch.float64) / 13
    for band in range(4):
        gains = drawn_gains(monkeypatch, probabilities={f"band_{b}": float(b == band) for b in range(4)})
        torch.testing.assert_close(gains.square() @ share, torch.ones(4000, dtype=torch.float64))
        logarithms = (gains[:, band] / gains[:, band - 1]).log2()
        assert abs(float(logarithms.mean())) < 0.06
        assert abs(float(logarithms.std()) - 1) < 0.06
    assert torch.equal(
        drawn_gains(monkeypatch, strengths=dict.fromkeys(("band_0", "band_1", "band_2", "band_3"), 0)),
        torch.ones(4000, 4, dtype=torch.float64),
    )
