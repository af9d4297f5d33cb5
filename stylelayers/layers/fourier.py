"""Fourier features, from which an alias-free generator starts (arXiv:2106.12423, section 3.2 and appendix F).

An infinite signal, known at any position, takes the place of StyleGAN2's learned constant: the image can be moved and
turned before it is sampled. The latent moves and turns it too.

Difference from published implementations: a transform can be given for a call, for each sample its own.
"""

from math import cos, pi, sin, sqrt

import torch
from torch import Tensor, nn

from .._checks import check_ints
from ..functional._autocast import at_least_float32, in_dtype, without_autocast
from ._names import answers_to_other_names
from .alias_free import Sampling
from .equalized import EqualLinear


@answers_to_other_names
class FourierInput(nn.Module):
    r"""Sine waves of fixed random frequencies and phases, mixed by a learned matrix.

    The input of StyleGAN3 (arXiv:2106.12423, section 3.2 and appendix F).

    A feature at position `q` is :math:`a(F') \sin(2 \pi (F' q + p'))`, where the frequency `F` and the phase `p`
    became `F'` and `p'` under a turn and a shift learned from the latent, and under `transform`. Its amplitude `a`
    falls from 1 at the cutoff to 0 at half the rate.

    Args:
        num_channels: number of waves, and of channels of the output.
        latent_dim: length of the latent.
        sampling: :class:`stylelayers.layers.Sampling` of the output; the frequencies lie within its cutoff.

    Shape:
        `latent` ``(N, latent_dim)``, `transform` ``(3, 3)`` or ``(N, 3, 3)`` in place of the buffer → ``(N,
        num_channels, *sampling.size)``.

    Attributes:
        weight: ``(num_channels, num_channels)``, initially unit normal.
        affine: :class:`EqualLinear` from the latent to the cosine and sine of a turn, and a shift ``(x, y)``, all four
            divided by the length of the first two; initially no turn and no shift, whatever the latent.
        frequencies: ``(num_channels, 2)`` buffer, ``(x, y)`` in cycles per unit of length, drawn by `reset_parameters`.
        phases: ``(num_channels,)`` buffer in cycles, drawn from [-0.5, 0.5].
        transform: ``(3, 3)`` buffer, initially the identity: what moves the image, see
            :func:`stylelayers.layers.motion`.

    Raises:
        ValueError: arguments out of range (at construction); a latent or transform of another shape (at call).

    Example:
        >>> import torch
        >>> from stylelayers import FourierInput
        >>> from stylelayers.layers import Sampling, motion
        >>> layer = FourierInput(8, 16, Sampling(36, rate=16, cutoff=2.0, half_width=6.0))
        >>> layer(torch.randn(2, 16), transform=motion(0.25, 0.0)).shape
        torch.Size([2, 8, 36, 36])
    """

    weight: Tensor
    frequencies: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(
        self,
        num_channels: int,
        latent_dim: int,
        sampling: Sampling,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        check_ints("FourierInput", num_channels=num_channels, latent_dim=latent_dim)
        self.num_channels, self.latent_dim, self.sampling = num_channels, latent_dim, sampling
        self.weight = nn.Parameter(torch.empty(num_channels, num_channels, device=device, dtype=dtype))
        self.affine = EqualLinear(latent_dim, 4, device=device, dtype=dtype)
        self.register_buffer("frequencies", torch.empty(num_channels, 2, device=device, dtype=dtype))
        self.register_buffer("phases", torch.empty(num_channels, device=device, dtype=dtype))
        self.register_buffer("transform", torch.empty(3, 3, device=device, dtype=dtype))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)  # type: ignore[arg-type]
        self.affine.bias[0] = 1.0  # type: ignore[index]
        nn.init.normal_(self.frequencies)
        radii = self.frequencies.square().sum(1, keepdim=True).sqrt()
        self.frequencies /= radii * radii.square().exp().pow(0.25)  # uniform over a disc
        self.frequencies *= self.sampling.cutoff
        nn.init.uniform_(self.phases, -0.5, 0.5)
        nn.init.eye_(self.transform)

    def forward(self, latent: Tensor, *, transform: Tensor | None = None) -> Tensor:
        """Sample the waves.

        Args:
            latent: one for each sample.
            transform: ``(3, 3)``, or one for each sample, in place of the buffer.
        """
        if latent.ndim != 2 or latent.shape[1] != self.latent_dim:
            raise ValueError(f"FourierInput: latent must be (N, {self.latent_dim}), got {tuple(latent.shape)}")
        if transform is not None and transform.shape not in ((3, 3), (len(latent), 3, 3)):
            raise ValueError(
                f"FourierInput: transform must be (3, 3) or ({len(latent)}, 3, 3), got {tuple(transform.shape)}"
            )
        with without_autocast(latent):  # half precision has too few digits for phases
            turned = at_least_float32(self.affine(latent))
            waves = self._waves(turned, self.transform if transform is None else transform)
            waves = in_dtype(waves, self.weight.dtype)
            mixed = (self.weight / sqrt(self.num_channels)) @ waves.flatten(2)
        return mixed.unflatten(2, self.sampling.size)

    def extra_repr(self) -> str:
        return f"{self.num_channels}, latent_dim={self.latent_dim}, {self.sampling}"

    def _waves(self, turned: Tensor, transform: Tensor) -> Tensor:
        """Waves ``(N, C, H, W)`` under the motions of latents, ``(N, 4)``, and of a user."""
        frequencies, phases = self.frequencies.to(turned.dtype), self.phases.to(turned.dtype)
        matrix = _motion_of_latents(turned) @ transform.to(turned)
        phases = phases + (matrix[:, :2, 2] @ frequencies.T)  # (N, C)
        frequencies = frequencies @ matrix[:, :2, :2]  # (N, C, 2)
        cutoff, limit = self.sampling.cutoff, self.sampling.rate / 2
        lengths = frequencies.square().sum(2).sqrt()
        amplitudes = (1 - (lengths - cutoff) / (limit - cutoff)).clamp(0, 1) if limit > cutoff else lengths <= cutoff
        y, x = (self._positions(axis, turned) for axis in (0, 1))
        cycles = frequencies[:, :, 1, None] * y + phases[:, :, None]  # (N, C, H)
        cycles = cycles[..., None] + (frequencies[:, :, 0, None] * x)[:, :, None]
        return (cycles * (2 * pi)).sin() * amplitudes[:, :, None, None]

    def _positions(self, axis: int, like: Tensor) -> Tensor:
        """Positions of the samples along an axis; 0 is the middle of the image."""
        size = self.sampling.size[axis]
        samples = torch.arange(size, dtype=like.dtype, device=like.device)
        return (samples + (0.5 - size / 2)) / self.sampling.rate


def motion(right: float = 0.0, down: float = 0.0, turn: float = 0.0) -> Tensor:
    """The `transform` of a :class:`stylelayers.FourierInput` that turns the image about its middle, then moves it.

    Of StyleGAN3, arXiv:2106.12423, section 3.2.

    Args:
        right, down: in units of the image's shorter side.
        turn: counter-clockwise, in radians.

    Shape:
        float64 ``(3, 3)``: the inverse of the motion, since it tells where a position of the image comes from.

    Example:
        >>> from stylelayers.layers import motion
        >>> motion(right=0.25)[0].tolist()
        [1.0, -0.0, -0.25]
    """
    c, s = cos(turn), sin(turn)
    back = [[c, -s, -c * right + s * down], [s, c, -s * right - c * down], [0.0, 0.0, 1.0]]
    return torch.tensor(back, dtype=torch.float64, device="cpu")


def _motion_of_latents(turned: Tensor) -> Tensor:
    """Matrices ``(N, 3, 3)`` of a shift, then a turn, from the outputs ``(N, 4)`` of the affine map."""
    turned = turned / turned[:, :2].square().sum(1, keepdim=True).sqrt()
    c, s, x, y = turned.unbind(1)
    zero, one = torch.zeros_like(c), torch.ones_like(c)
    turn = torch.stack([c, -s, zero, s, c, zero, zero, zero, one], 1).unflatten(1, (3, 3))
    shift = torch.stack([one, zero, -x, zero, one, -y, zero, zero, one], 1).unflatten(1, (3, 3))
    return turn @ shift
