"""Convolution with enlarging or shrinking under the official signature, computed at the lower resolution."""

from typing import Any

from torch import Tensor

from . import conv2d_gradfix
from .upfirdn2d import _get_filter_size, _parse_padding, upfirdn2d


def conv2d_resample(
    x: Tensor,
    w: Tensor,
    f: Tensor | None = None,
    up: int = 1,
    down: int = 1,
    padding: Any = 0,
    groups: int = 1,
    flip_weight: bool = True,
    flip_filter: bool = False,
) -> Tensor:
    """Enlarge with the filter `f`, convolve with `w`, shrink with `f`; pad once, at the beginning.

    Args:
        x: feature maps.
        w: weight.
        f: taps of the low-pass, see :func:`~stylelayers.compat.official.upfirdn2d.setup_filter`; None for one tap of 1.
        up, down: factors; both may be above 1.
        padding: pixels of the enlarged image, an int, ``[x, y]`` or ``[x0, x1, y0, y1]``, beyond what the filter needs.
        groups: of the convolution.
        flip_weight: False convolves, True correlates, as torch does.
        flip_filter: True correlates with the filter.

    Shape:
        ``(N, I, H, W)``, ``(O, I / groups, kh, kw)`` → ``(N, O, H', W')`` with
        ``H' = (H * up + y0 + y1 - kh + 1) / down`` for even factors and taps.

    Example:
        >>> import torch
        >>> from stylelayers.compat.official.conv2d_resample import conv2d_resample
        >>> x, w, f = torch.randn(2, 3, 8, 8), torch.randn(5, 3, 3, 3), torch.ones(4, 4) / 16
        >>> conv2d_resample(x, w, f, up=2, padding=1).shape
        torch.Size([2, 5, 16, 16])
    """
    _, _, kh, kw = _get_weight_shape(w)
    x0, x1, y0, y1 = sides = _sides(f, up, down, padding)
    options: dict[str, Any] = {"groups": groups, "flip_weight": flip_weight}
    if up == down == 1:
        if x0 == x1 >= 0 and y0 == y1 >= 0:
            return _conv2d_wrapper(x, w, padding=[y0, x0], **options)
        return _conv2d_wrapper(upfirdn2d(x, None, padding=sides), w, **options)
    if up == 1:
        if kh == kw == 1:
            return _conv2d_wrapper(upfirdn2d(x, f, down=down, padding=sides, flip_filter=flip_filter), w, **options)
        return _conv2d_wrapper(upfirdn2d(x, f, padding=sides, flip_filter=flip_filter), w, stride=down, **options)
    if kh == kw == 1:
        x = _conv2d_wrapper(x, w, **options)
        x = upfirdn2d(x, f, up=up, padding=sides, flip_filter=flip_filter, gain=up**2)
    else:
        options["flip_weight"] = not flip_weight
        x = _conv2d_wrapper(x, _swapped(w, groups), stride=up, transpose=True, **options)
        sides = (x0 + 1 - kw, x1 + up - kw, y0 + 1 - kh, y1 + up - kh)  # without the border of the transposed one
        x = upfirdn2d(x, f, padding=sides, flip_filter=flip_filter, gain=up**2)
    return x if down == 1 else upfirdn2d(x, f, down=down, flip_filter=flip_filter)


def _sides(f: Tensor | None, up: int, down: int, padding: Any) -> tuple[int, int, int, int]:
    """The padding with what both filters need to keep the middle of the image where it is."""
    x0, x1, y0, y1 = _parse_padding(padding)
    width, height = _get_filter_size(f)
    if up > 1:
        x0, x1 = x0 + (width + up - 1) // 2, x1 + (width - up) // 2
        y0, y1 = y0 + (height + up - 1) // 2, y1 + (height - up) // 2
    if down > 1:
        x0, x1 = x0 + (width - down + 1) // 2, x1 + (width - down) // 2
        y0, y1 = y0 + (height - down + 1) // 2, y1 + (height - down) // 2
    return x0, x1, y0, y1


def _conv2d_wrapper(
    x: Tensor,
    w: Tensor,
    stride: Any = 1,
    padding: Any = 0,
    groups: int = 1,
    transpose: bool = False,
    flip_weight: bool = True,
) -> Tensor:
    """``conv2d`` or ``conv_transpose2d`` of torch; with the weight flipped unless `flip_weight`."""
    operator = conv2d_gradfix.conv_transpose2d if transpose else conv2d_gradfix.conv2d
    return operator(x, w if flip_weight else w.flip(2, 3), stride=stride, padding=padding, groups=groups)


def _swapped(w: Tensor, groups: int) -> Tensor:
    """The weight with input and output channels swapped in every group, as ``conv_transpose2d`` has them."""
    return w.transpose(0, 1) if groups == 1 else w.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)


def _get_weight_shape(w: Tensor) -> list[int]:
    return [*w.shape]
