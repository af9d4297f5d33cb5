"""Low-pass filtering and resampling of images by FIR kernels, as in StyleGAN2 (arXiv:1912.04958).

All three are special cases of :func:`stylelayers.functional.upfirdn2d`, which holds the derivatives.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .._checks import check_choice, check_ints
from .fir_kernel import Kernel, as_kernel, size_of
from .upfirdn2d import upfirdn2d

PADDING_MODES = ("zeros", "reflect", "replicate")


def blur2d(x: Tensor, kernel: Tensor | Sequence[Any] = (1, 2, 1), *, padding_mode: str = "zeros") -> Tensor:
    """Filter with the normalized `kernel`; the image keeps its size.

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
    taps = as_kernel(kernel, normalize=True, like=x)
    x, sides = _pad_border("blur2d", x, _sides(taps, lambda k: (k // 2, (k - 1) // 2)), padding_mode)
    return upfirdn2d(x, taps, padding=sides)


def upsample2d(
    x: Tensor, kernel: Tensor | Sequence[Any] = (1, 3, 3, 1), *, factor: int = 2, padding_mode: str = "zeros"
) -> Tensor:
    """Enlarge images `factor` times: zero-insertion, then the normalized `kernel` with gain ``factor**2``.

    Padding modes are those of :func:`blur2d`. Module: :class:`stylelayers.Upsample2d`.

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
    check_ints("upsample2d", factor=factor)
    sides = _sides(taps, lambda k: ((k + factor - 1) // 2, (k - factor) // 2))
    x, sides = _pad_border("upsample2d", x, sides, padding_mode, factor)
    return upfirdn2d(x, taps, up=factor, padding=sides, gain=float(factor**2))


def downsample2d(
    x: Tensor, kernel: Tensor | Sequence[Any] = (1, 3, 3, 1), *, factor: int = 2, padding_mode: str = "zeros"
) -> Tensor:
    """Shrink images `factor` times: the normalized `kernel`, then every `factor`-th pixel.

    Padding modes are those of :func:`blur2d`. Module: :class:`stylelayers.Downsample2d`.

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
    check_ints("downsample2d", factor=factor)
    sides = _sides(taps, lambda k: ((k - factor + 1) // 2, (k - factor) // 2))
    x, sides = _pad_border("downsample2d", x, sides, padding_mode)
    return upfirdn2d(x, taps, down=factor, padding=sides)


def pad2d(x: Tensor, sides: tuple[int, int, int, int], padding_mode: str) -> Tensor:
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


def _pad_border(
    caller: str, x: Tensor, sides: tuple[int, int, int, int], padding_mode: str, up: int = 1
) -> tuple[Tensor, tuple[int, int, int, int]]:
    """Pad images as the mode says; return them and the zero padding that remains after zero-insertion."""
    check_choice(caller, "padding_mode", padding_mode, PADDING_MODES)
    if x.ndim != 4 or not x.is_floating_point():
        raise ValueError(f"{caller}: x must be a floating-point (N, C, H, W), got {x.dtype} {tuple(x.shape)}")
    if padding_mode == "zeros":
        return x, sides
    left, right, top, bottom = (max(0, -(-side // up)) for side in sides)
    rest = (sides[0] - left * up, sides[1] - right * up, sides[2] - top * up, sides[3] - bottom * up)
    return pad2d(x, (left, right, top, bottom), padding_mode), rest


def _sides(taps: Kernel, near_and_far: Callable[[int], tuple[int, int]]) -> tuple[int, int, int, int]:
    """``(left, right, top, bottom)``, from the padding before and after that ``k`` taps need along one axis."""
    height, width = size_of(taps)
    return (*near_and_far(width), *near_and_far(height))
