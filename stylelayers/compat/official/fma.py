"""``a * b + c`` under the official name."""

import torch
from torch import Tensor


def fma(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """Compute ``a * b + c`` in one operator, with shapes that broadcast.

    Example:
        >>> import torch
        >>> from stylelayers.compat.official.fma import fma
        >>> fma(torch.ones(2, 3), torch.tensor(2.0), torch.ones(2, 1))
        tensor([[3., 3., 3.],
                [3., 3., 3.]])
    """
    return torch.addcmul(c, a, b)
