"""Differentiable augmentation with a fixed probability (DiffAugment, arXiv:2006.10738).

Differences from the published implementation:

- translated images are padded by reflection, since zeros are a grey border around images in [-1, 1];
  ``padding_mode="zeros"`` is the published behaviour;
- each operation is applied to each sample with a probability, which is 1 as published by default.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .._checks import check_number
from ._pixels import check_choices, check_images, check_padding
from ._random_draws import bernoulli, change_where, integers, is_known_zero, random_cutout, uniform
from .operations import adjust_brightness, adjust_contrast, adjust_saturation, translate_pixels

POLICIES = ("color", "translation", "cutout")


class DiffAugment(nn.Module):
    """Random brightness, saturation and contrast; translation; cutout (arXiv:2006.10738, section 3).

    Apply it to every image that a discriminator sees, real or generated, also in the generator's step and in gradient
    penalties: ``discriminator(augment(images))``. Random numbers are drawn per sample from torch's global generator.
    In evaluation mode images are unchanged.

    Args:
        policy: any of ``"color"``, ``"translation"``, ``"cutout"``, which are applied in this order.
        brightness: offsets are uniform in ``[-brightness, brightness]``.
        saturation, contrast: factors are uniform in ``[1 - saturation, 1 + saturation]``, and likewise for contrast;
            saturation does not change grey images.
        translation: largest shift, as a fraction of height and width.
        cutout: size of the rectangle that is cut out, as a fraction of height and width, around any pixel.
        padding_mode: ``"reflect"``, ``"replicate"``, ``"zeros"`` or ``"constant"``, which pads with `fill`.
        fill: value in the cut-out rectangle, and of ``"constant"`` padding.

    Shape:
        `images` ``(N, C, H, W)`` → the same; `p`, a number or a scalar tensor, is the probability of each operation.
        ``"color"`` takes 1 (grey) or 3 (RGB) channels, and 2 or 4 with alpha, which it does not change; the others take
        any channels.

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
        check_number("DiffAugment", least=0, most=1, brightness=brightness, saturation=saturation, contrast=contrast)
        check_number("DiffAugment", least=0, most=1, translation=translation, cutout=cutout)
        self.brightness, self.saturation, self.contrast = brightness, saturation, contrast
        self.translation, self.cutout = translation, cutout
        self.padding_mode, self.fill = padding_mode, fill

    def forward(self, images: Tensor, p: Tensor | float = 1.0) -> Tensor:
        check_images("DiffAugment", images)
        if not self.training or is_known_zero(p):
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
            images = change_where(bernoulli(images, p), images, adjust(images, value))
        return images

    def _translation(self, images: Tensor, p: Tensor | float) -> Tensor:
        limits = [int(side * self.translation + 0.5) for side in images.shape[2:]]
        shift = torch.stack([integers(images, -limit, limit + 1) for limit in limits], 1)
        shift = shift * bernoulli(images, p).unsqueeze(1)
        return translate_pixels(images, shift, padding_mode=self.padding_mode, fill=self.fill)

    def _cutout(self, images: Tensor, p: Tensor | float) -> Tensor:
        return change_where(bernoulli(images, p), images, random_cutout(images, self.cutout, self.fill))

    def extra_repr(self) -> str:
        return f"{', '.join(self.policy)}, padding_mode={self.padding_mode}"
