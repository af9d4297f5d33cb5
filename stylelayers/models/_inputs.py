"""Inputs of networks: checks of tensors, and conversion of arrays and lists."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from .._checks import is_int


def as_floating(caller: str, name: str, value: Any, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Return a floating-point tensor ``(N, *shape)``; arrays and lists take the dtype and device of `like`.

    Raises:
        ValueError: another shape, or integers, whose scale is unknown.
    """
    expected = f"(N, {', '.join(map(str, shape))})"
    x = value if isinstance(value, Tensor) else _tensor(caller, name, value, expected)
    if x.ndim != len(shape) + 1 or x.shape[1:] != shape:
        raise ValueError(f"{caller}: {name} must be {expected}, got {tuple(x.shape)}")
    if not x.is_floating_point():
        is_bytes = x.dtype == torch.uint8 and len(shape) == 3
        advice = f"; {name} / 127.5 - 1 takes [0, 255] to [-1, 1]" if is_bytes else ""
        raise ValueError(f"{caller}: {name} must be floating-point, got {x.dtype}{advice}")
    return x if isinstance(value, Tensor) else x.to(like)


def as_labels(caller: str, labels: Any, num_labels: int, batch: int | None, like: Tensor) -> Tensor:
    """Return class numbers ``(N,)`` or rows ``(N, num_labels)``; what is not a tensor goes to the device of `like`.

    Args:
        caller: named in errors.
        labels: a tensor, an array or a list of one of these shapes, or one class number for all samples.
        num_labels: number of classes.
        batch: N; None if the labels determine it.
        like: a tensor on the device.

    Raises:
        ValueError: another shape, another number of samples, or class numbers that are not integers.
    """
    expected = f"(N,) class numbers or (N, {num_labels})"
    if is_int(labels):
        labels = torch.full((1 if batch is None else batch,), labels, device=like.device)
    if not isinstance(labels, Tensor):
        labels = _tensor(caller, "labels", labels, expected).to(like.device)
    if not (labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == num_labels)):
        raise ValueError(f"{caller}: labels must be {expected}, got {tuple(labels.shape)}")
    if batch is not None and labels.shape[0] != batch:
        raise ValueError(f"{caller}: labels must be one for each of {batch} samples, got {labels.shape[0]}")
    if labels.ndim == 1 and labels.is_floating_point():
        raise ValueError(f"{caller}: labels of shape (N,) must be integer class numbers, got {labels.dtype}")
    return labels


def as_one_hot(caller: str, labels: Tensor, num_labels: int, like: Tensor) -> Tensor:
    """Labels of :func:`as_labels` as rows ``(N, num_labels)`` in the dtype of `like`.

    Raises:
        ValueError: a class number is out of range (on the CPU; a GPU stops at an assertion).
    """
    if labels.ndim == 2:
        return labels.to(like.dtype)
    try:
        return one_hot(labels.long(), num_labels).to(like.dtype)
    except RuntimeError as error:
        if torch.compiler.is_compiling() or len(labels) == 0 or 0 <= labels.min() <= labels.max() < num_labels:
            raise
        worst = labels[(labels < 0) | (labels >= num_labels)][0].item()
        raise ValueError(f"{caller}: labels must be class numbers in [0, {num_labels}), got {worst}") from error


def example_labels(num_labels: int, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Labels of one sample on the meta device, if there are any."""
    return (torch.empty(1, num_labels, dtype=dtype, device="meta"),) if num_labels else ()


def _tensor(caller: str, name: str, value: Any, expected: str) -> Tensor:
    if value is None:
        raise ValueError(f"{caller}: {name} must be {expected}, got None")
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{caller}: {name} must be a tensor {expected}, got {type(value).__name__}: {error}") from None
