"""Homogeneous matrices of plane and colour transforms, one per sample; exactly the identity for neutral arguments."""

from math import sqrt

import torch
import torch.nn.functional as F
from torch import Tensor


def chain(*matrices: Tensor) -> Tensor:
    """The matrix product, in the dtype of the matrices, regardless of autocast and TF32."""
    product, *rest = matrices
    for matrix in rest:
        product = (product.unsqueeze(-1) * matrix.unsqueeze(-3)).sum(-2)
    return product


def translation(*distance: Tensor) -> Tensor:
    """Add ``(N,)`` distances, one per axis; ``(N, d + 1, d + 1)``."""
    size = len(distance) + 1
    column = torch.stack([*distance, torch.ones_like(distance[0])], 1)
    return torch.cat([_eye(column, size)[:, :, :-1], column.unsqueeze(2)], 2)


def scaling(*factor: Tensor) -> Tensor:
    """Multiply by ``(N,)`` factors, one per axis; ``(N, d + 1, d + 1)``."""
    return torch.stack([*factor, torch.ones_like(factor[0])], 1).diag_embed()


def rotation(angle: Tensor) -> Tensor:
    """Rotate the plane by ``(N,)`` radians, from the first axis to the second; ``(N, 3, 3)``."""
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rows = ((cos, -sin, zero), (sin, cos, zero), (zero, zero, torch.ones_like(angle)))
    return torch.stack([torch.stack(row, 1) for row in rows], 1)


def luma_flip(flip: Tensor) -> Tensor:
    """Invert the brightness of colours where `flip` ``(N,)`` is 1 rather than 0; ``(N, 4, 4)``."""
    return _with_fourth_axis(_eye(flip, 3) - flip.view(-1, 1, 1) * (2 / 3))


def saturation(factor: Tensor) -> Tensor:
    """Scale the distance of each colour from grey by ``(N,)`` factors; ``(N, 4, 4)``."""
    from_grey = _eye(factor, 3) - 1 / 3
    return _with_fourth_axis(_eye(factor, 3) + (factor - 1).view(-1, 1, 1) * from_grey)


def hue(angle: Tensor) -> Tensor:
    """Rotate colours by ``(N,)`` radians about the grey axis (Rodrigues' formula); ``(N, 4, 4)``."""
    eye = _eye(angle, 3)
    across = (eye.roll(1, 1) - eye.roll(-1, 1)) / sqrt(3)  # cross product with the unit vector of grey
    cos, sin = angle.cos().view(-1, 1, 1), angle.sin().view(-1, 1, 1)
    return _with_fourth_axis(eye + (cos - 1) * (eye - 1 / 3) + sin * across)


def _eye(like: Tensor, size: int) -> Tensor:
    return torch.eye(size, device=like.device, dtype=like.dtype).expand(like.shape[0], -1, -1)


def _with_fourth_axis(matrix: Tensor) -> Tensor:
    return F.pad(matrix, (0, 1, 0, 1)) + F.pad(_eye(matrix, 1), (3, 0, 3, 0))
