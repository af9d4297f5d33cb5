"""Differentiable augmentation with a fixed probability (DiffAugment, arXiv:2006.10738).

Differences from the published implementation:

- translated images continue by reflection, where zeros would put a grey border around images of range [-1, 1];
  ``padding_mode="constant", fill=0.0`` has the published behaviour;
- a probability, 1 as published, with which each operation is applied to each sample.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ._draws import chosen, integers, is_zero, keep_or_change, random_cutout, uniform
from ._pixels import check_choices, check_images, check_padding
from .operations import adjust_brightness, adjust_contrast, adjust_saturation, translate_pixels

__all__ = ["DiffAugment"]

POLICIES = ("color", "translation", "cutout")


class DiffAugment(nn.Module):
    """Random brightness, saturation and contrast; translation; cutout (arXiv:2006.10738, section 3).

    Every image that a discriminator sees, real or generated, goes through it, also in the generator's step and in
    gradient penalties: ``discriminator(augment(images))``. Each sample has draws of its own from torch's global
    generator. In evaluation mode images are returned as they are.

    Args:
        policy: which of ``"color"``, ``"translation"``, ``"cutout"``; applied in this order.
        brightness: offsets are uniform in ``[-brightness, brightness]``.
        saturation, contrast: factors are uniform in ``[1 - saturation, 1 + saturation]``, and so for the contrast;
            saturation leaves grey images as they are.
        translation: largest shift, in shares of height and width.
        cutout: side of the rectangle that is cut out, in shares of height and width; its centre is any pixel.
        padding_mode: what comes in at the border: ``"reflect"``, ``"replicate"``, or ``"constant"``, which is `fill`.
        fill: value of what is cut out, and of what lies outside under ``"constant"``.

    Shape:
        `images` ``(N, C, H, W)`` → the same; `p`, a number or a scalar tensor, is the probability of each operation.
        ``"color"`` takes 1 (grey) or 3 (RGB) channels, and 2 or 4 with alpha, which it leaves alone; the others take
        any channels, all alike.

    Raises:
        ValueError: an unknown policy or mode, a value out of range, or other channels under ``"color"``.

    Example:
        >>> import torch
        >>> from stylelayers.augment import DiffAugment
        >>> DiffAugment(policy=("color", "cutout"))(torch.randn(4, 3, 16, 24)).shape
        torch.Size([4, 3, 16, 24])
    """

    def __init__(
        self,
        policy: Sequence[str] = POLICIES,
        *,
        brightness: float = 0.5,
        saturation: float = 1.0,
        contrast: float = 0.5,
        translation: float = 0.125,
        cutout: float = 0.5,
        padding_mode: str = "reflect",
        fill: float = 0.0,
    ) -> None:
        super().__init__()
        self.policy = check_choices("DiffAugment", "policy", policy, POLICIES)
        check_padding("DiffAugment", padding_mode)
        self.brightness, self.saturation, self.contrast = brightness, saturation, contrast
        self.translation, self.cutout = translation, cutout
        for name in ("brightness", "saturation", "contrast", "translation", "cutout"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"DiffAugment: {name} must be in [0, 1], got {getattr(self, name)!r}")
        self.padding_mode, self.fill = padding_mode, fill

    def forward(self, images: Tensor, p: Tensor | float = 1.0) -> Tensor:
        check_images("DiffAugment", images)
        if not self.training or is_zero(p):
            return images
        for name in POLICIES:
            if name in self.policy:
                images = getattr(self, f"_{name}")(images, p)
        return images

    def _color(self, images: Tensor, p: Tensor | float) -> Tensor:
        for adjust, centre, strength in (
            (adjust_brightness, 0.0, self.brightness),
            (adjust_saturation, 1.0, self.saturation),
            (adjust_contrast, 1.0, self.contrast),
        ):
            value = centre + strength * (2 * uniform(images) - 1)
            images = keep_or_change(chosen(images, p), images, adjust(images, value))
        return images

    def _translation(self, images: Tensor, p: Tensor | float) -> Tensor:
        limits = [int(side * self.translation + 0.5) for side in images.shape[2:]]
        shift = torch.stack([integers(images, -limit, limit + 1) for limit in limits], 1)
        shift = shift * chosen(images, p).unsqueeze(1)
        return translate_pixels(images, shift, padding_mode=self.padding_mode, fill=self.fill)

    def _cutout(self, images: Tensor, p: Tensor | float) -> Tensor:
        return keep_or_change(chosen(images, p), images, random_cutout(images, self.cutout, self.fill))

    def extra_repr(self) -> str:
        return f"{', '.join(self.policy)}, padding_mode={self.padding_mode}"
