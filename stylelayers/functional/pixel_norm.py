"""Pixelwise feature normalization of ProgressiveGAN (arXiv:1710.10196, section 4.2)."""

from torch import Tensor

from ._autocast import at_least_float32, in_dtype


def pixel_norm(x: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    r"""Scale to unit mean square along `dim`: :math:`x / \sqrt{\mathrm{mean}(x^2) + eps}`.

    From arXiv:1710.10196, section 4.2. Half-precision inputs are averaged in float32. Module:
    :class:`stylelayers.PixelNorm`.

    Args:
        x: floating-point tensor that has dimension `dim`.
        dim: of the mean; 1 is the channels.
        eps: added to the mean square.

    Shape:
        any shape, unchanged.

    Raises:
        ValueError: `x` is not floating-point or has no dimension `dim`.

    Example:
        >>> import torch
        >>> from stylelayers.functional import pixel_norm
        >>> pixel_norm(torch.full((2, 8), 3.0)).unique()
        tensor([1.])
    """
    if not x.is_floating_point() or not -x.ndim <= dim < x.ndim:
        raise ValueError(f"pixel_norm: x must be floating-point with a dimension {dim}, got {x.dtype} {tuple(x.shape)}")
    wide = at_least_float32(x)
    scale = ((wide * wide).mean(dim, keepdim=True) + eps).rsqrt()
    return x * in_dtype(scale, x.dtype)
