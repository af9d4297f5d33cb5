"""The learned constant that a synthesis network starts from, and per-pixel noise.

StyleGAN (arXiv:1812.04948, section 2): constant and noise inputs as in figure 1b; one noise strength per
layer as in StyleGAN2 (arXiv:1912.04958, figure 2c).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_ints
from ..functional._autocast import in_dtype
from ._names import answers_to_other_names

NOISE_MODES = ("random", "const", "none")
Noise = str | Sequence[torch.Generator]
"""One of `NOISE_MODES`, or one CPU generator per sample, with which a sample has the same noise in any batch."""


@answers_to_other_names
class NoiseInjection(nn.Module):
    """Add noise times a learned strength, the same for all channels of a pixel.

    The noise inputs of arXiv:1812.04948, section 2, with one strength for all channels (arXiv:1912.04958, figure 2c).

    Args:
        resolution: in pixels, an int or ``(height, width)``, of the stored noise map that ``noise="const"`` uses; None
            for none.

    Shape:
        `x` ``(N, C, H, W)``, unchanged. `noise` is ``"random"`` (new unit normal noise, the default), ``"const"`` (the
        stored map), ``"none"``, or one CPU generator per sample.

    Attributes:
        strength: ``(1,)``, initially 0; scalars, as in files of earlier versions, can be loaded.
        const: ``(height, width)`` unit normal buffer, None without a resolution.

    Raises:
        ValueError: a resolution below 1 (at construction); an unknown mode, ``"const"`` without a map of the input's
            size, or an input of integers (at call).

    Example:
        >>> import torch
        >>> from stylelayers import NoiseInjection
        >>> NoiseInjection((8, 8))(torch.randn(2, 3, 8, 8), noise="const").shape
        torch.Size([2, 3, 8, 8])
    """

    const: Tensor | None

    def __init__(
        self,
        resolution: int | tuple[int, int] | None = None,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if resolution is not None:
            height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
            check_ints("NoiseInjection", height=height, width=width)
            resolution = (height, width)
        self.strength = nn.Parameter(torch.empty(1, device=device, dtype=dtype))
        const = None if resolution is None else torch.empty(resolution, device=device, dtype=dtype)
        self.register_buffer("const", const)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.strength)
        if self.const is not None:
            nn.init.normal_(self.const)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *arguments: Any) -> None:
        strength = state_dict.get(f"{prefix}strength")
        if isinstance(strength, Tensor) and strength.ndim == 0:
            state_dict[f"{prefix}strength"] = strength.reshape(1)
        super()._load_from_state_dict(state_dict, prefix, *arguments)

    def forward(self, x: Tensor, *, noise: Noise = "random") -> Tensor:
        sample = self.sample(x, x.shape[2:], noise=noise)
        return x if sample is None else x + sample

    def extra_repr(self) -> str:
        return "" if self.const is None else f"{tuple(self.const.shape)}"

    def sample(self, x: Tensor, size: torch.Size | tuple[int, int], *, noise: Noise = "random") -> Tensor | None:
        """The map to add to ``(N, C, *size)`` made from `x`: ``(N or 1, 1, *size)``; None for ``"none"``."""
        check_noise("NoiseInjection", noise)
        if noise == "none":
            return None
        if not x.is_floating_point():
            raise ValueError(f"NoiseInjection: x must be floating-point, got {x.dtype}")
        if not isinstance(noise, str):
            return _noise_from_generators(noise, len(x), size).to(x) * in_dtype(self.strength, x.dtype)
        if noise == "random":
            return torch.randn(x.shape[0], 1, *size, dtype=x.dtype, device=x.device) * in_dtype(self.strength, x.dtype)
        if self.const is None or self.const.shape != torch.Size(size):
            have = None if self.const is None else tuple(self.const.shape)
            raise ValueError(
                f"NoiseInjection: noise='const' needs a layer built with resolution={tuple(size)}, got {have}"
            )
        return (self.const * self.strength).to(x.dtype)[None, None]


@answers_to_other_names
class ConstantInput(nn.Module):
    """A learned feature map, the same for every sample, from which StyleGAN starts (arXiv:1812.04948, section 2).

    Args:
        num_channels: of the map, at least 1.
        resolution: of the map in pixels, an int or ``(height, width)``.

    Shape:
        batch size ``N`` → ``(N, num_channels, height, width)``, channels-last in memory.

    Attributes:
        const: ``(num_channels, height, width)``, initially unit normal.

    Raises:
        ValueError: arguments below 1.

    Example:
        >>> from stylelayers import ConstantInput
        >>> ConstantInput(8, (4, 4))(3).shape
        torch.Size([3, 8, 4, 4])
    """

    def __init__(
        self,
        num_channels: int,
        resolution: int | tuple[int, int] = 4,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        height, width = (resolution, resolution) if isinstance(resolution, int) else resolution
        check_ints("ConstantInput", num_channels=num_channels, height=height, width=width)
        self.const = nn.Parameter(torch.empty(num_channels, height, width, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.const)

    def forward(self, batch_size: int) -> Tensor:
        copies = self.const.permute(1, 2, 0).expand(batch_size, -1, -1, -1)
        return copies.clone(memory_format=torch.contiguous_format).permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return "{}, ({}, {})".format(*self.const.shape)


def check_noise(caller: str, noise: Noise) -> None:
    """Raise a ValueError that names the caller unless `noise` is one of `NOISE_MODES` or generators."""
    if noise not in NOISE_MODES and (isinstance(noise, str) or not isinstance(noise, Sequence)):
        raise ValueError(f"{caller}: noise must be one of {', '.join(NOISE_MODES)}, got {noise!r}")


def _noise_from_generators(sources: Sequence[torch.Generator], count: int, size: Sequence[int]) -> Tensor:
    """Unit normal maps ``(count, 1, *size)``, each drawn from its own generator."""
    if len(sources) != count:
        raise ValueError(f"NoiseInjection: noise must be one generator per sample, {count}, got {len(sources)}")
    maps = torch.empty(count, 1, *size)
    for drawn, source in zip(maps, sources, strict=True):
        drawn.normal_(generator=source)
    return maps
