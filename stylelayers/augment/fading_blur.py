"""A blur of everything that a discriminator sees, which fades in the first part of training (arXiv:2106.12423).

It keeps the discriminator from deciding by the finest details alone while the generator has not found the coarse ones.

Differences from published implementations: along the border, weights of pixels outside the image go to those inside,
so that a constant image stays constant; and a compiled network is not compiled anew as the blur becomes narrower.
"""

import torch
from torch import Tensor, nn

from .._checks import check_number
from ..functional._autocast import at_least_float32, without_autocast
from ._pixels import check_images

LENGTH = 3  # standard deviations on each side


class FadingBlur(nn.Module):
    r"""Blur images by a Gaussian whose standard deviation falls to 0 as training goes on (arXiv:2106.12423).

    After `n` images :math:`\sigma = sigma \cdot \max(0, 1 - n / images)`; the filter has
    :math:`\lfloor 3 \sigma \rfloor` pixels on each side of its middle. Call :meth:`fade` before each iteration: a
    module that is never called so has the blur of the start. There is nothing to store: the number of images decides.

    Args:
        sigma: standard deviation at the start, in pixels; 0 for no blur.
        images: number of images after which there is no blur, above 0.

    Shape:
        `images` ``(N, C, H, W)`` → the same.

    Attributes:
        sigma: buffer of no dimension, the standard deviation now; it is not part of the state.

    Raises:
        ValueError: a value out of range, or no images ``(N, C, H, W)``.

    Example:
        >>> import torch
        >>> from stylelayers.augment import FadingBlur
        >>> blur = FadingBlur(10.0, images=200_000)
        >>> blur.fade(150_000)
        >>> blur.sigma
        tensor(2.5000)
        >>> blur(torch.ones(1, 3, 32, 32)).shape
        torch.Size([1, 3, 32, 32])
    """

    sigma: Tensor

    def __init__(self, sigma: float = 10.0, *, images: float = 200_000) -> None:
        super().__init__()
        check_number("FadingBlur", least=0, sigma=sigma)
        check_number("FadingBlur", above=0, images=images)
        self.start, self.images = float(sigma), float(images)
        self.register_buffer("sigma", torch.empty(()), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        self.fade(0)

    @torch.no_grad()
    def fade(self, images_seen: float) -> None:
        """Set the blur for the number of images that training has seen."""
        now = self.start * max(0.0, 1 - images_seen / self.images)
        self.is_over = LENGTH * now < 1
        self.sigma.fill_(now)

    def forward(self, images: Tensor) -> Tensor:
        check_images("FadingBlur", images)
        if self.is_over:
            return images
        x = at_least_float32(images)
        with without_autocast(x):
            down, across = (gaussian_matrix(size, self.sigma.to(x.dtype)) for size in x.shape[2:])
            return (down @ x @ across.T).to(images.dtype)

    def extra_repr(self) -> str:
        return f"{self.start:g}, images={self.images:g}"


def gaussian_matrix(size: int, sigma: Tensor) -> Tensor:
    """``(size, size)``: the blur of a row of pixels as a matrix, whose rows sum to 1; differentiable by the row.

    Args:
        size: of the row.
        sigma: standard deviation in pixels, above 0, of no dimension.
    """
    place = torch.arange(size, dtype=sigma.dtype, device=sigma.device)
    distance = (place - place.unsqueeze(1)).abs()
    weights = torch.exp(-(distance / sigma).square() / 2) * (distance <= (LENGTH * sigma).floor())
    return weights / weights.sum(1, keepdim=True)
