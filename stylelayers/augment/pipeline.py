"""The random augmentations of adaptive discriminator augmentation (arXiv:2006.06676, appendix B).

Differences from the published pipeline:

- images that are not square rotate by 180 degrees but not by 90, and shifts are relative to each side;
- frequency bands are split by symmetric filters; `padding_mode` decides what lies outside the image;
- noise and cutout are the group ``"corrupt"``, off by default like ``"filter"``, as in the paper's ``"bgc"``.
"""

from collections.abc import Callable, Mapping, Sequence
from math import inf, pi
from types import MappingProxyType

import torch
from torch import Tensor, nn

from .._checks import check_number
from . import matrices
from ._pixels import check_choices, check_images, check_padding
from ._random_draws import bernoulli, change_where, integers, is_known_zero, normal, random_cutout, uniform
from .bands import amplify_bands
from .operations import color_transform, flip_and_turn, translate_pixels
from .warp import affine_warp

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "blit": ("flip", "turn", "translate"),
        "geometric": ("scale", "rotate", "stretch", "shift"),
        "color": ("brightness", "contrast", "luma_flip", "hue", "saturation"),
        "filter": ("band_0", "band_1", "band_2", "band_3"),
        "corrupt": ("noise", "cutout"),
    }
)
"""The operations of each group of :class:`AugmentPipeline` (arXiv:2006.06676, appendix B)."""
STRENGTHS: Mapping[str, float] = MappingProxyType(
    {
        "translate": 0.125,  # largest shift, as a fraction of each side
        "scale": 0.2,  # standard deviation of log2
        "rotate": 1.0,  # largest angle, in half turns
        "stretch": 0.2,  # standard deviation of log2 for the width; the height gets the inverse
        "shift": 0.125,  # standard deviation, as a fraction of each side
        "brightness": 0.2,  # standard deviation
        "contrast": 0.5,  # standard deviation of log2
        "hue": 1.0,  # largest angle, in half turns
        "saturation": 1.0,  # standard deviation of log2
        **dict.fromkeys(("band_0", "band_1", "band_2", "band_3"), 1.0),  # standard deviations of log2
        "noise": 0.1,  # standard deviation of the noise level
        "cutout": 0.5,  # size, as a fraction of each side
    }
)
"""Default strength of each operation; flips and quarter turns have none."""
BAND_POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)  # fractions in natural images, low frequencies first


class AugmentPipeline(nn.Module):
    """Random flips, rotations, warps and colour changes, each with probability `p` (arXiv:2006.06676, appendix B).

    Geometric operations are one affine warp, colour operations one matrix. Random numbers are drawn per sample from
    torch's global generator. Samples to which nothing is applied, and all in evaluation mode, are unchanged.

    Args:
        groups: any of ``"blit"`` (flip, turn, translate), ``"geometric"`` (scale, rotate, stretch, shift),
            ``"color"`` (brightness, contrast, luma_flip, hue, saturation), ``"filter"`` (band_0 to band_3, from low to
            high frequencies), ``"corrupt"`` (noise, cutout).
        probabilities: of single operations of these groups, in [0, 1], as factors of `p`; default 1.
        strengths: of single operations; default `STRENGTHS`, those of the paper.
        padding_mode: ``"reflect"``, ``"replicate"``, ``"zeros"`` or ``"constant"``, which pads with `fill`.
        fill: value in the cut-out rectangle, and of ``"constant"`` padding.

    Shape:
        `images` ``(N, C, H, W)`` → the same; `p` is a number or a scalar tensor. ``"color"`` takes 1 (grey) or 3 (RGB)
        channels, and 2 or 4 with alpha, which it does not change; the others take any channels.

    Raises:
        ValueError: an unknown name, a value out of range, or other channels under ``"color"``.

    Example:
        >>> import torch
        >>> from stylelayers.augment import AugmentPipeline
        >>> augment = AugmentPipeline(("blit", "color"), probabilities={"turn": 0.0}, strengths={"translate": 0.05})
        >>> augment(torch.randn(4, 3, 16, 24), p=0.3).shape
        torch.Size([4, 3, 16, 24])
    """

    def __init__(
        self,
        groups: Sequence[str] = ("blit", "geometric", "color"),
        *,
        probabilities: Mapping[str, float] | None = None,
        strengths: Mapping[str, float] | None = None,
        padding_mode: str = "reflect",
        fill: float = 0.0,
    ) -> None:
        super().__init__()
        self.groups = check_choices("AugmentPipeline", "groups", groups, GROUPS)
        names = [name for group in self.groups for name in GROUPS[group]]
        self.probabilities = dict.fromkeys(names, 1.0)
        self.probabilities |= _checked("probabilities", probabilities, names, 1.0)
        self.strengths = {**STRENGTHS, **_checked("strengths", strengths, STRENGTHS, inf)}
        check_padding("AugmentPipeline", padding_mode)
        self.padding_mode, self.fill = padding_mode, fill

    def forward(self, images: Tensor, p: Tensor | float = 1.0) -> Tensor:
        check_images("AugmentPipeline", images)
        if not self.training or is_known_zero(p):
            return images
        for group in GROUPS:
            if group in self.groups:
                images = getattr(self, f"_{group}")(images, p)
        return images

    def _bernoulli(self, name: str, images: Tensor, p: Tensor | float) -> Tensor:
        return bernoulli(images, p * self.probabilities[name])

    def _value(self, name: str, images: Tensor, p: Tensor | float, draw: Callable[[Tensor], Tensor]) -> Tensor:
        """``(N,)`` random numbers times the strength, or 0 if the operation is not applied."""
        return self._bernoulli(name, images, p) * draw(images) * self.strengths[name]

    def _blit(self, images: Tensor, p: Tensor | float) -> Tensor:
        flip = self._bernoulli("flip", images, p) & (integers(images, 0, 2) == 1)
        images = flip_and_turn(images, flip, integers(images, 0, 4) * self._bernoulli("turn", images, p))
        apply = self._bernoulli("translate", images, p)
        limits = [self.strengths["translate"] * side for side in images.shape[2:]]
        shift = torch.stack([(_symmetric(images) * limit).round() * apply for limit in limits], 1).long()
        return translate_pixels(images, shift, padding_mode=self.padding_mode, fill=self.fill)

    def _geometric(self, images: Tensor, p: Tensor | float) -> Tensor:
        height, width = images.shape[2:]
        scale = self._value("scale", images, p, normal).exp2()
        stretch = self._value("stretch", images, p, normal).exp2()
        apply = self._bernoulli("shift", images, p) * self.strengths["shift"]
        inverse = matrices.chain(
            matrices.scaling(scale, scale),
            self._rotation(images, p),
            matrices.scaling(stretch, 1 / stretch),
            self._rotation(images, p),
            matrices.translation(normal(images) * apply * width, normal(images) * apply * height),
        )
        warped = affine_warp(images, inverse, padding_mode=self.padding_mode, fill=self.fill)
        return change_where(_not_identity(inverse), images, warped)

    def _rotation(self, images: Tensor, p: Tensor | float) -> Tensor:
        """One of two rotations, of which at least one is applied with probability `p`."""
        share = 1 - (1 - p * self.probabilities["rotate"]) ** 0.5
        return matrices.rotation(bernoulli(images, share) * _symmetric(images) * (pi * self.strengths["rotate"]))

    def _color(self, images: Tensor, p: Tensor | float) -> Tensor:
        brightness = self._value("brightness", images, p, normal)
        contrast = self._value("contrast", images, p, normal).exp2()
        luma_flip = self._bernoulli("luma_flip", images, p) & (integers(images, 0, 2) == 1)
        matrix = matrices.chain(
            matrices.saturation(self._value("saturation", images, p, normal).exp2()),
            matrices.hue(self._value("hue", images, p, _symmetric) * pi),
            matrices.luma_flip(luma_flip.to(contrast.dtype)),
            matrices.scaling(contrast, contrast, contrast),
            matrices.translation(brightness, brightness, brightness),
        )
        return change_where(_not_identity(matrix), images, color_transform(images, matrix))

    def _filter(self, images: Tensor, p: Tensor | float) -> Tensor:
        """Gains are normalized to keep the total power of an image with a natural spectrum."""
        factors = [self._value(name, images, p, normal).exp2() for name in GROUPS["filter"]]
        power = [1 + share * (factor.square() - 1) for factor, share in zip(factors, BAND_POWER, strict=True)]
        gains = torch.stack(factors, 1) / torch.stack(power, 1).prod(1, keepdim=True).sqrt()
        filtered = amplify_bands(images, gains, padding_mode=self.padding_mode, fill=self.fill)
        return change_where((gains != 1).any(1), images, filtered)

    def _corrupt(self, images: Tensor, p: Tensor | float) -> Tensor:
        deviation = self._value("noise", images, p, normal).abs().to(images.dtype).view(-1, 1, 1, 1)
        images = images + deviation * torch.randn_like(images)
        cut = random_cutout(images, self.strengths["cutout"], self.fill)
        return change_where(self._bernoulli("cutout", images, p), images, cut)

    def extra_repr(self) -> str:
        changed = {name: share for name, share in self.probabilities.items() if share != 1}
        return f"{', '.join(self.groups)}, probabilities={changed}, padding_mode={self.padding_mode}"


def _symmetric(images: Tensor) -> Tensor:
    return 2 * uniform(images) - 1


def _not_identity(matrix: Tensor) -> Tensor:
    """``(N,)``: whether the sample's matrix differs from the identity."""
    return (matrix != torch.eye(matrix.shape[-1], device=matrix.device, dtype=matrix.dtype)).flatten(1).any(1)


def _checked(
    name: str, values: Mapping[str, float] | None, known: Sequence[str] | Mapping[str, float], most: float
) -> dict[str, float]:
    values = dict(values or {})
    check_choices("AugmentPipeline", name, values, known)
    check_number("AugmentPipeline", least=0, most=most, **{f"{name}.{key}": value for key, value in values.items()})
    return {key: float(value) for key, value in values.items()}
