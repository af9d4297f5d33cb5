"""StyleGAN2's modulated convolution as a layer (arXiv:1912.04958, section 2.2 and equations 1-3)."""

from collections.abc import Sequence
from math import prod, sqrt
from typing import Any, cast

import torch
from torch import Tensor, nn

from .._checks import check_ints
from ..functional import blur2d, modulated_conv2d, pixel_norm
from ..functional._autocast import in_dtype_of
from ..functional.fir_kernel import Numbers
from ._describe import non_default_arguments
from ._names import answers_to_other_names
from ._resampling import Resampling, same_padding
from .equalized import EqualLinear


@answers_to_other_names
class ModulatedConv2d(nn.Module):
    r"""Convolution whose input channels are scaled by a style, a function of a latent.

    From arXiv:1912.04958, equations 1 to 3.

    The style is :math:`1 + A(latent)`, or :math:`1 + \mathrm{pixel\_norm}(A(latent))` with `normalize_style`, for
    a learned affine map :math:`A` (StyleGAN2 stores the 1 in the bias of :math:`A`). See
    :func:`stylelayers.functional.modulated_conv2d` for the formula.

    Args:
        in_channels, out_channels: at least 1.
        kernel_size: odd or even, at least 1; even kernels reach one pixel further to the right and bottom.
        latent_dim: length of the latent.
        resample: ``"up"`` doubles the size, ``"down"`` halves it, None keeps it.
        resample_method: ``"fir"`` (default with zero padding, which it needs) is StyleGAN2's transposed convolution
            then FIR, or FIR then strided convolution. ``"nearest"`` (default with the other paddings) is nearest x2,
            pad, convolve, add the bias, blur; or blur, pad, convolve, 2x2 average, add the bias. Both are the same
            linear operator except at the image's border.
        resample_filter: low-pass of the resampling. For ``"nearest"`` it must contain the box ``(1, 1)``, the
            filter of nearest-neighbour and average; the rest, ``(1, 2, 1)`` by default, is the blur.
        padding_mode: ``"zeros"``, ``"reflect"`` or ``"replicate"``.
        demodulate: normalize output filters; None means yes, except for 1x1 kernels.
        normalize_style: normalize the affine map's output to unit mean square.
        style_eps: added to the mean square under `normalize_style`.
        bias: learn a bias.
        gain: factor on the weights, which are scaled by ``gain / sqrt(fan_in)``; sqrt(2) is He scaling.
        eps: added to the squared norms under demodulation.

    Shape:
        `x` ``(N, in_channels, H, W)``, `latent` ``(N, latent_dim)`` → ``(N, out_channels, H, W)``, with height and
        width doubled or halved by `resample`.

    Attributes:
        weight: ``(out_channels, in_channels, kernel_size, kernel_size)``, initially unit normal.
        bias: ``(out_channels,)``, initially 0.
        affine: :class:`EqualLinear` from latents to styles, bias initially 0.

    Raises:
        ValueError: options that cannot be combined (at construction), shapes that do not fit (at call).

    Example:
        >>> import torch
        >>> from stylelayers import ModulatedConv2d
        >>> layer = ModulatedConv2d(8, 4, 3, latent_dim=16, resample="up", padding_mode="reflect")
        >>> layer(torch.randn(2, 8, 8, 8), torch.randn(2, 16)).shape
        torch.Size([2, 4, 16, 16])
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        latent_dim: int = 256,
        *,
        resample: str | None = None,
        resample_method: str | None = None,
        resample_filter: Sequence[Any] = (1, 3, 3, 1),
        padding_mode: str = "zeros",
        demodulate: bool | None = None,
        normalize_style: bool = False,
        style_eps: float = 1e-8,
        bias: bool = True,
        gain: float = 1.0,
        eps: float = 1e-8,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        caller = "ModulatedConv2d"
        sizes = {"in_channels": in_channels, "out_channels": out_channels}
        check_ints(caller, **sizes, kernel_size=kernel_size, latent_dim=latent_dim)
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.latent_dim, self.normalize_style, self.gain, self.eps = latent_dim, normalize_style, gain, eps
        self.style_eps = style_eps
        self.demodulate = kernel_size > 1 if demodulate is None else demodulate
        self.resampling = Resampling.from_arguments(caller, resample, resample_method, resample_filter, padding_mode)
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.scale = gain / sqrt(prod(shape[1:]))
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.register_parameter(
            "bias", nn.Parameter(torch.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.affine = EqualLinear(latent_dim, in_channels, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)
        self.affine.reset_parameters()

    def forward(self, x: Tensor, latent: Tensor, *, noise: Tensor | None = None, gain: float = 1.0) -> Tensor:
        """Convolve `x` under the style of `latent`, times `gain`, plus `noise` ``(N, 1, H', W')``, plus the bias."""
        if latent.ndim != 2 or latent.shape[1] != self.latent_dim:
            raise ValueError(f"ModulatedConv2d: latent must be (N, {self.latent_dim}), got {tuple(latent.shape)}")
        y = modulated_conv2d(
            in_dtype_of(self.weight, x, "ModulatedConv2d"),
            self.weight * self.scale,  # the graph keeps the product: FSDP frees the parameter between two backwards
            self.style(latent),
            demodulate=self.demodulate,
            up=self.resampling.up,
            down=self.resampling.down,
            padding=same_padding(self.kernel_size),
            kernel=self.resampling.taps,
            noise=noise,
            gain=gain,
            eps=self.eps,
            padding_mode=self.resampling.padding_mode,
            resample_method=self.resampling.method,
        )
        return y if self.bias is None else y + self._resampled_bias(y)

    def _resampled_bias(self, y: Tensor) -> Tensor:
        """The bias as it comes out of the blur of nearest-neighbour enlarging, whose zero padding it meets."""
        bias = cast(Tensor, self.bias).to(y.dtype)[:, None, None]
        if self.resampling.method == "fir" or self.resampling.resample != "up":
            return bias
        return bias * blur2d(y.new_ones(1, 1, *y.shape[2:]), cast(Numbers, self.resampling.taps))

    def style(self, latent: Tensor) -> Tensor:
        """Latents ``(N, latent_dim)`` → factors on the input channels ``(N, in_channels)``."""
        style = self.affine(latent)
        return 1 + (pixel_norm(style, eps=self.style_eps) if self.normalize_style else style)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"latent_dim={self.latent_dim}{self.resampling}, demodulate={self.demodulate}"
        ) + non_default_arguments(
            normalize_style=(self.normalize_style, False),
            style_eps=(self.style_eps, 1e-8),
            bias=(self.bias is not None, True),
            gain=(self.gain, 1.0),
            eps=(self.eps, 1e-8),
        )
