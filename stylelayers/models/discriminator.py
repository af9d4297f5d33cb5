"""The StyleGAN2 discriminator (arXiv:1912.04958, figure 7) with label projection (arXiv:1802.05637, equation 5).

Difference from published implementations: any batch size, rectangular images, any small base instead of 4x4.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from .._checks import check_choice, check_ints
from ..layers import Downsample2d, EqualConv2d
from ..layers._names import answers_to_other_names
from ._inputs import as_floating, as_labels, example_labels
from .discriminator_blocks import DiscriminatorBlock, DiscriminatorEpilogue
from .mapping import MappingNetwork
from .pyramid import Pyramid
from .summary import Summarized
from .synthesis import ARCHITECTURES


@answers_to_other_names
class Discriminator(Summarized):
    """Map images to logits: StyleGAN2's (arXiv:1912.04958, figure 7). Each argument is kept as an attribute.

    Of a conditional network, a logit is the product of the features and a map of the labels, ``f(x) . m(label) /
    sqrt(label_dim)`` (arXiv:1802.05637, equation 5).

    Args:
        resolution: of the images in pixels, an int or ``(height, width)``; each a power of two times a base.
        num_labels: classes, or numbers in a label vector; 0 for an unconditional discriminator. Labels are projected.
        image_channels: 1 for grey, 3 for RGB, any number.
        channel_base, channel_max: a level of ``r`` pixels has ``channel_base / r`` channels, at most `channel_max`.
        architecture: ``"resnet"`` has residual blocks, ``"skip"`` takes the image at every level, ``"orig"`` neither.
        mbstd_group_size, mbstd_num_channels: of :func:`stylelayers.functional.minibatch_stddev`; no channels leave it
            out.
        label_dim: length of the label projection, default the channels of the smallest level.
        label_layers: depth of the label mapping.
        activation: a name that :func:`stylelayers.functional.bias_act` knows.
        padding_mode, resample_method, resample_filter: as in :class:`stylelayers.ModulatedConv2d`.
        clamp: largest magnitude of every convolution's output (256 keeps float16 finite), None for no limit.

    Shape:
        `images` ``(N, image_channels, height, width)``, `labels` ``(N,)`` ints or ``(N, num_labels)`` → ``(N, 1)``.
        `batches` of equal size may be joined in one call.

    Raises:
        ValueError: an impossible resolution, unknown names, arguments out of range (at construction); images or labels
            that do not fit (at call).

    Example:
        >>> import torch
        >>> from stylelayers import Discriminator
        >>> Discriminator(32, channel_base=512)(torch.randn(2, 3, 32, 32)).shape
        torch.Size([2, 1])
    """

    def __init__(
        self,
        resolution: int | tuple[int, int],
        *,
        num_labels: int = 0,
        image_channels: int = 3,
        channel_base: int = 32768,
        channel_max: int = 512,
        architecture: str = "resnet",
        mbstd_group_size: int = 4,
        mbstd_num_channels: int = 1,
        label_dim: int | None = None,
        label_layers: int = 8,
        activation: str = "lrelu",
        padding_mode: str = "zeros",
        resample_method: str | None = None,
        resample_filter: Sequence[Any] = (1, 3, 3, 1),
        clamp: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        caller = "Discriminator"
        check_ints(caller, image_channels=image_channels, channel_base=channel_base, channel_max=channel_max)
        check_ints(caller, least=0, num_labels=num_labels, mbstd_num_channels=mbstd_num_channels)
        check_choice(caller, "architecture", architecture, ARCHITECTURES)
        pyramid = Pyramid.for_resolution(caller, resolution)
        channels = pyramid.channels(channel_base, channel_max)[::-1]
        self.resolution, self.num_labels, self.image_channels = pyramid.levels[-1], num_labels, image_channels
        self.channel_base, self.channel_max, self.architecture = channel_base, channel_max, architecture
        self.mbstd_group_size, self.mbstd_num_channels = mbstd_group_size, mbstd_num_channels
        self.label_dim, self.label_layers = label_dim or channels[-1], label_layers
        self.activation, self.padding_mode, self.resample_method = activation, padding_mode, resample_method
        self.resample_filter, self.clamp = tuple(resample_filter), clamp
        make_conv = partial(
            EqualConv2d,
            resample_filter=resample_filter,
            resample_method=resample_method,
            padding_mode=padding_mode,
            activation=activation,
            clamp=clamp,
            device=device,
            dtype=dtype,
        )
        make_rgb = partial(make_conv, image_channels, kernel_size=1)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(
                fan_in,
                fan_out,
                architecture=architecture,
                conv=make_conv,
                from_rgb=make_rgb if level == 0 or architecture == "skip" else None,
            )
            for level, (fan_in, fan_out) in enumerate(pairwise(channels))
        )
        skip = architecture == "skip"
        self.downsample = (
            Downsample2d(resample_filter, padding_mode=padding_mode, device=device, dtype=dtype) if skip else None
        )
        self.from_rgb = make_rgb(channels[-1]) if skip else None
        self.epilogue = DiscriminatorEpilogue(
            channels[-1],
            pyramid.base,
            self.label_dim if num_labels else 1,
            mbstd_group_size=mbstd_group_size,
            mbstd_num_channels=mbstd_num_channels,
            activation=activation,
            clamp=clamp,
            device=device,
            dtype=dtype,
        )
        self.label_mapping = (
            MappingNetwork(
                0,
                self.label_dim,
                1,
                num_layers=label_layers,
                num_labels=num_labels,
                activation=activation,
                w_mean_decay=None,
                device=device,
                dtype=dtype,
            )
            if num_labels
            else None
        )

    def reset_parameters(self) -> None:
        for module in (*self.blocks, self.downsample, self.from_rgb, self.epilogue, self.label_mapping):
            if module is not None:
                module.reset_parameters()  # type: ignore[operator]

    def example_inputs(self) -> tuple[Tensor, ...]:
        dtype = next(self.parameters()).dtype
        images = torch.empty(1, self.image_channels, *self.resolution, dtype=dtype, device="meta")
        return (images, *example_labels(self.num_labels, dtype))

    def forward(
        self, images: Tensor, labels: Tensor | Sequence[int] | int | None = None, *, batches: int = 1
    ) -> Tensor:
        """Map images to logits.

        Args:
            images: trained to lie in [-1, 1].
            labels: required by a conditional network, refused by another; as in :class:`MappingNetwork`.
            batches: `images` holds so many batches of equal size, one after another. The logits are those of one call
                for each, since the groups of :func:`stylelayers.functional.minibatch_stddev` lie within a batch.
        """
        shape = (self.image_channels, *self.resolution)
        images = as_floating("Discriminator", "images", images, shape, next(self.parameters()))
        image = _channels_last(images)
        x = None
        for block in self.blocks:
            x = block(x, image)
            image = image if self.downsample is None else self.downsample(image)
        if self.from_rgb is not None:
            x = x + self.from_rgb(image)
        return self._project(self.epilogue(x, batches=batches), labels)

    def _project(self, features: Tensor, labels: Any) -> Tensor:
        if self.label_mapping is None:
            if labels is not None:
                raise ValueError("Discriminator: labels were given to a network with num_labels=0")
            return features
        labels = as_labels("Discriminator", labels, self.num_labels, features.shape[0], features)
        embedding = self.label_mapping(None, labels)[:, 0]
        return (features * embedding).sum(1, keepdim=True) / sqrt(self.label_dim)


def _channels_last(images: Tensor) -> Tensor:
    """The images with the strides of channels-last memory, also those of one channel, whose strides are ambiguous."""
    count, channels, height, width = images.shape
    return images.permute(0, 2, 3, 1).flatten().view(count, height, width, channels).permute(0, 3, 1, 2)
