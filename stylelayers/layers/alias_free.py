"""The layer of the alias-free generator (arXiv:2106.12423, section 3 and appendix B), and how its signals are sampled.

Frequencies, rates and widths are in cycles and samples per unit of length, for which networks take the shorter side of
the image.

Differences from published implementations:

- filters are plain numbers, designed when the layer is built, and no part of the state;
- rectangular images;
- the running magnitude decays by images rather than by batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, log2, prod, sqrt
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _disable_current_modes

from .._checks import check_ints, check_number, is_int
from ..functional import filtered_lrelu, lowpass_filter, modulated_conv2d
from ..functional._autocast import in_dtype_of
from ..functional._buffers import move_buffer
from ..functional.fir_kernel import CheckedTaps, Numbers, numbers_of
from ._describe import non_default_arguments
from ._names import answers_to_other_names
from .equalized import EqualLinear


@dataclass(frozen=True)
class Sampling:
    """How a feature map samples its band-limited signal (arXiv:2106.12423, section 3).

    Args:
        size: of the map in samples, an int or ``(height, width)``, margins included.
        rate: samples per unit of length.
        cutoff: highest frequency that the signal keeps, at most half the rate.
        half_width: of the filter's transition band, from the cutoff to the stopband.

    Raises:
        ValueError: numbers out of range.

    Example:
        >>> from stylelayers.layers import Sampling
        >>> Sampling(36, rate=16, cutoff=2.0, half_width=6.0).size
        (36, 36)
    """

    size: tuple[int, int]
    rate: float
    cutoff: float
    half_width: float

    def __init__(self, size: int | Sequence[int], rate: float, cutoff: float, half_width: float) -> None:
        pair = [size, size] if isinstance(size, int) else [*size]
        if len(pair) != 2 or not all(is_int(side) and side >= 1 for side in pair):
            raise ValueError(f"Sampling: size must be an int or (height, width), each at least 1, got {size!r}")
        check_number("Sampling", above=0, rate=rate, cutoff=cutoff, half_width=half_width)
        if not isfinite(rate) or not isfinite(half_width) or cutoff > rate / 2:
            limits = f"a finite rate and half_width, and a cutoff of at most {rate / 2:g}"
            raise ValueError(f"Sampling: needs {limits}, got {rate:g}, {half_width:g} and {cutoff:g}")
        for name, value in (("size", tuple(pair)), ("rate", rate), ("cutoff", cutoff), ("half_width", half_width)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Resampling:
    """Factors, taps and padding around a filtered activation.

    Attributes:
        up, down: factors before and after the activation.
        up_taps, down_taps: along an axis; 1 where there is no filter.
        padding: ``(left, right, top, bottom)`` in samples after zeros are inserted; negative values crop.
    """

    up: int
    down: int
    up_taps: int
    down_taps: int
    padding: tuple[int, int, int, int]

    @staticmethod
    def between(
        before: Sampling, after: Sampling, *, kernel_size: int, oversampling: int, filter_taps: int
    ) -> "Resampling":
        """From the sampling `before` a convolution that widens the map by ``kernel_size - 1`` to that `after` it.

        The activation is computed at `oversampling` times the higher of both rates (section 3.2).

        Raises:
            ValueError: rates that are no powers of two of each other.
        """
        if not log2(before.rate / after.rate).is_integer() or not log2(oversampling).is_integer():
            raise ValueError(
                f"AliasFreeConv: the ratio of the rates and oversampling must be powers of two, "
                f"got {before.rate:g} to {after.rate:g} and {oversampling}"
            )
        middle = max(before.rate, after.rate) * oversampling
        up, down = round(middle / before.rate), round(middle / after.rate)
        up_taps, down_taps = (filter_taps * factor if factor > 1 else 1 for factor in (up, down))
        sides: list[int] = []
        for entering, leaving in zip(before.size[::-1], after.size[::-1], strict=True):  # width, then height
            total = (leaving - 1) * down + 1 - (entering + kernel_size - 1) * up + up_taps + down_taps - 2
            sides += [(total + up) // 2, total - (total + up) // 2]
        return Resampling(up, down, up_taps, down_taps, cast(tuple[int, int, int, int], tuple(sides)))


@answers_to_other_names
class AliasFreeConv(nn.Module):
    """Modulated convolution and leaky ReLU that create no aliases, from one sampling to another.

    The input, divided by the root of its running mean square, is convolved under a style with a padding of
    ``kernel_size - 1``, gets a bias, and passes :func:`stylelayers.functional.filtered_lrelu`, which changes its rate
    and size (arXiv:2106.12423, figure 4b).

    Args:
        in_channels, out_channels, kernel_size: of the convolution.
        latent_dim: length of the latent.
        before, after: :class:`stylelayers.layers.Sampling` of the input and the output; rates are powers of two of each
            other.
        to_rgb: no demodulation, and neither filters nor leaky ReLU: the image, if `kernel_size` is 1.
        radial: the filter after the activation is the same in all directions, for rotation equivariance.
        filter_taps: taps of a filter for a factor of 1; of a factor of `u` it has `u` times as many.
        oversampling: rate of the activation over the higher of both rates, a power of two.
        slope: of the leaky ReLU, whose gain is sqrt(2).
        clamp: the largest magnitude of the activation, None for no limit.
        magnitude_half_life: of the running magnitude, in images.

    Shape:
        `x` ``(N, in_channels, *before.size)``, `latent` ``(N, latent_dim)`` → ``(N, out_channels, *after.size)``.

    Attributes:
        weight: ``(out_channels, in_channels, kernel_size, kernel_size)``, initially unit normal.
        bias: ``(out_channels,)``, initially 0.
        affine: :class:`EqualLinear` from latents to styles, bias initially 1.
        magnitude_ema: ``()`` buffer, initially 1: the mean square of inputs, updated by every call in training mode.

    Raises:
        ValueError: arguments out of range, rates or sizes that do not fit (at construction), inputs of other shapes (at
            call).

    Example:
        >>> import torch
        >>> from stylelayers import AliasFreeConv
        >>> from stylelayers.layers import Sampling
        >>> before = Sampling(20, rate=16, cutoff=4.0, half_width=4.0)
        >>> after = Sampling(36, rate=32, cutoff=8.0, half_width=8.0)
        >>> layer = AliasFreeConv(8, 4, 3, latent_dim=16, before=before, after=after)
        >>> layer(torch.randn(2, 8, 20, 20), torch.randn(2, 16)).shape
        torch.Size([2, 4, 36, 36])
    """

    weight: Tensor
    bias: Tensor
    magnitude_ema: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        latent_dim: int = 256,
        *,
        before: Sampling,
        after: Sampling,
        to_rgb: bool = False,
        radial: bool = False,
        filter_taps: int = 6,
        oversampling: int = 2,
        slope: float = 0.2,
        clamp: float | None = 256.0,
        magnitude_half_life: float = 20_000,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        caller = "AliasFreeConv"
        sizes = {"in_channels": in_channels, "out_channels": out_channels}
        check_ints(caller, **sizes, kernel_size=kernel_size, latent_dim=latent_dim, filter_taps=filter_taps)
        check_ints(caller, oversampling=oversampling)
        check_number(caller, above=0, magnitude_half_life=magnitude_half_life, clamp=1.0 if clamp is None else clamp)
        check_number(caller, slope=slope)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.latent_dim, self.before, self.after, self.to_rgb = latent_dim, before, after, to_rgb
        self.radial, self.filter_taps, self.oversampling = radial, filter_taps, oversampling
        self.slope, self.clamp, self.magnitude_half_life = slope, clamp, magnitude_half_life
        self.resampling = Resampling.between(
            before,
            after,
            kernel_size=kernel_size,
            oversampling=1 if to_rgb else oversampling,
            filter_taps=filter_taps,
        )
        self.up_filter, self.down_filter = self._filters()
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.scale = 1 / sqrt(prod(shape[1:]))
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype))
        self.affine = EqualLinear(latent_dim, in_channels, bias_init=1.0, device=device, dtype=dtype)
        self.register_buffer("magnitude_ema", torch.empty((), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)
        self.affine.reset_parameters()
        nn.init.ones_(self.magnitude_ema)

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1:] != (self.in_channels, *self.before.size):
            expected = f"(N, {self.in_channels}, {self.before.size[0]}, {self.before.size[1]})"
            raise ValueError(f"AliasFreeConv: x must be {expected}, got {tuple(x.shape)}")
        if latent.ndim != 2 or latent.shape[1] != self.latent_dim:
            raise ValueError(f"AliasFreeConv: latent must be (N, {self.latent_dim}), got {tuple(latent.shape)}")
        x = in_dtype_of(self.weight, x, "AliasFreeConv")
        if self.training and len(x):
            self._update_magnitude(x)
        y = modulated_conv2d(
            x,
            self.weight * self.scale,
            self.affine(latent),
            demodulate=not self.to_rgb,
            padding=self.kernel_size - 1,
            gain=self.magnitude_ema.rsqrt(),
        )
        return filtered_lrelu(
            y,
            self.bias,
            up_filter=self.up_filter,
            down_filter=self.down_filter,
            up=self.resampling.up,
            down=self.resampling.down,
            padding=self.resampling.padding,
            gain=1.0 if self.to_rgb else sqrt(2),
            slope=1.0 if self.to_rgb else self.slope,
            clamp=self.clamp,
        )

    def extra_repr(self) -> str:
        samplings = f"before={self.before}, after={self.after}"
        return f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, {samplings}" + (
            non_default_arguments(
                to_rgb=(self.to_rgb, False),
                radial=(self.radial, False),
                filter_taps=(self.filter_taps, 6),
                oversampling=(self.oversampling, 2),
                slope=(self.slope, 0.2),
                clamp=(self.clamp, 256.0),
                magnitude_half_life=(self.magnitude_half_life, 20_000),
            )
        )

    def _filters(self) -> tuple[Numbers | None, Numbers | None]:
        """Taps before the activation, of the signal that comes, and after it, of the signal that leaves."""
        rate = self.before.rate * self.resampling.up
        taps = self.resampling.up_taps, self.resampling.down_taps
        return (
            _taps(taps[0], self.before, rate, radial=False),
            _taps(taps[1], self.after, rate, radial=self.radial),
        )

    def _update_magnitude(self, x: Tensor) -> None:
        decay = 0.5 ** (x.shape[0] / self.magnitude_half_life)
        now = x.detach().to(torch.promote_types(x.dtype, torch.float32)).square().mean()
        moved = self.magnitude_ema.lerp(now.to(self.magnitude_ema.dtype), 1 - decay)
        move_buffer(self, "magnitude_ema", torch.where(moved.isfinite(), moved, self.magnitude_ema))


def _taps(taps: int, sampling: Sampling, rate: float, *, radial: bool) -> Numbers | None:
    if taps == 1:
        return None
    with _disable_current_modes():  # numbers, also while networks are built of fake tensors
        kernel = lowpass_filter(taps, sampling.cutoff, 2 * sampling.half_width, rate, radial=radial)
        return cast(Numbers, CheckedTaps(numbers_of(kernel)))
