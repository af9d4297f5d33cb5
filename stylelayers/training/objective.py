"""What a GAN is trained for: the adversarial losses, the lazy penalties and how latents are mixed.

Sources: lazy regularisation, path length (arXiv:1912.04958, sections 3.1 and 3.2), R1 (arXiv:1801.04406), style
mixing (arXiv:1812.04948, section 3.1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .. import losses
from ..models import Discriminator, Generator, MappingNetwork
from .network_calls import NetworkCalls

__all__ = ["ADVERSARIAL_LOSSES", "StyleGAN2Objective", "mixed_styles"]

ADVERSARIAL_LOSSES = {
    "nonsaturating": (losses.nonsaturating_loss, losses.logistic_loss),
    "hinge": (losses.hinge_generator_loss, losses.hinge_discriminator_loss),
    "wasserstein": (losses.wasserstein_generator_loss, losses.wasserstein_discriminator_loss),
}


class StyleGAN2Objective(nn.Module):
    """Loss values of both networks; its state is the running mean of path lengths.

    Args:
        adversarial: ``"nonsaturating"``, ``"hinge"`` or ``"wasserstein"``.
        r1_gamma: weight of R1, which enters as ``gamma / 2``; 0 switches it off. Usual: 0.0002 * pixels / batch.
        r1_interval: iterations from one R1 step to the next.
        path_length_weight: weight of the path-length penalty; 0 switches it off.
        path_length_interval: iterations from one path-length step to the next.
        path_length_decay: weight of a batch in the running mean of lengths.
        path_length_batch_shrink: the penalty sees one in so many samples of a batch.
        style_mixing: probability that a sample takes its later styles from a second latent.

    Attributes:
        calls: how the networks are called, eager or compiled.

    Raises:
        ValueError: a value out of range, named as the configuration key ``loss.<argument>``.
    """

    def __init__(
        self,
        *,
        adversarial: str = "nonsaturating",
        r1_gamma: float = 1.0,
        r1_interval: int = 16,
        path_length_weight: float = 2.0,
        path_length_interval: int = 4,
        path_length_decay: float = 0.01,
        path_length_batch_shrink: int = 2,
        style_mixing: float = 0.9,
    ) -> None:
        super().__init__()
        if adversarial not in ADVERSARIAL_LOSSES:
            names = ", ".join(ADVERSARIAL_LOSSES)
            raise ValueError(f"loss.adversarial must be one of {names}, got {adversarial!r}")
        _check_range("r1_gamma", r1_gamma, 0.0, float("inf"))
        _check_range("path_length_weight", path_length_weight, 0.0, float("inf"))
        if not 0 < path_length_decay <= 1:
            raise ValueError(f"loss.path_length_decay must be in (0, 1], got {path_length_decay}")
        _check_range("style_mixing", style_mixing, 0.0, 1.0)
        for name, interval in (
            ("r1_interval", r1_interval),
            ("path_length_interval", path_length_interval),
            ("path_length_batch_shrink", path_length_batch_shrink),
        ):
            if not isinstance(interval, int) or interval < 1:
                raise ValueError(f"loss.{name} must be an int of at least 1, got {interval!r}")
        self.generator_criterion, self.discriminator_criterion = ADVERSARIAL_LOSSES[adversarial]
        self.r1_gamma, self.r1_interval = r1_gamma, r1_interval
        self.path_length_weight, self.path_length_interval = path_length_weight, path_length_interval
        self.path_length_batch_shrink, self.style_mixing = path_length_batch_shrink, style_mixing
        self.path_length_penalty = losses.PathLengthPenalty(path_length_decay)
        self.calls = NetworkCalls()

    @property
    def lazy_r1_interval(self) -> int | None:
        """Iterations between R1 steps, None without R1."""
        return self.r1_interval if self.r1_gamma else None

    @property
    def lazy_path_length_interval(self) -> int | None:
        """Iterations between path-length steps, None without the penalty."""
        return self.path_length_interval if self.path_length_weight else None

    def fake_images(self, generator: Generator, batch: int, labels: Tensor | None) -> Tensor:
        """Images of new latents, mixed; ``(batch, C, H, W)``."""
        return self.calls.synthesize(generator, self.fake_styles(generator, batch, labels))

    def fake_styles(self, generator: Generator, batch: int, labels: Tensor | None) -> Tensor:
        z = torch.randn(2, batch, generator.latent_dim, device=next(generator.parameters()).device)
        return mixed_styles(generator.mapping, z[0], z[1], labels, self.style_mixing)

    def path_length(self, generator: Generator, batch: int, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """The weighted penalty, times its interval, and the mean length it was made of."""
        batch = max(1, batch // self.path_length_batch_shrink)
        styles = self.fake_styles(generator, batch, None if labels is None else labels[:batch])
        lengths = self.calls.lengths(generator, styles)
        penalty = self.path_length_penalty(lengths)
        return penalty * (self.path_length_weight * self.path_length_interval), lengths.detach().mean()

    def r1(self, discriminator: Discriminator, images: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
        """The weighted penalty, times its interval, and the squared gradient norm it was made of."""
        penalty = self.calls.r1(discriminator, images, labels)
        return penalty * (self.r1_gamma / 2 * self.r1_interval), penalty.detach()


def mixed_styles(mapping: MappingNetwork, z: Tensor, z_other: Tensor, labels: Tensor | None, share: float) -> Tensor:
    """Styles ``(N, num_ws, style_dim)``; a `share` of the samples switches to `z_other` at a random layer."""
    ws = mapping(z, labels)
    if not share or mapping.num_ws < 2:
        return ws
    batch, layers = ws.shape[:2]
    switch = torch.randint(1, layers, (batch, 1), device=ws.device)
    switch = torch.where(torch.rand(batch, 1, device=ws.device) < share, switch, layers)
    first = torch.arange(layers, device=ws.device) < switch
    return torch.where(first.unsqueeze(-1), ws, mapping(z_other, labels))


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not isinstance(value, (int, float)) or not low <= value <= high:
        bounds = f"at least {low:g}" if high == float("inf") else f"in [{low:g}, {high:g}]"
        raise ValueError(f"loss.{name} must be {bounds}, got {value!r}")
