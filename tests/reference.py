"""Slow implementations to compare with, in loops, numpy, scipy and elementary torch; nothing is the package's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, floor, sqrt
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import signal
from torch import Tensor

Array = NDArray[np.float64]
Taps = Tensor | Sequence[Any]


# FIR filters -----------------------------------------------------------------------------------------------------


def taps_2d(kernel: Taps, *, normalize: bool = True) -> Array:
    taps = np.asarray(kernel, dtype=np.float64)
    if taps.ndim == 1:
        taps = np.outer(taps, taps)
    return taps / taps.sum() if normalize else taps


def upfirdn2d(
    x: Tensor,
    kernel: Taps,
    *,
    up: int | tuple[int, int] = 1,
    down: int | tuple[int, int] = 1,
    padding: int | tuple[int, ...] = 0,
    flip_kernel: bool = False,
    gain: float = 1.0,
) -> Tensor:
    """Zero-insertion, padding or cropping, 2-D convolution and decimation, one image plane after the other."""
    up_x, up_y = (up, up) if isinstance(up, int) else up
    down_x, down_y = (down, down) if isinstance(down, int) else down
    left, right, top, bottom = (padding,) * 4 if isinstance(padding, int) else padding
    taps = taps_2d(kernel, normalize=False)

    def resampled(plane: Array) -> Array:
        plane = pad(insert_zeros(plane, up_x, up_y), left, right, top, bottom)
        y: Array = signal.convolve2d(plane, taps[::-1, ::-1] if flip_kernel else taps, mode="valid")
        return gain * y[::down_y, ::down_x]

    return each_plane(x, resampled)


def filtered_act(
    x: Tensor,
    bias: Tensor | None = None,
    *,
    activation: str = "lrelu",
    up_filter: Taps | None = None,
    down_filter: Taps | None = None,
    up: int | tuple[int, int] = 1,
    down: int | tuple[int, int] = 1,
    padding: int | tuple[int, ...] = 0,
    **constants: Any,
) -> Tensor:
    gain = up**2 if isinstance(up, int) else up[0] * up[1]
    up_taps, down_taps = ([1.0] if taps is None else taps for taps in (up_filter, down_filter))
    x = upfirdn2d(bias_act(x, bias), up_taps, up=up, padding=padding, gain=gain)
    return upfirdn2d(bias_act(x, None, activation=activation, **constants), down_taps, down=down)


def filtered_signal(
    x: Array, activation: Callable[[Array], Array], up_taps: Array, down_taps: Array, up: int, down: int, padding: Any
) -> Array:
    """Of one channel `x`, by scipy."""
    longer = np.zeros(len(x) * up)
    longer[::up] = x
    longer = np.pad(longer, [max(side, 0) for side in padding])
    longer = longer[max(-padding[0], 0) : len(longer) - max(-padding[1], 0)]
    enlarged = activation(up * np.convolve(longer, up_taps, mode="valid"))
    return np.convolve(enlarged, down_taps, mode="valid")[::down]


def blur2d(x: Tensor, kernel: Taps, *, padding_mode: str = "zeros") -> Tensor:
    taps = taps_2d(kernel)
    height, width = taps.shape
    borders = ((height // 2, (height - 1) // 2), (width // 2, (width - 1) // 2))
    mode: Any = {"zeros": "constant", "reflect": "reflect", "replicate": "edge"}[padding_mode]
    return each_plane(x, lambda plane: signal.convolve2d(np.pad(plane, borders, mode=mode), taps, mode="valid"))


def each_plane(x: Tensor, function: Callable[[Array], Array]) -> Tensor:
    planes = [[function(plane) for plane in image] for image in x.detach().numpy()]
    return torch.from_numpy(np.array(planes))


def insert_zeros(plane: Array, up_x: int, up_y: int) -> Array:
    y = np.zeros((plane.shape[0] * up_y, plane.shape[1] * up_x))
    y[::up_y, ::up_x] = plane
    return y


def pad(plane: Array, left: int, right: int, top: int, bottom: int) -> Array:
    """Zeros around the plane; negative numbers crop."""
    plane = np.pad(plane, ((max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))))
    height, width = plane.shape
    return plane[max(-top, 0) : height - max(-bottom, 0), max(-left, 0) : width - max(-right, 0)]


# Convolutions ----------------------------------------------------------------------------------------------------


def resample_conv2d(
    x: Tensor,
    weight: Tensor,
    *,
    up: int = 1,
    down: int = 1,
    padding: int | tuple[int, ...] = 0,
    padding_mode: str = "zeros",
    kernel: Taps | None = None,
    resample_method: str = "fir",
    groups: int = 1,
) -> Tensor:
    sides = (padding,) * 4 if isinstance(padding, int) else padding
    taps = (1.0,) if kernel is None else kernel
    if up == down == 1:
        return F.conv2d(pad_images(x, sides, padding_mode), weight, groups=groups)
    if resample_method == "fir":
        return conv_on_plane(x, weight, up, down, sides, taps, groups)
    if up > 1:
        y = F.interpolate(x, scale_factor=up, mode="nearest")
        return blur2d(F.conv2d(pad_images(y, sides, padding_mode), weight, groups=groups), taps)
    y = F.conv2d(pad_images(blur2d(x, taps), sides, padding_mode), weight, groups=groups)
    return F.avg_pool2d(y, down)


def pad_images(x: Tensor, sides: Sequence[int], padding_mode: str) -> Tensor:
    return F.pad(x, list(sides), mode="constant" if padding_mode == "zeros" else padding_mode)


def conv_on_plane(
    x: Tensor, weight: Tensor, up: int, down: int, sides: Sequence[int], kernel: Taps, groups: int
) -> Tensor:
    """On a plane of zeros without border: insert zeros, convolve, filter; or filter, convolve, decimate."""
    left, right, top, bottom = sides
    taps = taps_2d(kernel) * up**2
    margin = 4 * max(*taps.shape, *weight.shape[2:], *map(abs, sides), up)
    image = each_plane(x, lambda plane: pad(insert_zeros(plane, up, up), margin, margin, margin, margin))

    def filtered(y: Tensor) -> Tensor:
        return each_plane(y, lambda plane: signal.convolve2d(plane, taps, mode="valid"))

    y = filtered(F.conv2d(image, weight, groups=groups)) if up > 1 else F.conv2d(filtered(image), weight, groups=groups)
    rows = _window(x.shape[2] * up, (top, bottom), weight.shape[2], taps.shape[0], up, down, margin)
    columns = _window(x.shape[3] * up, (left, right), weight.shape[3], taps.shape[1], up, down, margin)
    return y[:, :, rows, columns]


def _window(size: int, sides: tuple[int, int], weight: int, taps: int, up: int, down: int, margin: int) -> slice:
    """What remains of the plane: the filter's centre of mass lies where both sampling grids are centred."""
    centre = (taps + up - 1) // 2 if up > 1 else (taps + 1 - down) // 2
    count = (size + sum(sides) - weight + 1) // down
    start = margin - sides[0] - centre
    return slice(start, start + (count - 1) * down + 1, down)


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    *,
    demodulate: bool = True,
    noise: Tensor | None = None,
    eps: float = 1e-8,
    **options: Any,
) -> Tensor:
    weight, style, results = weight.detach(), style.detach(), []
    for n in range(len(x)):
        kernel = weight.clone()
        for o in range(weight.shape[0]):
            for i in range(weight.shape[1]):
                kernel[o, i] = weight[o, i] * style[n, i]
            if demodulate:
                kernel[o] /= sqrt(float((kernel[o] ** 2).sum()) + eps)
        results.append(resample_conv2d(x[n : n + 1], kernel, **options))
    y = torch.cat(results)
    return y if noise is None else y + noise


def seed_layer(
    x: Tensor,
    style: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    resample: str | None = None,
    padding_mode: str = "zeros",
    normalize_style: bool = False,
) -> Tensor:
    """The layer that this project started from, step by step; `style` is what its affine map returned."""
    batch, in_channels, _height, _width = x.shape
    out_channels, _, size, _ = weight.shape
    if normalize_style:
        style = style * torch.rsqrt((style**2).mean(1, keepdim=True) + 1e-5)
    weights = (weight * sqrt(2 / (in_channels * size**2)))[None] * (1 + style)[:, None, :, None, None]
    if size > 1:
        weights = weights * torch.rsqrt((weights**2).sum([2, 3, 4], keepdim=True) + 1e-5)
    if resample == "up":
        x = F.interpolate(x, scale_factor=2, mode="nearest")
    if resample == "down":
        x = seed_blur(x)
    x = pad_images(x, [size // 2] * 4, padding_mode)
    x = x.reshape(1, batch * in_channels, *x.shape[2:])
    y = F.conv2d(x, weights.reshape(batch * out_channels, in_channels, size, size), groups=batch)
    y = y.reshape(batch, out_channels, *y.shape[2:])
    if resample == "down":
        y = F.avg_pool2d(y, 2)
    y = y + bias[None, :, None, None]
    return seed_blur(y) if resample == "up" else y


def seed_blur(x: Tensor) -> Tensor:
    taps = torch.tensor([1.0, 2.0, 1.0], dtype=x.dtype)
    kernel = (taps[:, None] * taps[None, :] / 16).repeat(x.shape[1], 1, 1, 1)
    return F.conv2d(x, kernel, padding=1, groups=x.shape[1])


# Pointwise and statistics ----------------------------------------------------------------------------------------

ACTIVATIONS: dict[str, tuple[Callable[..., Tensor], float | None, float]] = {  # function, alpha, gain
    "linear": (lambda x: x, None, 1.0),
    "relu": (F.relu, None, sqrt(2)),
    "lrelu": (F.leaky_relu, 0.2, sqrt(2)),
    "tanh": (torch.tanh, None, 1.0),
    "sigmoid": (torch.sigmoid, None, 1.0),
    "elu": (F.elu, 1.0, 1.0),
    "selu": (F.selu, None, 1.0),
    "softplus": (lambda x: torch.logaddexp(x, torch.zeros_like(x)), None, 1.0),
    "swish": (lambda x: x * torch.sigmoid(x), None, sqrt(2)),
    "snake": (lambda x, alpha: x + (1 - torch.cos(2 * alpha * x)) / (2 * alpha), 1.0, 1.0),
}


def bias_act(
    x: Tensor,
    bias: Tensor | None = None,
    *,
    dim: int = 1,
    activation: str = "linear",
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
) -> Tensor:
    function, default_alpha, default_gain = ACTIVATIONS[activation]
    if bias is not None:
        x = (x.movedim(dim, -1) + bias).movedim(-1, dim)
    shape_parameter = default_alpha if alpha is None else alpha
    y = function(x) if shape_parameter is None else function(x, shape_parameter)
    y = y * (default_gain if gain is None else gain)
    return y if clamp is None else torch.clamp(y, -clamp, clamp)


def pixel_norm(x: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    values = x.numpy()
    return torch.from_numpy(values / np.sqrt(np.mean(values**2, axis=dim, keepdims=True) + eps))


def minibatch_stddev(x: Tensor, group_size: int = 4, num_channels: int = 1) -> Tensor:
    batch, _, height, width = x.shape
    groups = ceil(batch / group_size)
    appended = torch.zeros(batch, num_channels, height, width, dtype=x.dtype)
    for group in range(groups):
        members = [n for n in range(batch) if n % groups == group]
        deviation = torch.sqrt(x[members].var(0, correction=0) + 1e-8)
        for channel, block in enumerate(deviation.chunk(num_channels)):
            appended[members, channel] = block.mean()
    return torch.cat([x, appended], dim=1)


# Augmentation ----------------------------------------------------------------------------------------------------


def affine_warp(x: Tensor, matrix: Tensor, *, padding_mode: str, fill: float, kernel: Sequence[float]) -> Tensor:
    """Pixel by pixel, as formulas: the doubled signal, its bilinear samples, the reversed filter."""
    taps = np.asarray(kernel, dtype=np.float64) / np.sum(kernel)
    count, (height, width) = len(taps), x.shape[2:]
    centre, margin = float((taps * np.arange(count)).sum()), count // 2
    first = count - 1 - 2 * margin  # of the doubled samples that are kept
    results = torch.zeros_like(x)

    def pixel(image: np.ndarray, row: int, column: int) -> float:
        if padding_mode == "constant" and not (0 <= row < height and 0 <= column < width):
            return fill
        return image[_continued(row, height, padding_mode), _continued(column, width, padding_mode)]

    def doubled(image: np.ndarray, row: int, column: int) -> float:
        return 4 * sum(
            taps[row - 2 * i] * taps[column - 2 * j] * pixel(image, i, j)
            for i in range(-(-(row - count + 1) // 2), row // 2 + 1)
            for j in range(-(-(column - count + 1) // 2), column // 2 + 1)
        )

    def place(position: float, size: int) -> float:
        """Where among the doubled samples; what lies beyond those that are kept is folded back as a position."""
        last = 2 * (size + 2 * margin) - count + first
        index = 2 * position + centre
        if padding_mode != "constant" and not first <= index <= last:
            index = 2 * _continued(position, size, padding_mode) + centre
        return index

    for n in range(len(x)):
        for c in range(x.shape[1]):
            image = x[n, c].numpy()
            known: dict[tuple[int, int], float] = {}

            def sample(row: int, column: int, image: np.ndarray = image, known: dict[Any, float] = known) -> float:
                limits = [2 * (size + 2 * margin) - count + first for size in (height, width)]
                if not (first <= row <= limits[0] and first <= column <= limits[1]):
                    if padding_mode == "constant":
                        return fill
                    row, column = min(max(row, first), limits[0]), min(max(column, first), limits[1])
                if (row, column) not in known:
                    known[row, column] = doubled(image, row, column)
                return known[row, column]

            def warped(j: int, k: int, n: int = n, sample: Any = sample) -> float:
                v = np.array([(k - centre) / 2 - (width - 1) / 2, (j - centre) / 2 - (height - 1) / 2, 1.0])
                column, row, _ = matrix[n].numpy() @ v
                row, column = place(row + (height - 1) / 2, height), place(column + (width - 1) / 2, width)
                top, left = floor(row), floor(column)
                return sum(
                    abs(1 - a - (row - top)) * abs(1 - b - (column - left)) * sample(top + a, left + b)
                    for a in (0, 1)
                    for b in (0, 1)
                )

            plane = {
                (j, k): warped(j, k) for j in range(2 * (height - 1) + count) for k in range(2 * (width - 1) + count)
            }
            for i, j in np.ndindex(height, width):
                results[n, c, i, j] = sum(
                    taps[a] * taps[b] * plane[2 * i + a, 2 * j + b] for a in range(count) for b in range(count)
                )
    return results


def _continued(position: Any, size: int, padding_mode: str) -> Any:
    if padding_mode == "reflect":
        while size > 1 and not 0 <= position <= size - 1:
            position = -position if position < 0 else 2 * (size - 1) - position
    return min(max(position, 0), size - 1)
