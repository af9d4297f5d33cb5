"""Low-pass filtering and resampling of images by FIR kernels, as in StyleGAN2 (arXiv:1912.04958).

All three are special cases of :func:`stylelayers.functional.upfirdn2d`.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch.nn.functional as F
from torch import Tensor

from .._checks import check_choice, check_ints
from ._fir_filter import FIRFilter, Sides, centred, make_filter
from .fir_kernel import Kernel, per_kernel

PADDING_MODES = ("zeros", "reflect", "replicate")


def blur2d(x: Tensor, kernel: Tensor | Sequence[Any] = (1, 2, 1), *, padding_mode: str = "zeros") -> Tensor:
    """Filter with the normalized `kernel`; the image keeps its size (arXiv:1912.04958).

    Even kernels reach one pixel further to the left and top. Module: :class:`stylelayers.Blur`.

    Args:
        x: floating-point images.
        kernel: 1-D (separable) or 2-D taps, normalized to sum 1.
        padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H, W)``.

    Raises:
        ValueError: as :func:`upfirdn2d`, an unknown mode, or a kernel too wide to reflect.

    Example:
        >>> import torch
        >>> from stylelayers.functional import blur2d
        >>> blur2d(torch.ones(1, 3, 8, 8), padding_mode="replicate").mean()
        tensor(1.)
    """
    return resample2d("blur2d", x, kernel, padding_mode)


def upsample2d(
    x: Tensor, kernel: Tensor | Sequence[Any] = (1, 3, 3, 1), *, factor: int = 2, padding_mode: str = "zeros"
) -> Tensor:
    """Enlarge images `factor` times: zero-insertion, then the normalized `kernel` with gain ``factor**2``.

    StyleGAN2's resampling (arXiv:1912.04958). Module: :class:`stylelayers.Upsample2d`.

    Args:
        x: floating-point images.
        kernel: 1-D (separable) or 2-D taps of the low-pass filter, normalized to sum 1.
        factor: an int of at least 1.
        padding_mode: as of :func:`blur2d`.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H * factor, W * factor)``.

    Raises:
        ValueError: as :func:`blur2d`, or `factor` below 1.

    Example:
        >>> import torch
        >>> from stylelayers.functional import upsample2d
        >>> upsample2d(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 3, 16, 16])
    """
    check_ints("upsample2d", factor=factor)
    return resample2d("upsample2d", x, kernel, padding_mode, factor, 1)


def downsample2d(
    x: Tensor, kernel: Tensor | Sequence[Any] = (1, 3, 3, 1), *, factor: int = 2, padding_mode: str = "zeros"
) -> Tensor:
    """Shrink images `factor` times: the normalized `kernel`, then every `factor`-th pixel (arXiv:1912.04958).

    Module: :class:`stylelayers.Downsample2d`.

    Args:
        x: floating-point images.
        kernel: 1-D (separable) or 2-D taps of the low-pass filter, normalized to sum 1.
        factor: an int of at least 1.
        padding_mode: as of :func:`blur2d`.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H // factor, W // factor)`` for sizes that `factor` divides.

    Raises:
        ValueError: as :func:`blur2d`, or `factor` below 1.

    Example:
        >>> import torch
        >>> from stylelayers.functional import downsample2d
        >>> downsample2d(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 3, 4, 4])
    """
    check_ints("downsample2d", factor=factor)
    return resample2d("downsample2d", x, kernel, padding_mode, 1, factor)


def pad2d(x: Tensor, sides: Sides, padding_mode: str) -> Tensor:
    """Pad by `sides` ``(left, right, top, bottom)`` pixels; reflection needs an image larger than that."""
    if not any(sides):
        return x
    if padding_mode == "zeros":
        return F.pad(x, sides)
    if padding_mode == "reflect" and (max(sides[:2]) >= x.shape[3] or max(sides[2:]) >= x.shape[2]):
        raise ValueError(
            f"pad2d: padding_mode='reflect' by {sides} (left, right, top, bottom) pixels needs a larger image, "
            f"got {tuple(x.shape)}; use padding_mode='replicate'"
        )
    return F.pad(x, sides, mode=padding_mode)


def resample2d(
    caller: str, x: Tensor, kernel: Tensor | Sequence[Any], padding_mode: str, up: int = 1, down: int = 1
) -> Tensor:
    """Filter and resample images; errors name the caller, a function or a layer."""
    if padding_mode not in PADDING_MODES:  # no call: small layers are fast
        check_choice(caller, "padding_mode", padding_mode, PADDING_MODES)
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(f"{caller}: x must be a floating-point (N, C, H, W), got {x.dtype} {tuple(x.shape)}")
    border, fir = _prepared(kernel, x, up, down, padding_mode != "zeros")
    return fir(x if border is None else pad2d(x, border, padding_mode))


@per_kernel(normalize=True)
def _prepared(kernel: Kernel, up: int, down: int, bordered: bool) -> tuple[Sides | None, FIRFilter]:
    """The filter, and the pixels by which to pad the image before it if the border is not zeros."""
    sides, border = centred(kernel, up, down), None
    if bordered:
        border = cast(Sides, tuple(max(0, -(-side // up)) for side in sides))
        sides = cast(Sides, tuple(side - pixels * up for side, pixels in zip(sides, border, strict=True)))
    return border, make_filter(kernel, (up, up), (down, down), sides, gain=float(up**2))
