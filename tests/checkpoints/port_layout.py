"""State dicts in the PyTorch port's layout, written from names and shapes alone: no code of the loader."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

_TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0])
FILTER = torch.outer(_TAPS, _TAPS) / 64


def generator_shapes(widths: list[int], style: int, layers: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of ``g_ema`` for levels of so many channels, 4 pixels first."""
    shapes: dict[str, tuple[int, ...]] = {"input.input": (1, widths[0], 4, 4), "noises.noise_0": (1, 1, 4, 4)}
    for layer in range(1, layers + 1):
        shapes |= {f"style.{layer}.weight": (style, style), f"style.{layer}.bias": (style,)}
    shapes |= _styled("conv1", widths[0], widths[0], style) | _to_rgb("to_rgb1", widths[0], style)
    for level, (before, after) in enumerate(pairwise(widths)):
        size = 8 << level
        shapes |= _styled(f"convs.{2 * level}", before, after, style)
        shapes |= _styled(f"convs.{2 * level + 1}", after, after, style) | _to_rgb(f"to_rgbs.{level}", after, style)
        shapes |= {f"convs.{2 * level}.conv.blur.kernel": (4, 4), f"to_rgbs.{level}.upsample.kernel": (4, 4)}
        shapes |= {f"noises.noise_{2 * level + n}": (1, 1, size, size) for n in (1, 2)}
    return shapes


def discriminator_shapes(widths: list[int]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of ``d`` for levels of so many channels, 4 pixels first."""
    widths = widths[::-1]
    shapes: dict[str, tuple[int, ...]] = {"convs.0.0.weight": (widths[0], 3, 1, 1), "convs.0.1.bias": (widths[0],)}
    for block, (before, after) in enumerate(pairwise(widths), start=1):
        shapes |= {
            f"convs.{block}.conv1.0.weight": (before, before, 3, 3),
            f"convs.{block}.conv1.1.bias": (before,),
            f"convs.{block}.conv2.0.kernel": (4, 4),
            f"convs.{block}.conv2.1.weight": (after, before, 3, 3),
            f"convs.{block}.conv2.2.bias": (after,),
            f"convs.{block}.skip.0.kernel": (4, 4),
            f"convs.{block}.skip.1.weight": (after, before, 1, 1),
        }
    last = widths[-1]
    return shapes | {
        "final_conv.0.weight": (last, last + 1, 3, 3),
        "final_conv.1.bias": (last,),
        "final_linear.0.weight": (last, 16 * last),
        "final_linear.0.bias": (last,),
        "final_linear.1.weight": (1, last),
        "final_linear.1.bias": (1,),
    }


def state(shapes: dict[str, tuple[int, ...]], *, doubling_gain: float = 4.0) -> dict[str, Tensor]:
    """Random tensors of these shapes; the filters are what they must be."""
    doubling = ("blur.kernel", "upsample.kernel")
    return {
        name: FILTER * (doubling_gain if name.endswith(doubling) else 1.0)
        if name.endswith(".kernel")
        else torch.randn(shape)
        for name, shape in shapes.items()
    }


def _styled(name: str, before: int, after: int, style: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.conv.weight": (1, after, before, 3, 3),
        f"{name}.conv.modulation.weight": (before, style),
        f"{name}.conv.modulation.bias": (before,),
        f"{name}.noise.weight": (1,),
        f"{name}.activate.bias": (after,),
    }


def _to_rgb(name: str, channels: int, style: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.bias": (1, 3, 1, 1),
        f"{name}.conv.weight": (1, 3, channels, 1, 1),
        f"{name}.conv.modulation.weight": (channels, style),
        f"{name}.conv.modulation.bias": (channels,),
    }
