"""StyleGAN2's modulated convolution (arXiv:1912.04958, equations 1-3).

Differences from published implementations:

- the shared form is the default: demodulation needs only ``style² @ (weight² summed over the kernel)ᵀ``, so there
  are no per-sample weights, forward or backward;
- demodulation is computed in float32 under autocast, and float16 styles are brought to unit magnitude first,
  exactly (`eps` is scaled along), so that nothing overflows;
- all paddings and both orders of resampling of :func:`stylelayers.functional.resample_conv2d`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ._autocast import at_least_float32, in_dtype, without_autocast
from .resample_conv2d import resample_conv2d


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    *,
    demodulate: bool = True,
    up: int = 1,
    down: int = 1,
    padding: int | tuple[int, int, int, int] = 0,
    kernel: Tensor | Sequence[Any] | None = None,
    noise: Tensor | None = None,
    fused: bool | None = None,
    gain: float | Tensor = 1.0,
    eps: float = 1e-8,
    padding_mode: str = "zeros",
    resample_method: str = "fir",
) -> Tensor:
    r"""Convolve each sample with a weight whose input channels are scaled by the sample's style.

    .. math::
        w'_{oik} = style_i \, w_{oik}, \qquad
        w''_{oik} = w'_{oik} / \sqrt{\textstyle\sum_{ik} w'^2_{oik} + eps}

    Modulation and demodulation of arXiv:1912.04958, equations 1 and 3. Module: :class:`stylelayers.ModulatedConv2d`.

    Args:
        x: feature maps.
        weight: of the convolution, shared by all samples.
        style: one factor for each sample and input channel.
        demodulate: normalize each output filter of each sample to unit norm (equation 3).
        up, down, padding, kernel, padding_mode, resample_method: as in
            :func:`stylelayers.functional.resample_conv2d`.
        noise: added to the result; anything that broadcasts to it, usually ``(N, 1, H', W')``.
        fused: True for one grouped convolution over per-sample weights, False or None to scale activations around
            one shared convolution. The results are equal. On a CPU, fused takes 1.0 to 12 times as long, but 0.75 to
            0.96 for one image of 64 channels and 64x64 pixels under ``torch.compile``.
        gain: factor on the result, before the noise; a number or a scalar tensor.
        eps: added to the squared norms.

    Shape:
        ``(N, I, H, W)``, ``(O, I, k, k)``, ``(N, I)`` → ``(N, O, H', W')``.

    Raises:
        ValueError: shapes that do not fit, or options that cannot be combined.

    Example:
        >>> import torch
        >>> from stylelayers.functional import modulated_conv2d
        >>> x, weight, style = torch.randn(2, 8, 16, 16), torch.randn(4, 8, 3, 3), torch.ones(2, 8)
        >>> modulated_conv2d(x, weight, style, padding=1).shape
        torch.Size([2, 4, 16, 16])
    """
    if x.ndim != 4 or weight.ndim != 4 or x.shape[1] != weight.shape[1]:
        raise ValueError(
            f"modulated_conv2d: x must be (N, I, H, W) and weight (O, I, k, k), "
            f"got {tuple(x.shape)} and {tuple(weight.shape)}"
        )
    if style.shape != x.shape[:2]:
        raise ValueError(f"modulated_conv2d: style must be {tuple(x.shape[:2])}, got {tuple(style.shape)}")
    conv = partial(
        resample_conv2d,
        up=up,
        down=down,
        padding=padding,
        padding_mode=padding_mode,
        kernel=kernel,
        resample_method=resample_method,
    )
    floor: float | Tensor = eps
    if x.dtype == torch.float16 or style.dtype == torch.float16:
        style, floor = _unit_magnitude(style, eps, demodulate)
    scale = in_dtype(_demodulation(weight, style, floor), x.dtype) if demodulate else None
    if isinstance(gain, Tensor) or gain != 1:
        style, scale = (style * gain, None) if scale is None else (style, scale * gain)
    form = _per_sample if fused and x.shape[0] else _shared
    return form(x, weight, in_dtype(style, x.dtype), scale, noise, conv)


def _shared(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    scale: Tensor | None,
    noise: Tensor | None,
    conv: Callable[..., Tensor],
) -> Tensor:
    y = conv(x * style.view(*style.shape, 1, 1), weight)
    if scale is None:
        return y if noise is None else y + in_dtype(noise, y.dtype)
    scale = in_dtype(scale, y.dtype).view(*scale.shape, 1, 1)
    return y * scale if noise is None else torch.addcmul(in_dtype(noise, y.dtype), y, scale)


def _per_sample(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    scale: Tensor | None,
    noise: Tensor | None,
    conv: Callable[..., Tensor],
) -> Tensor:
    weights = weight * style[:, None, :, None, None]  # (N, O, I, k, k)
    if scale is not None:
        weights = weights * scale[:, :, None, None, None]
    y = conv(x.reshape(1, -1, *x.shape[2:]), weights.flatten(0, 1), groups=x.shape[0])
    y = y.reshape(x.shape[0], weight.shape[0], *y.shape[2:])
    return y if noise is None else y + noise.to(y.dtype)


def _demodulation(weight: Tensor, style: Tensor, eps: float | Tensor) -> Tensor:
    """1 / norm of each sample's output filters, ``(N, O)``, in float32 at least."""
    weight = at_least_float32(weight).flatten(2)
    style = in_dtype(style, weight.dtype)
    with without_autocast(style):
        power = (weight * weight) @ weight.new_ones(weight.shape[-1])  # five times faster than a sum over so few
        return ((style * style) @ power.t() + eps).rsqrt()


def _unit_magnitude(style: Tensor, eps: float | Tensor, demodulate: bool) -> tuple[Tensor, float | Tensor]:
    """Divide each sample's style by its largest magnitude and `eps` by its square; demodulation undoes it."""
    if not demodulate:
        return style, eps
    wide = style.float()
    largest = wide.abs().amax(1, keepdim=True).clamp(min=1e-6)
    return wide / largest, eps / largest.square()
