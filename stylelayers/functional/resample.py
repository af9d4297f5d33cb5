"""Low-pass filtering and resampling of images by FIR kernels, as in StyleGAN2 (arXiv:1912.04958).

All three are settings of :func:`stylelayers.functional.upfirdn2d`, which holds the derivatives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .fir_kernel import Kernel, as_kernel, size_of
from .upfirdn2d import upfirdn2d

__all__ = ["PADDING_MODES", "blur2d", "check_factor", "check_padding_mode", "downsample2d", "pad2d", "upsample2d"]

PADDING_MODES = ("zeros", "reflect", "replicate")


def blur2d(x: Tensor, kernel: Tensor | Sequence[Any] = (1, 2, 1), *, padding_mode: str = "zeros") -> Tensor:
    """Filter with the normalised `kernel`; the image keeps its size.

    Even kernels look one pixel further to the left and top. Module: :class:`stylelayers.Blur`.

    Args:
        x: floating-point images.
        kernel: 1-D (separable) or 2-D taps, normalised to sum 1.
        padding_mode: what lies outside the image: ``"zeros"``, ``"reflect"`` or ``"replicate"``.

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
    taps = as_kernel(kernel, normalize=True, like=x)
    x, sides = _bordered("blur2d", x, _aligned(taps, lambda k: (k // 2, (k - 1) // 2)), padding_mode)
    return upfirdn2d(x, taps, padding=sides)


def upsample2d(
    x: Tensor, kernel: Tensor | Sequence[Any] = (1, 3, 3, 1), *, factor: int = 2, padding_mode: str = "zeros"
) -> Tensor:
    """Enlarge images `factor` times: zero-insertion, then the normalised `kernel` with gain ``factor**2``.

    What lies outside the image is as in :func:`blur2d`. Module: :class:`stylelayers.Upsample2d`.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H * factor, W * factor)``.

    Raises:
        ValueError: as :func:`blur2d`.

    Example:
        >>> import torch
        >>> from stylelayers.functional import upsample2d
        >>> upsample2d(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 3, 16, 16])
    """
    taps = as_kernel(kernel, normalize=True, like=x)
    check_factor("upsample2d", factor)
    sides = _aligned(taps, lambda k: ((k + factor - 1) // 2, (k - factor) // 2))
    x, sides = _bordered("upsample2d", x, sides, padding_mode, factor)
    return upfirdn2d(x, taps, up=factor, padding=sides, gain=float(factor**2))


def downsample2d(
    x: Tensor, kernel: Tensor | Sequence[Any] = (1, 3, 3, 1), *, factor: int = 2, padding_mode: str = "zeros"
) -> Tensor:
    """Shrink images `factor` times: the normalised `kernel`, then every `factor`-th pixel.

    What lies outside the image is as in :func:`blur2d`. Module: :class:`stylelayers.Downsample2d`.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H // factor, W // factor)`` for sizes that `factor` divides.

    Raises:
        ValueError: as :func:`blur2d`.

    Example:
        >>> import torch
        >>> from stylelayers.functional import downsample2d
        >>> downsample2d(torch.ones(1, 3, 8, 8)).shape
        torch.Size([1, 3, 4, 4])
    """
    taps = as_kernel(kernel, normalize=True, like=x)
    check_factor("downsample2d", factor)
    sides = _aligned(taps, lambda k: ((k - factor + 1) // 2, (k - factor) // 2))
    x, sides = _bordered("downsample2d", x, sides, padding_mode)
    return upfirdn2d(x, taps, down=factor, padding=sides)


def pad2d(x: Tensor, sides: tuple[int, int, int, int], padding_mode: str) -> Tensor:
    """Pad by `sides` ``(left, right, top, bottom)`` pixels; reflection needs larger images than that."""
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


def check_padding_mode(caller: str, padding_mode: str) -> None:
    """Raise a ValueError that names the caller unless the mode is one of `PADDING_MODES`."""
    if padding_mode not in PADDING_MODES:
        raise ValueError(f"{caller}: padding_mode must be one of {', '.join(PADDING_MODES)}, got {padding_mode!r}")


def check_factor(caller: str, factor: int) -> None:
    """Raise a ValueError that names the caller unless the factor is an int of at least 1."""
    if not isinstance(factor, int) or isinstance(factor, bool) or factor < 1:
        raise ValueError(f"{caller}: factor must be an int of at least 1, got {factor!r}")


def _bordered(
    caller: str, x: Tensor, sides: tuple[int, int, int, int], padding_mode: str, up: int = 1
) -> tuple[Tensor, tuple[int, int, int, int]]:
    """Images with the border that a mode adds, and the padding of zeros that is left to do after zero-insertion."""
    check_padding_mode(caller, padding_mode)
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(f"{caller}: x must be a floating-point (N, C, H, W), got {x.dtype} {tuple(x.shape)}")
    if padding_mode == "zeros":
        return x, sides
    left, right, top, bottom = (max(0, -(-side // up)) for side in sides)
    rest = (sides[0] - left * up, sides[1] - right * up, sides[2] - top * up, sides[3] - bottom * up)
    return pad2d(x, (left, right, top, bottom), padding_mode), rest


def _aligned(taps: Kernel, near_and_far: Any) -> tuple[int, int, int, int]:
    """``(left, right, top, bottom)`` from what one side of ``k`` taps wants."""
    height, width = size_of(taps)
    return (*near_and_far(width), *near_and_far(height))
