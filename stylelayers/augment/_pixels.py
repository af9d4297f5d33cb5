"""Argument checks and pixel indexing that the augmentations share."""

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from .._checks import check_choice
from ..functional.resample import PADDING_MODES

AUGMENT_PADDING_MODES = (*PADDING_MODES, "constant")
COLOR_CHANNELS = {1: 1, 2: 1, 3: 3, 4: 3}  # image channels → colour channels; the last of 2 or 4 is alpha


def check_images(caller: str, images: Tensor) -> None:
    """Raise a ValueError that names the caller unless `images` are floating-point ``(N, C, H, W)``."""
    if images.ndim != 4 or not images.is_floating_point():
        raise ValueError(
            f"{caller}: images must be floating-point (N, C, H, W), got {images.dtype} {tuple(images.shape)}"
        )


def check_per_sample(caller: str, name: str, value: Tensor, images: Tensor, *shape: int) -> None:
    """Raise a ValueError that names the caller unless `images` are images and `value` is ``(N, *shape)``."""
    check_images(caller, images)
    expected = (len(images), *shape)
    if tuple(value.shape) != expected:
        raise ValueError(f"{caller}: {name} must be {expected} for {len(images)} images, got {tuple(value.shape)}")


def change_colors(caller: str, images: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `change` to the colour channels, one or three, of images and leave alpha alone.

    Raises:
        ValueError: images of other channels than grey or RGB, with or without alpha.
    """
    channels = int(images.shape[1])  # a tensor in a trace
    count = COLOR_CHANNELS.get(channels)
    if count is None:
        raise ValueError(
            f"{caller}: images must have 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels, got "
            f"{channels}; leave 'color' out of the policy or the groups of an augmentation"
        )
    changed = change(images[:, :count])
    return changed if count == channels else torch.cat([changed, images[:, count:]], 1)


def check_choices(caller: str, name: str, got: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return the names in `got` as a tuple; all of them must be known."""
    names = (got,) if isinstance(got, str) else tuple(got)
    if not set(names) <= set(known):
        raise ValueError(f"{caller}: {name} must be among {', '.join(known)}, got {', '.join(map(str, names))}")
    return names


def check_padding(caller: str, padding_mode: str, fill: float = 0.0) -> tuple[str, float]:
    """Check a padding mode; return it and `fill`, with ``"zeros"`` as ``"constant"`` of 0."""
    check_choice(caller, "padding_mode", padding_mode, AUGMENT_PADDING_MODES)
    return ("constant", 0.0) if padding_mode == "zeros" else (padding_mode, fill)


def fold(index: Tensor, size: int, padding_mode: str) -> Tensor:
    """Bring pixel coordinates into ``[0, size - 1]``, by reflection or else to the nearest pixel."""
    if padding_mode == "reflect":
        period = max(2 * (size - 1), 1)
        index = index.remainder(period)
        index = torch.minimum(index, period - index)
    return index.clamp(0, size - 1)


def pad_any(x: Tensor, margin: int, padding_mode: str, fill: float) -> Tensor:
    """Pad by `margin` pixels on each side, which may be more than the image has."""
    if padding_mode == "constant":
        return F.pad(x, (margin,) * 4, value=fill)
    for dim in (2, 3):
        index = torch.arange(-margin, x.shape[dim] + margin, device=x.device)
        x = x.index_select(dim, fold(index, x.shape[dim], padding_mode))
    return x


def take_pixels(images: Tensor, rows: Tensor, columns: Tensor, padding_mode: str, fill: float) -> Tensor:
    """Gather pixels at integer coordinates of each sample; linear in the images, up to `fill`.

    Shape:
        `images` ``(N, C, H, W)``, `rows` and `columns` broadcast to ``(N, h, w)`` → ``(N, C, h, w)``.
    """
    height, width = images.shape[2:]
    index = fold(rows, height, padding_mode) * width + fold(columns, width, padding_mode)
    picked = images.flatten(2).gather(2, index.flatten(1).unsqueeze(1).expand(-1, images.shape[1], -1))
    picked = picked.unflatten(2, index.shape[1:])
    if padding_mode != "constant":
        return picked
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return torch.where(inside.unsqueeze(1), picked, fill)
