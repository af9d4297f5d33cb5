"""The alias-free synthesis network and generator, StyleGAN3 (arXiv:2106.12423).

Differences from published implementations: rectangular images, and a transform of the image that can be given for a
call, for each sample its own.
"""

import torch
from torch import Tensor, nn

from .._checks import check_ints, check_number
from ..functional._autocast import at_least_float32
from ..layers import AliasFreeConv, EqualLinear, FourierInput
from ..layers._names import answers_to_other_names
from ..layers.noise import Noise
from ._inputs import as_floating
from .alias_free_plan import FILTER_TAPS, OVERSAMPLING, AliasFreePlan
from .mapping import MappingNetwork
from .style_generator import StyleGenerator, StyleSynthesis, check_noise_mode


@answers_to_other_names
class AliasFreeSynthesis(StyleSynthesis):
    """Map styles to images whose details move with them, since no layer creates aliases. It has no noise inputs.

    The synthesis network of StyleGAN3 (arXiv:2106.12423, section 3 and figure 4).

    Args:
        w_dim: length of w.
        resolution: of the images in pixels, an int or ``(height, width)``, each a multiple of the coarsest layer's
            pixel: 16 for 256 pixels.
        image_channels: 1 for grey, 3 for RGB, any number.
        channel_base, channel_max: a layer that keeps frequencies up to `f` has ``channel_base / (2 f)`` channels, at
            most `channel_max`. Configuration R was published with twice T's.
        num_layers: without the last one, which makes the image.
        configuration: ``"T"`` for 3x3 convolutions, whose images move with their features; ``"R"`` for 1x1 convolutions
            and radial filters, whose images turn with them too.
        margin: samples around the image, so that layers do not learn its border.
        num_critical: layers at the end that keep all frequencies that the pixels can hold.
        first_cutoff, first_stopband: of the input, in cycles per shorter side of the image.
        last_stopband_rel: the last layers' stopband over their cutoff.
        clamp: largest magnitude of every activation, None for no limit.
        output_scale: factor on the image.
        magnitude_half_life: of the running magnitudes, in images.

    Shape:
        `ws` ``(N, num_ws, w_dim)``, `transform` ``(3, 3)`` or ``(N, 3, 3)`` in place of the buffer of `input` → ``(N,
        image_channels, height, width)`` float32 at least, trained to lie in [-1, 1].

    Attributes:
        plan: the :class:`stylelayers.models.AliasFreePlan`; ``print(synthesis.plan)`` shows it.
        input: the :class:`FourierInput`; set ``input.transform`` to move or turn all images.
        num_ws: styles that `forward` takes: one for the input, one for each layer.

    Raises:
        ValueError: arguments out of range, sides that the layers' rates do not divide, `ws` of another shape.

    Example:
        >>> import torch
        >>> from stylelayers import AliasFreeSynthesis
        >>> synthesis = AliasFreeSynthesis(16, (16, 24), channel_base=128, num_layers=4, margin=2)
        >>> synthesis(torch.randn(2, synthesis.num_ws, 16)).shape
        torch.Size([2, 3, 16, 24])
    """

    noise_modes = ("none",)

    def __init__(
        self,
        w_dim: int,
        resolution: int | tuple[int, int],
        *,
        image_channels: int = 3,
        channel_base: int = 32768,
        channel_max: int = 512,
        num_layers: int = 14,
        configuration: str = "T",
        margin: int = 10,
        num_critical: int = 2,
        first_cutoff: float = 2.0,
        first_stopband: float = 2**2.1,
        last_stopband_rel: float = 2**0.3,
        clamp: float | None = 256.0,
        output_scale: float = 0.25,
        magnitude_half_life: float = 20_000,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        caller = "AliasFreeSynthesis"
        check_ints(caller, w_dim=w_dim)
        check_number(caller, output_scale=output_scale)
        self.plan = AliasFreePlan.of(
            caller,
            resolution,
            image_channels=image_channels,
            channel_base=channel_base,
            channel_max=channel_max,
            num_layers=num_layers,
            configuration=configuration,
            margin=margin,
            num_critical=num_critical,
            first_cutoff=first_cutoff,
            first_stopband=first_stopband,
            last_stopband_rel=last_stopband_rel,
        )
        self.w_dim, self.image_channels, self.output_scale = w_dim, image_channels, output_scale
        self.resolution = self.plan.resolution
        first = self.plan.layers[0]
        self.input = FourierInput(first.channels, w_dim, first.sampling, device=device, dtype=dtype)
        self.layers = nn.ModuleList(
            AliasFreeConv(
                before.channels,
                layer.channels,
                layer.kernel_size,
                w_dim,
                before=before.sampling,
                after=layer.sampling,
                to_rgb=layer.to_rgb,
                radial=layer.radial,
                filter_taps=FILTER_TAPS,
                oversampling=OVERSAMPLING,
                clamp=clamp,
                magnitude_half_life=magnitude_half_life,
                device=device,
                dtype=dtype,
            )
            for before, layer in zip((first, *self.plan.layers), self.plan.layers, strict=False)
        )

    @property
    def num_ws(self) -> int:
        return 1 + len(self.layers)

    @property
    def input_transform(self) -> Tensor:
        return self.input.transform

    def affine_maps(self) -> list[list[EqualLinear]]:
        """The affine maps that read each style: that of the input's motion, then one of each layer."""
        return [[module.affine] for module in (self.input, *self.layers)]  # type: ignore[list-item]

    def layer_names(self) -> list[str]:
        sizes = ["{}x{}".format(*layer.sampling.size) for layer in self.plan.layers]
        return [f"{layer}: {what}" for layer, what in enumerate(["motion", *sizes[:-1], "colours"])]

    def running_statistics(self) -> list[Tensor]:
        return [layer.magnitude_ema for layer in self.layers]  # type: ignore[misc]

    def float32_parts(self) -> list[nn.Module | Tensor]:
        return [self.input, *self.running_statistics()]

    def reset_parameters(self) -> None:
        for module in (self.input, *self.layers):
            module.reset_parameters()  # type: ignore[operator]

    def forward(self, ws: Tensor, *, noise: Noise = "none", transform: Tensor | None = None) -> Tensor:
        """Map styles to images.

        Args:
            ws: one style for the input, and for each layer.
            noise: ``"none"``, since the network has no noise inputs.
            transform: ``(3, 3)``, or one for each sample, in place of the buffer of :class:`FourierInput`.
        """
        check_noise_mode("AliasFreeSynthesis", self.noise_modes, noise)
        ws = as_floating("AliasFreeSynthesis", "ws", ws, (self.num_ws, self.w_dim), self.input.weight)
        first, *styles = ws.unbind(1)
        x: Tensor = self.input(first, transform=transform)
        for layer, style in zip(self.layers, styles, strict=True):
            x = layer(x, style)
        return at_least_float32(x) * self.output_scale


@answers_to_other_names
class AliasFreeGenerator(StyleGenerator):
    """Map latents to images whose details move with them: StyleGAN3 (arXiv:2106.12423).

    Each argument is kept as an attribute of the same name. Shift and turn the images by the buffer
    ``synthesis.input.transform``; see :func:`stylelayers.layers.motion`.

    Args:
        resolution: of the images in pixels, an int or ``(height, width)``, as in :class:`AliasFreeSynthesis`.
        z_dim, w_dim: lengths of z and w.
        num_labels: classes, or numbers in a label vector; 0 for an unconditional generator.
        image_channels, channel_base, channel_max, num_layers, configuration, margin: as in :class:`AliasFreeSynthesis`.
        num_critical, first_cutoff, first_stopband, last_stopband_rel: as in :class:`AliasFreeSynthesis`.
        clamp, output_scale, magnitude_half_life: as in :class:`AliasFreeSynthesis`.
        mapping_layers, mapping_lr_multiplier, w_mean_decay: depth, `lr_multiplier` and `w_mean_decay` of the
            :class:`MappingNetwork`.

    Attributes:
        class_names, label_kind: as of :class:`Generator`.

    Shape:
        `z` ``(N, z_dim)``, `labels` ``(N,)`` or ``(N, num_labels)`` → ``(N, image_channels, height, width)``,
        trained to lie in [-1, 1].

    Raises:
        ValueError: as :class:`AliasFreeSynthesis` and :class:`MappingNetwork`.

    Example:
        >>> import torch
        >>> from stylelayers import AliasFreeGenerator
        >>> generator = AliasFreeGenerator(16, z_dim=8, w_dim=8, channel_base=128, num_layers=4, margin=2)
        >>> generator(torch.randn(2, 8), truncation_psi=0.7).shape
        torch.Size([2, 3, 16, 16])
    """

    synthesis: AliasFreeSynthesis

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
        num_layers: int = 14,
        configuration: str = "T",
        margin: int = 10,
        num_critical: int = 2,
        first_cutoff: float = 2.0,
        first_stopband: float = 2**2.1,
        last_stopband_rel: float = 2**0.3,
        clamp: float | None = 256.0,
        output_scale: float = 0.25,
        magnitude_half_life: float = 20_000,
        mapping_layers: int = 2,
        mapping_lr_multiplier: float = 0.01,
        w_mean_decay: float = 0.998,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        synthesis = AliasFreeSynthesis(
            w_dim,
            resolution,
            image_channels=image_channels,
            channel_base=channel_base,
            channel_max=channel_max,
            num_layers=num_layers,
            configuration=configuration,
            margin=margin,
            num_critical=num_critical,
            first_cutoff=first_cutoff,
            first_stopband=first_stopband,
            last_stopband_rel=last_stopband_rel,
            clamp=clamp,
            output_scale=output_scale,
            magnitude_half_life=magnitude_half_life,
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
            w_mean_decay=w_mean_decay,
            device=device,
            dtype=dtype,
        )
        super().__init__(synthesis, mapping)
        self.channel_base, self.channel_max, self.num_layers = channel_base, channel_max, num_layers
        self.configuration, self.margin, self.num_critical = configuration, margin, num_critical
        self.first_cutoff, self.first_stopband = first_cutoff, first_stopband
        self.last_stopband_rel, self.clamp, self.output_scale = last_stopband_rel, clamp, output_scale
        self.magnitude_half_life, self.mapping_layers = magnitude_half_life, mapping_layers
        self.mapping_lr_multiplier, self.w_mean_decay = mapping_lr_multiplier, w_mean_decay
