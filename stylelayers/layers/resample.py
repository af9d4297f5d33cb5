"""Fixed FIR filters as layers: blur, up-sampling and down-sampling (StyleGAN2, arXiv:1912.04958).

The taps are plain numbers rather than a buffer, so no cast, device move or loaded file changes them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_choice, check_ints
from ..functional.resample import PADDING_MODES, resample2d
from ._describe import non_default_arguments
from ._names import answers_to_other_names
from ._resampling import fir_taps, format_taps


class _FIRLayer(nn.Module):
    """Holds the normalized taps as numbers, and the padding mode."""

    def __init__(self, resample_filter: Sequence[Any] | Tensor, padding_mode: str) -> None:
        super().__init__()
        caller = type(self).__name__
        self.resample_filter = fir_taps(caller, resample_filter)
        self.padding_mode = check_choice(caller, "padding_mode", padding_mode, PADDING_MODES)

    def reset_parameters(self) -> None:
        """Do nothing: the layer has no state."""

    def extra_repr(self) -> str:
        options = non_default_arguments(padding_mode=(self.padding_mode, "zeros"))
        return f"resample_filter={format_taps(self.resample_filter)}{options}"


@answers_to_other_names
class Blur(_FIRLayer):
    """Same-size low-pass filter of StyleGAN2 (arXiv:1912.04958); see :func:`stylelayers.functional.blur2d`.

    Args:
        resample_filter: 1-D (separable) or 2-D taps, normalized here. No channel count is needed.
        padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H, W)``.

    Raises:
        ValueError: taps that cannot be normalized, or an unknown mode (at construction); an input that is no
            floating-point ``(N, C, H, W)`` (at call).

    Example:
        >>> import torch
        >>> from stylelayers import Blur
        >>> Blur()(torch.randn(2, 3, 8, 8)).shape
        torch.Size([2, 3, 8, 8])
    """

    def __init__(
        self,
        resample_filter: Sequence[Any] | Tensor = (1, 2, 1),
        *,
        padding_mode: str = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(resample_filter, padding_mode)

    def forward(self, x: Tensor) -> Tensor:
        return resample2d("Blur", x, self.resample_filter, self.padding_mode)


class _ResamplingLayer(_FIRLayer):
    """An :class:`_FIRLayer` with a factor."""

    def __init__(
        self,
        resample_filter: Sequence[Any] | Tensor = (1, 3, 3, 1),
        *,
        factor: int = 2,
        padding_mode: str = "zeros",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(resample_filter, padding_mode)
        check_ints(type(self).__name__, factor=factor)
        self.factor = factor

    def extra_repr(self) -> str:
        return super().extra_repr() + non_default_arguments(factor=(self.factor, 2))


@answers_to_other_names
class Upsample2d(_ResamplingLayer):
    """Enlarge images `factor` times by a FIR filter; see :func:`stylelayers.functional.upsample2d`.

    The resampling of StyleGAN2 (arXiv:1912.04958).

    Args:
        resample_filter: 1-D (separable) or 2-D taps of the low-pass filter, normalized here.
        factor: an int of at least 1.
        padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H * factor, W * factor)``.

    Raises:
        ValueError: as :class:`Blur`, or `factor` below 1.

    Example:
        >>> import torch
        >>> from stylelayers import Upsample2d
        >>> Upsample2d()(torch.randn(2, 3, 4, 4)).shape
        torch.Size([2, 3, 8, 8])
    """

    def forward(self, x: Tensor) -> Tensor:
        return resample2d("Upsample2d", x, self.resample_filter, self.padding_mode, self.factor)


@answers_to_other_names
class Downsample2d(_ResamplingLayer):
    """Shrink images `factor` times by a FIR filter; see :func:`stylelayers.functional.downsample2d`.

    The resampling of StyleGAN2 (arXiv:1912.04958).

    Args:
        resample_filter: 1-D (separable) or 2-D taps of the low-pass filter, normalized here.
        factor: an int of at least 1.
        padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.

    Shape:
        ``(N, C, H, W)`` → ``(N, C, H // factor, W // factor)``.

    Raises:
        ValueError: as :class:`Blur`, or `factor` below 1.

    Example:
        >>> import torch
        >>> from stylelayers import Downsample2d
        >>> Downsample2d()(torch.randn(2, 3, 4, 4)).shape
        torch.Size([2, 3, 2, 2])
    """

    def forward(self, x: Tensor) -> Tensor:
        return resample2d("Downsample2d", x, self.resample_filter, self.padding_mode, 1, self.factor)
