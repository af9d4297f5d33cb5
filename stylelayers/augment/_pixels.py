"""What the augmentations share: arguments that are checked, and picking pixels by index."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "PADDING_MODES",
    "change_colors",
    "check_choices",
    "check_images",
    "check_padding",
    "check_per_sample",
    "extended",
    "fold",
    "take_pixels",
]

PADDING_MODES = ("reflect", "replicate", "constant")
COLOR_CHANNELS = {1: 1, 2: 1, 3: 3, 4: 3}  # of images of so many channels, the last of 2 and 4 being alpha


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
    """Images whose colour channels, one or three, went through `change`, and whose alpha is as it was.

    Raises:
        ValueError: images of other channels than grey or RGB, with or without alpha.
    """
    channels = int(images.shape[1])  # which is a tensor in a trace
    count = COLOR_CHANNELS.get(channels)
    if count is None:
        raise ValueError(
            f"{caller}: images must have 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels, got "
            f"{channels}; leave 'color' out of the policy or the groups of an augmentation"
        )
    changed = change(images[:, :count])
    return changed if count == channels else torch.cat([changed, images[:, count:]], 1)


def check_choices(caller: str, name: str, got: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """The names in `got`, each of which must be known."""
    names = (got,) if isinstance(got, str) else tuple(got)
    if not set(names) <= set(known):
        raise ValueError(f"{caller}: {name} must be among {', '.join(known)}, got {', '.join(map(str, names))}")
    return names


def check_padding(caller: str, padding_mode: str) -> None:
    """Raise a ValueError that names the caller unless the mode is one of `PADDING_MODES`."""
    if padding_mode not in PADDING_MODES:
        raise ValueError(f"{caller}: padding_mode must be one of {', '.join(PADDING_MODES)}, got {padding_mode!r}")


def fold(index: Tensor, size: int, padding_mode: str) -> Tensor:
    """Bring pixel coordinates, whole or fractional, into ``[0, size - 1]``: by reflection, else to the nearest."""
    if padding_mode == "reflect":
        period = max(2 * (size - 1), 1)
        index = index.remainder(period)
        index = torch.minimum(index, period - index)
    return index.clamp(0, size - 1)


def extended(x: Tensor, margin: int, padding_mode: str, fill: float) -> Tensor:
    """`margin` more pixels on each side, of which there may be more than the image has."""
    if padding_mode == "constant":
        return F.pad(x, (margin,) * 4, value=fill)
    for dim in (2, 3):
        index = torch.arange(-margin, x.shape[dim] + margin, device=x.device)
        x = x.index_select(dim, fold(index, x.shape[dim], padding_mode))
    return x


def take_pixels(images: Tensor, rows: Tensor, columns: Tensor, padding_mode: str, fill: float) -> Tensor:
    """Pixels at whole coordinates, each sample its own: linear in the images (up to `fill`), so derivable at will.

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
