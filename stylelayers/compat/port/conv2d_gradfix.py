"""Convolutions that can be differentiated twice, under the names of the PyTorch port.

``enabled`` is there to be set and changes nothing: these convolutions work on every device.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from .. import _convolutions

enabled = True
weight_gradients_disabled = False


@contextmanager
def no_weight_gradients() -> Iterator[None]:
    """Backward passes in this context give the weights of convolutions no gradient, wherever those were computed."""
    global weight_gradients_disabled
    before, weight_gradients_disabled = weight_gradients_disabled, True
    try:
        yield
    finally:
        weight_gradients_disabled = before


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """``torch.nn.functional.conv2d`` with a fast second derivative."""
    return _convolutions.conv2d(input, weight, bias, stride, padding, dilation, groups, _is_disabled)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Tensor:
    """``torch.nn.functional.conv_transpose2d`` with a fast second derivative."""
    return _convolutions.conv_transpose2d(
        input, weight, bias, stride, padding, output_padding, groups, dilation, _is_disabled
    )


def _is_disabled() -> bool:
    return weight_gradients_disabled
