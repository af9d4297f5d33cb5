"""FIR kernels: checked and normalized taps, plain numbers wherever they can be.

Layers keep their taps as tuples, which the meta device, a cast to half precision or loading a file cannot lose.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isfinite
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from ._buffers import number_without_sync

Rows = tuple[tuple[float, ...], ...]
Numbers = tuple[float, ...] | Rows
"""Taps of a separable kernel, or the rows of a 2-D one."""
Kernel = Tensor | Numbers
_R = TypeVar("_R")

_LEAST_SUM = 1e-6  # relative to the sum of magnitudes; a smaller sum is rounding error
_ZERO_SUM = "fir_kernel: taps that sum to 0, or to no number, cannot be normalized; pass normalize=False"


def fir_kernel(taps: Tensor | Sequence[Any], *, normalize: bool = True, like: Tensor | None = None) -> Tensor:
    """Make a FIR kernel: a 1-D (separable) or 2-D tensor of taps, on the device of `like`.

    Args:
        taps: numbers or a tensor, 1-D or 2-D, at least one tap.
        normalize: divide by the sum, so that a constant image is unchanged.
        like: a floating-point tensor whose dtype and device the kernel takes; None for the default dtype and device, or
            those of taps in a tensor.

    Shape:
        `taps` ``(k,)`` or ``(kh, kw)`` → the same.

    Raises:
        ValueError: wrong rank, no taps, taps that are not finite numbers or require grad, a sum of 0 (up to rounding)
            under `normalize`, or a `like` of integers.

    Example:
        >>> from stylelayers.functional import fir_kernel
        >>> fir_kernel([1, 2, 1])
        tensor([0.2500, 0.5000, 0.2500])
    """
    if like is not None and not like.is_floating_point():
        raise ValueError(f"fir_kernel: like must be a floating-point tensor, got {like.dtype}")
    kernel = as_kernel(taps, normalize=normalize, like=like)
    if isinstance(kernel, Tensor):
        return kernel
    dtype, device = (torch.get_default_dtype(), None) if like is None else (like.dtype, like.device)
    return torch.tensor(kernel, dtype=dtype, device=device)


def as_kernel(taps: Tensor | Sequence[Any], *, normalize: bool, like: Tensor | None = None) -> Kernel:
    """Check taps. A tensor stays one, in the dtype and on the device of `like`; all else becomes `Numbers`."""
    if not isinstance(taps, Tensor):
        return normalized(numbers_of(taps)) if normalize else numbers_of(taps)
    _check_tensor(taps)
    kernel = taps if like is None else taps.to(like.device)
    dtype = like.dtype if like is not None else kernel.dtype
    return _divide_by_sum(kernel, dtype) if normalize else kernel.to(dtype)


def per_kernel(*, normalize: bool) -> Callable[[Callable[..., _R]], Callable[..., _R]]:
    """Have ``build(kernel, *constants)`` take any taps, as ``build(taps, like, *constants)``, and check them.

    Results for plain numbers are remembered, so that a call checks, normalizes and flips them no more.
    """

    def decorate(build: Callable[..., _R]) -> Callable[..., _R]:
        def from_numbers(taps: Numbers, *constants: Any) -> _R:
            return build(as_kernel(taps, normalize=normalize), *constants)

        remembered = lru_cache(maxsize=256)(from_numbers)

        def call(taps: Tensor | Sequence[Any], like: Tensor, *constants: Any) -> _R:
            if type(taps) is not CheckedTaps and not _is_constant(taps):
                if isinstance(taps, Tensor):
                    return build(as_kernel(taps, normalize=normalize, like=like), *constants)
                taps = numbers_of(taps)
            if torch.compiler.is_compiling():  # which traces the function itself
                return from_numbers(cast(Numbers, taps), *constants)
            return remembered(taps, *constants)

        return call

    return decorate


class CheckedTaps(tuple[Any, ...]):
    """Numbers that have been checked, as the layers keep them."""


def _is_constant(taps: object) -> bool:
    """Whether taps are numbers in tuples, which cannot change: a tensor's hash would not tell its values."""
    if type(taps) is tuple:
        return all(map(_is_constant, taps))
    return type(taps) is float or type(taps) is int


def numbers_of(taps: Tensor | Sequence[Any]) -> Numbers:
    """Taps as plain numbers, also from a tensor or an array, with the errors of `fir_kernel`."""
    if isinstance(taps, Tensor):
        _check_tensor(taps)
        if taps.is_meta:
            raise ValueError("fir_kernel: taps must have values, got a tensor on the meta device")
    values: Any = taps.tolist() if hasattr(taps, "tolist") else taps
    shape = _shape(values)
    _check_shape(shape)
    try:
        rows = tuple(tuple(map(float, row)) for row in ([values] if len(shape) == 1 else values))
    except (TypeError, ValueError):
        raise ValueError(f"fir_kernel: taps must be numbers, got {values!r}") from None
    if len(set(map(len, rows))) > 1:
        raise ValueError(f"fir_kernel: taps must have rows of one length, got {values!r}")
    if not all(isfinite(tap) for row in rows for tap in row):
        raise ValueError(f"fir_kernel: taps must be finite, got {values!r}")
    return rows[0] if len(shape) == 1 else rows


def normalized(numbers: Numbers) -> Numbers:
    """The taps divided by their sum."""
    taps = [tap for row in _rows(numbers) for tap in row]
    total, magnitudes = sum(taps), sum(map(abs, taps))
    if not isfinite(magnitudes) or abs(total) <= _LEAST_SUM * magnitudes:
        raise ValueError(_ZERO_SUM)
    rows = tuple(tuple(tap / total for tap in row) for row in _rows(numbers))
    return rows[0] if is_separable(numbers) else rows


def _divide_by_sum(kernel: Tensor, dtype: torch.dtype) -> Tensor:
    """Divide a tensor by its sum, computed in float32 at least, since large taps overflow float16."""
    dtype = dtype if dtype.is_floating_point else torch.get_default_dtype()
    taps = kernel.to(torch.promote_types(torch.promote_types(kernel.dtype, dtype), torch.float32))
    total = taps.sum()
    share = number_without_sync(total.abs() / taps.abs().sum())
    if share is not None and not share > _LEAST_SUM:
        raise ValueError(_ZERO_SUM)
    return (taps / total).to(dtype)


def is_separable(kernel: Kernel) -> bool:
    """Whether the kernel is 1-D, to be applied along both axes."""
    return kernel.ndim == 1 if isinstance(kernel, Tensor) else not isinstance(kernel[0], tuple)


def size_of(kernel: Kernel) -> tuple[int, int]:
    """``(height, width)`` of the 2-D kernel."""
    height = len(kernel)
    return height, height if is_separable(kernel) else len(cast(Any, kernel)[0])


def rows_of(numbers: Numbers) -> Rows:
    """The rows of the 2-D kernel."""
    rows = _rows(numbers)
    return tuple(tuple(a * b for b in rows[0]) for a in rows[0]) if is_separable(numbers) else rows


def _rows(numbers: Numbers) -> Rows:
    return cast(Rows, (numbers,) if is_separable(numbers) else numbers)


def _shape(values: object) -> tuple[int, ...]:
    if not isinstance(values, Sequence) or isinstance(values, (str, bytes)):
        return ()
    return (len(values), *(_shape(values[0]) if values else ()))


def _check_shape(shape: Sequence[int]) -> None:
    if len(shape) not in (1, 2) or 0 in shape:
        raise ValueError(f"fir_kernel: taps must be 1-D or 2-D with at least one tap, got {tuple(shape)}")


def _check_tensor(kernel: Tensor) -> None:
    if kernel.requires_grad:
        raise ValueError(
            "fir_kernel: taps are constants and get no gradient, got a tensor that requires grad; "
            "pass taps.detach(), or use torch.nn.functional.conv2d to learn a filter"
        )
    if kernel.is_complex():
        raise ValueError(f"fir_kernel: taps must be real, got {kernel.dtype}")
    _check_shape(kernel.shape)
