"""Bilinear sampling under the official name, differentiable any number of times by images and grid.

Torch's own sampling has a second derivative in recent versions only, and no forward mode. Here sampling and its
adjoint, which spreads a gradient over the image, are each other's derivatives by the images. The derivative by the grid
is made of gathered pixels where it is differentiated again.

``enabled`` is there to be set and changes nothing.
"""

from typing import Any, cast

import torch
from torch import Tensor

from ...functional._autocast import is_autocast
from ...functional._function import FastFunction, needs_plain_operators, records_gradients

enabled = False
_BILINEAR_ZEROS = (0, 0, False)  # of torch's operators: interpolation, padding, align_corners
_aten = torch.ops.aten


def grid_sample(input: Tensor, grid: Tensor) -> Tensor:
    """Sample bilinearly, with zeros outside and ``align_corners=False``, as ``torch.nn.functional.grid_sample`` does.

    Args:
        input: images.
        grid: positions ``(x, y)``; -1 and 1 are the borders of the image.

    Shape:
        ``(N, C, H, W)``, ``(N, H', W', 2)`` → ``(N, C, H', W')``.

    Example:
        >>> import torch
        >>> from stylelayers.compat.official.grid_sample_gradfix import grid_sample
        >>> grid_sample(torch.ones(1, 3, 8, 8), torch.zeros(1, 4, 4, 2)).shape
        torch.Size([1, 3, 4, 4])
    """
    dtype = torch.promote_types(input.dtype, grid.dtype)
    dtype = torch.promote_types(dtype, torch.float32) if is_autocast(input) else dtype
    input, grid = input.to(dtype), grid.to(dtype)
    if input.ndim != 4 or grid.ndim != 4 or grid.shape[3] != 2 or len(input) != len(grid):
        shapes = f"{tuple(input.shape)} and {tuple(grid.shape)}"
        raise ValueError(f"grid_sample: input and grid must be (N, C, H, W) and (N, H', W', 2), got {shapes}")
    if needs_plain_operators():
        return _gathered(input, grid)
    if not records_gradients(input, grid):
        return cast(Tensor, _aten.grid_sampler_2d(input, grid, *_BILINEAR_ZEROS))
    return cast(Tensor, _Sampling.apply(input, grid))


class _Sampling(FastFunction):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, grid: Tensor) -> Tensor:
        return cast(Tensor, _aten.grid_sampler_2d(x, grid, *_BILINEAR_ZEROS))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, grid = ctx.saved_tensors
        by_x, by_grid = ctx.needs_input_grad
        if not torch.is_grad_enabled():
            return cast(Any, _gradients(grads[0], x, grid, by_x, by_grid))
        return _Spreading.apply(grads[0], grid, x) if by_x else None, _by_grid(grads[0], x, grid) if by_grid else None


class _Spreading(FastFunction):
    """The gradient of sampling by the images, of which only `like`'s shape matters."""

    generate_vmap_rule = True

    @staticmethod
    def forward(grad: Tensor, grid: Tensor, like: Tensor) -> Tensor:
        return cast(Tensor, _gradients(grad, like, grid, True, False)[0])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs[:2])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        grad, grid = ctx.saved_tensors
        by_grad, by_grid, _ = ctx.needs_input_grad
        return (
            _Sampling.apply(grads[0], grid) if by_grad else None,
            _by_grid(grad, grads[0], grid) if by_grid else None,
            None,
        )


def _gradients(grad: Tensor, x: Tensor, grid: Tensor, by_x: bool, by_grid: bool) -> tuple[Tensor | None, Tensor | None]:
    backward = _aten.grid_sampler_2d_backward
    found = backward(grad.contiguous(), x, grid, *_BILINEAR_ZEROS, (by_x, by_grid))
    return found[0] if by_x else None, found[1] if by_grid else None


def _gathered(x: Tensor, grid: Tensor) -> Tensor:
    """Sampling made of operators that have derivatives of every order and in every mode."""
    (a, b, c, d), right, down = _corners(x, grid)
    return torch.lerp(torch.lerp(a, b, right), torch.lerp(c, d, right), down)


def _by_grid(grad: Tensor, x: Tensor, grid: Tensor) -> Tensor:
    """The gradient of sampling by the grid, made of such operators."""
    (a, b, c, d), right, down = _corners(x, grid)
    along_x = (grad * torch.lerp(b - a, d - c, down)).sum(1) * (x.shape[3] / 2)
    along_y = (grad * torch.lerp(c - a, d - b, right)).sum(1) * (x.shape[2] / 2)
    return torch.stack([along_x, along_y], dim=-1)


def _corners(x: Tensor, grid: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
    """The four pixels around each position, row by row, and how far it is to the right of and below the first."""
    height, width = x.shape[2:]
    columns, rows = ((grid[..., 0] + 1) * width - 1) / 2, ((grid[..., 1] + 1) * height - 1) / 2
    left, top = columns.detach().floor(), rows.detach().floor()
    pixels, corners = x.reshape(*x.shape[:2], height * width), []
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        index = row.long().clamp(0, height - 1) * width + column.long().clamp(0, width - 1)
        picked = pixels.gather(2, index.flatten(1).unsqueeze(1).expand(-1, x.shape[1], -1))
        corners.append(picked.reshape(*x.shape[:2], *row.shape[1:]) * inside.unsqueeze(1))
    return corners, (columns - left).unsqueeze(1), (rows - top).unsqueeze(1)
