"""The StyleGAN2 generator (arXiv:1912.04958): a mapping network and a synthesis network."""

from collections.abc import Sequence
from typing import Any

import torch

from ..layers._names import answers_to_other_names
from .mapping import MappingNetwork
from .style_generator import StyleGenerator
from .synthesis import SynthesisNetwork


@answers_to_other_names
class Generator(StyleGenerator):
    """Map latents to images: StyleGAN2 (arXiv:1912.04958). Each argument is kept as an attribute of the same name.

    Args:
        resolution: of the images in pixels, an int or ``(height, width)``; each a power of two times a base.
        z_dim, w_dim: lengths of z and w.
        num_labels: classes, or numbers in a label vector; 0 for an unconditional generator.
        image_channels, channel_base, channel_max, architecture: as in :class:`SynthesisNetwork`.
        activation: of both networks, a name that :func:`stylelayers.functional.bias_act` knows.
        padding_mode, resample_method, resample_filter, normalize_style, clamp: as in :class:`SynthesisNetwork`.
        mapping_layers, mapping_lr_multiplier, w_mean_decay: depth, `lr_multiplier` and `w_mean_decay` of the
            :class:`MappingNetwork`.

    Attributes:
        class_names: names of the classes, or of the numbers in a label vector, in their order; empty if they are not
            known.
        label_kind: ``"classes"``, ``"vectors"`` or, without labels, ``"none"``: what it was trained on. Training takes
            both from the data; generator files and checkpoints store them.

    Shape:
        `z` ``(N, z_dim)``, `labels` ``(N,)`` or ``(N, num_labels)`` → ``(N, image_channels, height, width)``,
        trained to lie in [-1, 1].

    Raises:
        ValueError: as :class:`SynthesisNetwork` and :class:`MappingNetwork`.

    Example:
        >>> import torch
        >>> from stylelayers import Generator
        >>> generator = Generator(32, z_dim=64, w_dim=64, channel_base=512)
        >>> generator(torch.randn(2, 64), truncation_psi=0.7, noise="const").shape
        torch.Size([2, 3, 32, 32])
    """

    synthesis: SynthesisNetwork

    def __init__(
        self,
        resolution: int | tuple[int, int],
        *,
        z_dim: int = 512,
        w_dim: int = 512,
        num_labels: int = 0,
        image_channels: int = 3,
        channel_base: int = 32768,
        channel_max: int = 512,
        mapping_layers: int = 8,
        mapping_lr_multiplier: float = 0.01,
        w_mean_decay: float = 0.998,
        architecture: str = "skip",
        activation: str = "lrelu",
        padding_mode: str = "zeros",
        resample_method: str | None = None,
        resample_filter: Sequence[Any] = (1, 3, 3, 1),
        normalize_style: bool = False,
        clamp: float | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        synthesis = SynthesisNetwork(
            w_dim,
            resolution,
            image_channels=image_channels,
            channel_base=channel_base,
            channel_max=channel_max,
            architecture=architecture,
            activation=activation,
            padding_mode=padding_mode,
            resample_method=resample_method,
            resample_filter=resample_filter,
            normalize_style=normalize_style,
            clamp=clamp,
            device=device,
            dtype=dtype,
        )
        mapping = MappingNetwork(
            z_dim,
            w_dim,
            synthesis.num_ws,
            num_layers=mapping_layers,
            num_labels=num_labels,
            lr_multiplier=mapping_lr_multiplier,
            activation=activation,
            w_mean_decay=w_mean_decay,
            device=device,
            dtype=dtype,
        )
        super().__init__(synthesis, mapping)
        self.channel_base, self.channel_max = channel_base, channel_max
        self.mapping_layers, self.mapping_lr_multiplier = mapping_layers, mapping_lr_multiplier
        self.w_mean_decay, self.architecture, self.activation = w_mean_decay, architecture, activation
        self.padding_mode, self.resample_method = padding_mode, resample_method
        self.resample_filter, self.normalize_style, self.clamp = tuple(resample_filter), normalize_style, clamp
