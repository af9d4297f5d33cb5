"""Amplifying frequency bands of images, linear in the image (arXiv:2006.06676, appendix B, image-space filtering).

The bands are those of an undecimated wavelet transform: a half-band low-pass filter, dilated by 1, 2 and 4 pixels,
splits frequencies at pi/2, pi/4 and pi/8 along each axis. The bands sum to the image.
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from ..functional._autocast import without_autocast
from ..functional._fir_filter import prepare_filter
from ._pixels import check_padding, check_per_sample, pad_any

BANDS = 4
# The half-band filter that the symlet with two vanishing moments makes with its mirror image.
HALF_BAND = (-1 / 32, 0.0, 9 / 32, 16 / 32, 9 / 32, 0.0, -1 / 32)
SPREADS = (1, 2, 4)
MARGIN = sum(len(HALF_BAND) // 2 * spread for spread in SPREADS)


def amplify_bands(images: Tensor, gains: Tensor, *, padding_mode: str = "reflect", fill: float = 0.0) -> Tensor:
    """Scale frequency bands of each image along both axes (arXiv:2006.06676, appendix B).

    Args:
        images: ``(N, C, H, W)``.
        gains: ``(N, 4)`` factors of the frequencies up to pi/8, pi/4, pi/2 and pi per pixel, along each axis: a
            frequency in one band across and another one down is scaled by the product. Ones change images by rounding
            only. They get no gradient.
        padding_mode: ``"reflect"``, ``"replicate"``, ``"zeros"`` or ``"constant"``, which pads with `fill`.
        fill: value of ``"constant"`` padding.

    Returns:
        Images ``(N, C, H, W)``.

    Raises:
        ValueError: shapes that do not fit, or an unknown mode.

    Example:
        >>> import torch
        >>> from stylelayers.augment import amplify_bands
        >>> grey = torch.full((1, 1, 8, 8), 0.5)
        >>> amplify_bands(grey, torch.tensor([[2.0, 1.0, 1.0, 1.0]])).mean()  # doubled along both axes
        tensor(2.)
    """
    check_per_sample("amplify_bands", "gains", gains, images, BANDS)
    padding_mode, fill = check_padding("amplify_bands", padding_mode, fill)
    if not len(images):
        return images
    x = pad_any(images.to(torch.promote_types(images.dtype, torch.float32)), MARGIN, padding_mode, fill)
    with without_autocast(x):
        taps = (gains.detach().to(x.dtype) @ _band_filters(x)).repeat_interleave(x.shape[1], 0).unsqueeze(1)
        y = x.reshape(1, -1, *x.shape[2:])
        y = F.conv2d(F.conv2d(y, taps.unsqueeze(3), groups=len(taps)), taps.unsqueeze(2), groups=len(taps))
    return y.view(images.shape).to(images.dtype)


def _band_filters(like: Tensor) -> Tensor:
    """``(4, 43)`` odd, symmetric filters, one a band, from low to high frequencies; their sum is an impulse."""
    half_band = prepare_filter((HALF_BAND,), (1, 1), (1, 1), (0, 0, 0, 0)).weight(like, 1)[0].squeeze(0)
    passed = [F.pad(like.new_ones(1, 1, 1), (MARGIN, MARGIN))]
    for spread in SPREADS:
        passed.append(F.conv1d(passed[-1], half_band, padding=len(HALF_BAND) // 2 * spread, dilation=spread))
    bands = [wide - narrow for wide, narrow in pairwise(passed)]
    return torch.cat([passed[-1], *reversed(bands)]).squeeze(1)
