"""FIR resampling under the signature of the PyTorch port."""

from typing import Any

from torch import Tensor

from ... import functional


def upfirdn2d(input: Tensor, kernel: Tensor, up: Any = 1, down: Any = 1, pad: Any = (0, 0)) -> Tensor:
    """Insert zeros, pad, convolve every channel with `kernel`, keep every `down`-th sample.

    Args:
        input: images.
        kernel: FIR taps; a constant.
        up, down: factors, an int or ``(x, y)``.
        pad: zeros of the zero-inserted image, an int, ``(near, far)`` for both axes or ``(x0, x1, y0, y1)``;
            negative values crop.

    Shape:
        ``(N, C, H, W)``, ``(kh, kw)`` → ``(N, C, H', W')`` with ``H' = (H * up + y0 + y1 - kh) // down + 1``.

    Raises:
        ValueError: shapes, factors or padding that do not fit.

    Example:
        >>> import torch
        >>> from stylelayers.compat.port import upfirdn2d
        >>> upfirdn2d(torch.ones(1, 3, 8, 8), torch.ones(4, 4), up=2, pad=(2, 1)).shape
        torch.Size([1, 3, 16, 16])
    """
    sides = pad if isinstance(pad, int) else tuple(pad) * 2 if len(pad) == 2 else tuple(pad)
    return functional.upfirdn2d(input, kernel.detach(), up=up, down=down, padding=sides)


def upfirdn2d_native(
    input: Tensor,
    kernel: Tensor,
    up_x: int,
    up_y: int,
    down_x: int,
    down_y: int,
    pad_x0: int,
    pad_x1: int,
    pad_y0: int,
    pad_y1: int,
) -> Tensor:
    """:func:`upfirdn2d` with an argument for every number."""
    return upfirdn2d(input, kernel, (up_x, up_y), (down_x, down_y), (pad_x0, pad_x1, pad_y0, pad_y1))
