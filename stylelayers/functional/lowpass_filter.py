"""Low-pass FIR filters of a given cutoff and transition width: windowed sinc and jinc (arXiv:2106.12423, section 3.1).

Torch alone designs them, once, when a layer is built; `scipy.signal.firwin` gives the same separable filters.
"""

from math import exp, log, pi

import torch
from torch import Tensor

from .._checks import check_ints, check_number


def lowpass_filter(taps: int, cutoff: float, width: float, rate: float, *, radial: bool = False) -> Tensor:
    r"""Design a low-pass filter: an ideal one times a Kaiser window, normalized to sum 1.

    .. math:: h[n] \propto w[n] \, \mathrm{sinc}(2 \, cutoff \, t_n), \quad t_n = (n - (taps - 1) / 2) / rate

    The radial one has the same response in all directions, which rotation equivariance needs: :math:`h[m, n] \propto
    w[m] w[n] \, J_1(2 \pi \, cutoff \, r) / (\pi r)` with :math:`r = \sqrt{t_m^2 + t_n^2}` (arXiv:2106.12423, appendix
    C).

    Args:
        taps: number of taps along an axis.
        cutoff: frequency of half the amplitude, above 0 and below half the `rate`.
        width: of the whole transition from pass band to stop band, as `width` of `scipy.signal.firwin`; StyleGAN3's
            plans give half of it, from the cutoff to the stop band. Above 0.
        rate: sampling rate, in the unit of `cutoff` and `width`.
        radial: a 2-D filter, to be applied as it is, instead of a 1-D one for both axes.

    Shape:
        float32 on the CPU, ``(taps,)``; radial ``(taps, taps)``.

    Raises:
        ValueError: arguments out of range.

    Example:
        >>> from stylelayers.functional import lowpass_filter
        >>> lowpass_filter(12, cutoff=2.0, width=4.0, rate=16.0).shape
        torch.Size([12])
    """
    check_ints("lowpass_filter", taps=taps)
    check_number("lowpass_filter", above=0, cutoff=cutoff, width=width, rate=rate)
    if not cutoff < rate / 2:
        raise ValueError(f"lowpass_filter: cutoff must be below half the rate, {rate / 2:g}, got {cutoff!r}")
    times = (torch.arange(taps, dtype=torch.float64, device="cpu") - (taps - 1) / 2) / rate
    window = _kaiser_window(taps, width / (rate / 2))
    if radial:
        ideal, window = _jinc(torch.hypot(times[:, None], times), cutoff), torch.outer(window, window)
    else:
        ideal = torch.sinc(2 * cutoff * times)
    kernel = ideal * window
    return (kernel / kernel.sum()).float()


def _jinc(radii: Tensor, cutoff: float) -> Tensor:
    """Impulse response of the ideal filter whose pass band is a disc."""
    at_zero = radii == 0
    radii = radii.where(~at_zero, 1.0)
    return torch.where(at_zero, pi * cutoff**2, cutoff * torch.special.bessel_j1(2 * pi * cutoff * radii) / radii)


def _kaiser_window(taps: int, width: float) -> Tensor:
    """The Kaiser window for a transition of `width` times half the sampling rate (Kaiser's formulas)."""
    attenuation = 2.285 * (taps - 1) * pi * width + 7.95  # in dB
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    elif attenuation > 21:
        beta = 0.5842 * exp(0.4 * log(attenuation - 21)) + 0.07886 * (attenuation - 21)
    else:
        beta = 0.0
    return torch.kaiser_window(taps, periodic=False, beta=beta, dtype=torch.float64, device="cpu")
