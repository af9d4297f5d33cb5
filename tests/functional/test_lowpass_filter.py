"""lowpass_filter against scipy, and the laws of low-pass filters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import signal, special

from stylelayers.functional import lowpass_filter
from tests.conftest import assert_same

DESIGNS = {
    "StyleGAN3's first": (12, 2.0, 4.0, 64.0),
    "wide": (24, 3.0, 2.0, 32.0),
    "odd": (13, 2.0, 12.0, 32.0),
    "gentle": (7, 3.0, 5.0, 20.0),  # below 50 dB
    "boxed": (3, 3.0, 0.1, 20.0),  # below 21 dB, where Kaiser's window is flat
    "one tap": (1, 3.0, 5.0, 20.0),
}
every_design = pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS.keys())


@every_design
def test_is_scipys(design: tuple[int, float, float, float]) -> None:
    taps, cutoff, width, rate = design
    expected = signal.firwin(taps, cutoff, width=width, fs=rate)
    found = lowpass_filter(taps, cutoff, width, rate)
    assert (found.dtype, found.device.type) == (torch.float32, "cpu")
    assert_same(found.double(), torch.from_numpy(expected), 1e-6)


@every_design
def test_radial_is_jinc_times_windows(design: tuple[int, float, float, float]) -> None:
    taps, cutoff, width, rate = design
    times = (np.arange(taps) - (taps - 1) / 2) / rate
    radii = np.hypot(times[:, None], times)
    with np.errstate(invalid="ignore"):
        ideal = special.j1(2 * np.pi * cutoff * radii) / (np.pi * radii)
    ideal[radii == 0] = cutoff  # the limit
    window = np.kaiser(taps, signal.kaiser_beta(signal.kaiser_atten(taps, width / (rate / 2))))
    expected = ideal * np.outer(window, window)
    found = lowpass_filter(taps, cutoff, width, rate, radial=True)
    assert_same(found.double(), torch.from_numpy(expected / expected.sum()), 1e-6)


@pytest.mark.parametrize("radial", [False, True])
@every_design
def test_keeps_constants_and_is_symmetric(design: tuple[int, float, float, float], radial: bool) -> None:
    kernel = lowpass_filter(*design, radial=radial)
    assert_same(kernel.sum(), torch.ones(()), 1e-6)
    assert_same(kernel.flip(0), kernel, 0.0)
    if radial:
        assert_same(kernel.T, kernel, 0.0)


def test_does_not_depend_on_defaults() -> None:
    expected = lowpass_filter(12, 2.0, 4.0, 64.0)
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        with torch.device("meta"):
            assert_same(lowpass_filter(12, 2.0, 4.0, 64.0), expected, 0.0)
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 2.0, 4.0, 64.0), "taps must be an int of at least 1, got 0"),
        ((12, 0.0, 4.0, 64.0), "cutoff must be a number above 0, got 0.0"),
        ((12, 32.0, 4.0, 64.0), "cutoff must be below half the rate, 32, got 32.0"),
        ((12, 2.0, -1.0, 64.0), "width must be a number above 0, got -1.0"),
        ((12, 2.0, 4.0, float("nan")), "rate must be a number above 0, got nan"),
    ],
)
def test_bad_input(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^lowpass_filter: {message}$"):
        lowpass_filter(*arguments)
