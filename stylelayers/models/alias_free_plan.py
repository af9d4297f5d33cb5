"""The plan of an alias-free generator's layers: what each keeps of the spectrum (arXiv:2106.12423, fig. 4c).

Frequencies and rates are per shorter side of the image, R pixels.

Differences from published implementations: R is any number that the rates divide, and images may be rectangular.
"""

from dataclasses import dataclass
from math import ceil, log2

from .._checks import check_choice, check_ints, check_number, check_resolution
from .._tables import Table
from ..layers import Sampling
from ..layers.alias_free import Resampling

CONFIGURATIONS = {"T": (3, False), "R": (1, True)}  # kernel size, radial filters
FILTER_TAPS, OVERSAMPLING = 6, 2


@dataclass(frozen=True)
class PlannedLayer:
    """One layer of the plan.

    Attributes:
        channels: of the output.
        sampling: of the output.
        stopband: frequency from which on nothing is kept.
        kernel_size: of the convolution.
        radial: whether the filter after the activation is the same in all directions.
        to_rgb: whether it makes the image.
        resampling: factors, taps and padding from the layer before.
    """

    channels: int
    sampling: Sampling
    stopband: float
    kernel_size: int
    radial: bool
    to_rgb: bool
    resampling: Resampling


@dataclass(frozen=True)
class AliasFreePlan:
    """All layers of a synthesis network (arXiv:2106.12423, figure 4c); ``print(plan)`` shows them as a table.

    :meth:`of` makes a plan. Frequencies are in cycles, rates in samples, per shorter side of the image.

    Attributes:
        resolution: ``(height, width)`` of the image.
        configuration: ``"T"`` or ``"R"``.
        layers: the layers, the last of which makes the image. The Fourier features have the channels and the sampling
            of the first.

    Example:
        >>> from stylelayers.models import AliasFreePlan
        >>> plan = AliasFreePlan.of("AliasFreePlan", 256)
        >>> [layer.sampling.rate for layer in plan.layers][::4]
        [16, 32, 128, 256]
    """

    resolution: tuple[int, int]
    configuration: str
    layers: tuple[PlannedLayer, ...]

    @staticmethod
    def of(
        caller: str,
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
    ) -> "AliasFreePlan":
        """Plan the layers; arguments as in :class:`stylelayers.AliasFreeSynthesis`, `caller` is named in errors.

        Raises:
            ValueError: arguments out of range, or sides that the rates do not divide.
        """
        check_ints(caller, image_channels=image_channels, channel_base=channel_base, channel_max=channel_max)
        check_ints(caller, num_layers=num_layers)
        check_ints(caller, least=0, margin=margin, num_critical=num_critical)
        check_number(caller, above=0, first_cutoff=first_cutoff, first_stopband=first_stopband)
        check_number(caller, least=1, most=16, last_stopband_rel=last_stopband_rel)
        kernel_size, radial = CONFIGURATIONS[check_choice(caller, "configuration", configuration, [*CONFIGURATIONS])]
        sides = check_resolution(caller, resolution)
        last_cutoff = min(sides) / 2
        if not num_critical < num_layers:
            raise ValueError(f"{caller}: num_critical must be below num_layers, {num_layers}, got {num_critical}")
        if not first_cutoff <= min(last_cutoff, first_stopband):
            limit = f"half the shorter side, {last_cutoff:g}, and first_stopband, {first_stopband:g}"
            raise ValueError(f"{caller}: first_cutoff must be at most {limit}, got {first_cutoff:g}")
        layers: list[PlannedLayer] = []
        for index in range(num_layers + 1):
            progress = min(index / (num_layers - num_critical), 1.0)
            cutoff = first_cutoff * (last_cutoff / first_cutoff) ** progress
            stopband = first_stopband * (last_cutoff * last_stopband_rel / first_stopband) ** progress
            rate, size = _rate_and_size(caller, sides, stopband, 0 if index >= num_layers - 1 else margin)
            width = max(stopband, rate / 2) - cutoff
            sampling = Sampling(size, rate, min(cutoff, rate / 2), width)
            before, to_rgb = layers[-1].sampling if layers else sampling, index == num_layers
            kernel = 1 if to_rgb else kernel_size
            resampling = Resampling.between(
                before,
                sampling,
                kernel_size=kernel,
                oversampling=1 if to_rgb else OVERSAMPLING,
                filter_taps=FILTER_TAPS,
            )
            channels = image_channels if to_rgb else round(min(channel_base / 2 / cutoff, channel_max))
            is_critical = index >= num_layers - num_critical
            layers.append(
                PlannedLayer(
                    max(channels, 1), sampling, stopband, kernel, radial and not is_critical, to_rgb, resampling
                )
            )
        return AliasFreePlan(sides, configuration, tuple(layers))

    def __str__(self) -> str:
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def _table(self) -> Table:
        return Table(_HEADINGS, [_cells(f"L{index}", layer) for index, layer in enumerate(self.layers)], left=0)


_HEADINGS = ("layer", "cutoff", "stopband", "half width", "rate", "size", "channels", "up", "down", "taps", "padding")


def _cells(name: str, layer: PlannedLayer) -> tuple[str, ...]:
    """A row of the table; taps as ``12, 12x12`` for a separable filter before and a radial one after."""
    sampling, step = layer.sampling, layer.resampling
    after = f"{step.down_taps}x{step.down_taps}" if layer.radial else str(step.down_taps)
    taps = "none" if step.up_taps == step.down_taps == 1 else f"{step.up_taps}, {after}"
    numbers = (f"{value:.2f}" for value in (sampling.cutoff, layer.stopband, sampling.half_width))
    height, width = sampling.size
    counts = (f"{height}x{width}", str(layer.channels), str(step.up), str(step.down))
    name += " RGB" if layer.to_rgb else ""
    return (name, *numbers, f"{sampling.rate:g}", *counts, taps, " ".join(map(str, step.padding)))


def _rate_and_size(caller: str, sides: tuple[int, int], stopband: float, margin: int) -> tuple[int, tuple[int, int]]:
    """The lowest rate of R, R / 2, R / 4 … that is twice the stopband, at most R, and the size at that rate."""
    shorter = min(sides)
    halvings = -ceil(log2(min(2 * stopband, shorter) / shorter) - 1e-9)  # rounding doubles no rate
    if any(side % 2**halvings for side in sides):
        raise ValueError(
            f"{caller}: resolution must be a multiple of {2**halvings} along both axes, since the rate of a layer "
            f"that keeps frequencies up to {stopband:.3g} is 1/{2**halvings} of the image's, got {sides}"
        )
    height, width = (side // 2**halvings + 2 * margin for side in sides)
    return shorter // 2**halvings, (height, width)
