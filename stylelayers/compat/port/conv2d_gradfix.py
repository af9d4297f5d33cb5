"""Convolutions that can be differentiated twice, under the names of the PyTorch port.

``enabled`` is there to be set and changes nothing: these convolutions work on every device.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from .._convolutions import convolutions

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


conv2d, conv_transpose2d = convolutions(__name__, lambda: weight_gradients_disabled)
