"""Resampling options of the convolution layers, checked when the layer is built."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from .._checks import check_choice, is_int
from ..functional.fir_kernel import CheckedTaps, Numbers, is_separable, normalized, numbers_of
from ..functional.resample import PADDING_MODES
from ..functional.resample_conv2d import check_resampling


@dataclass(frozen=True)
class Resampling:
    """Resampling and padding of a convolution layer.

    Attributes:
        resample: ``"up"``, ``"down"`` or None.
        method: ``"fir"`` or ``"nearest"``.
        padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.
        taps: the normalized `kernel` of `resample_conv2d`: the whole filter for ``"fir"``, the filter without the
            box ``(1, 1)`` for ``"nearest"``; None without resampling.
    """

    resample: str | None
    method: str
    padding_mode: str
    taps: Numbers | None

    @staticmethod
    def from_arguments(
        caller: str, resample: str | None, method: str | None, taps: Sequence[Any], padding_mode: str
    ) -> "Resampling":
        if resample not in ("up", "down", None):
            raise ValueError(f"{caller}: resample must be 'up', 'down' or None, got {resample!r}")
        check_choice(caller, "padding_mode", padding_mode, PADDING_MODES)
        method = method or ("fir" if padding_mode == "zeros" else "nearest")
        check_resampling(caller, 1 if resample is None else 2, 1, padding_mode, method)
        if resample is None:
            return Resampling(None, method, padding_mode, None)
        kernel = fir_taps(caller, taps)
        return Resampling(
            resample, method, padding_mode, _without_box(caller, kernel) if method == "nearest" else kernel
        )

    @property
    def up(self) -> int:
        return 2 if self.resample == "up" else 1

    @property
    def down(self) -> int:
        return 2 if self.resample == "down" else 1

    def __str__(self) -> str:
        text = "" if self.resample is None else f", resample={self.resample!r}, resample_method={self.method!r}"
        return text + ("" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode!r}")


def fir_taps(caller: str, taps: Tensor | Sequence[Any]) -> Numbers:
    """Normalized taps of a layer; the error for an int says that no channel count is needed."""
    if is_int(taps):
        raise ValueError(
            f"{caller}: resample_filter must be FIR taps such as (1, 2, 1), got {taps}; no channel count is needed"
        )
    try:
        return CheckedTaps(normalized(numbers_of(taps)))
    except ValueError as error:
        raise ValueError(f"{caller}: {error}") from None


def same_padding(kernel_size: int) -> tuple[int, int, int, int]:
    """``(left, right, top, bottom)`` that keeps the image size, also for even kernels."""
    near, far = (kernel_size - 1) // 2, kernel_size // 2
    return near, far, near, far


def _without_box(caller: str, kernel: Numbers) -> Numbers:
    """The blur that, convolved with the box ``(1, 1)``, gives the 1-D `kernel`: (1, 3, 3, 1) → (1, 2, 1)."""
    if is_separable(kernel):
        quotient: list[float] = []
        for tap in cast(tuple[float, ...], kernel):
            quotient.append(tap - (quotient[-1] if quotient else 0.0))
        remainder = quotient.pop()
        if quotient and abs(remainder) <= 1e-6:
            return normalized(tuple(quotient))
    raise ValueError(
        f"{caller}: resample_method='nearest' needs a 1-D resample_filter that contains the box (1, 1), such as "
        f"(1, 1), (1, 2, 1) or (1, 3, 3, 1), got {format_taps(kernel)}"
    )


def format_taps(kernel: Numbers) -> str:
    """Rounded taps for `repr` and messages."""
    return str([round(cast(float, tap), 4) for tap in kernel]) if is_separable(kernel) else "2-D"
