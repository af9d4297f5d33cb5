"""Fixed FIR filters as layers: blur, up-sampling and down-sampling (StyleGAN2, arXiv:1912.04958).

The taps are numbers, not a buffer: they are known to the constructor, and nothing that is done to tensors loses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..functional import blur2d, downsample2d, upsample2d
from ..functional.resample import check_factor, check_padding_mode
from ._describe import changed
from ._names import answers_to_other_names
from ._resampling import fir_taps, shown

__all__ = ["Blur", "Downsample2d", "Upsample2d"]


class _Fir(nn.Module):
    """Holds normalised taps as the numbers `kernel`."""

    def __init__(self, kernel: Sequence[Any] | Tensor) -> None:
        super().__init__()
        self.kernel = fir_taps(type(self).__name__, kernel)

    def reset_parameters(self) -> None:
        """Nothing to reset: the layer has no state."""

    def extra_repr(self) -> str:
        return f"kernel={shown(self.kernel)}"


@answers_to_other_names
class Blur(_Fir):
    """Same-size low-pass filter; see :func:`stylelayers.functional.blur2d`.

    Args:
        kernel: 1-D (separable) or 2-D taps, normalised here. No channel count is needed.
        padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H, W)``.

    Example:
        >>> import torch
        >>> from stylelayers import Blur
        >>> Blur()(torch.randn(2, 3, 8, 8)).shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(
        self,
        kernel: Sequence[Any] | Tensor = (1, 2, 1),
        *,
        padding_mode: str = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(kernel)
        check_padding_mode("Blur", padding_mode)
        self.padding_mode = padding_mode

    def forward(self, x: Tensor) -> Tensor:
        return blur2d(x, self.kernel, padding_mode=self.padding_mode)

    def extra_repr(self) -> str:
        return super().extra_repr() + changed(padding_mode=(self.padding_mode, "zeros"))


@answers_to_other_names
class Upsample2d(_Fir):
    """Enlarge images `factor` times; see :func:`stylelayers.functional.upsample2d`.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H * factor, W * factor)``.
    """

    def __init__(
        self,
        kernel: Sequence[Any] | Tensor = (1, 3, 3, 1),
        *,
        factor: int = 2,
        padding_mode: str = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(kernel)
        check_factor("Upsample2d", factor)
        check_padding_mode("Upsample2d", padding_mode)
        self.factor, self.padding_mode = factor, padding_mode

    def forward(self, x: Tensor) -> Tensor:
        return upsample2d(x, self.kernel, factor=self.factor, padding_mode=self.padding_mode)

    def extra_repr(self) -> str:
        return super().extra_repr() + changed(factor=(self.factor, 2), padding_mode=(self.padding_mode, "zeros"))


@answers_to_other_names
class Downsample2d(_Fir):
    """Shrink images `factor` times; see :func:`stylelayers.functional.downsample2d`.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H // factor, W // factor)``.
    """

    def __init__(
        self,
        kernel: Sequence[Any] | Tensor = (1, 3, 3, 1),
        *,
        factor: int = 2,
        padding_mode: str = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(kernel)
        check_factor("Downsample2d", factor)
        check_padding_mode("Downsample2d", padding_mode)
        self.factor, self.padding_mode = factor, padding_mode

    def forward(self, x: Tensor) -> Tensor:
        return downsample2d(x, self.kernel, factor=self.factor, padding_mode=self.padding_mode)

    def extra_repr(self) -> str:
        return super().extra_repr() + changed(factor=(self.factor, 2), padding_mode=(self.padding_mode, "zeros"))
