"""What a GAN is trained for: the adversarial losses, the lazy penalties and how latents are mixed.

Sources: lazy regularisation, path length (arXiv:1912.04958, sections 3.1 and 3.2), R1 and R2 (arXiv:1801.04406),
gradient penalty (arXiv:1704.00028), style mixing (arXiv:1812.04948, section 3.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import cast

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from .. import losses
from ..models import Discriminator, Generator, MappingNetwork
from .network_calls import NetworkCalls
from .steps import Part, Penalty

__all__ = ["ADVERSARIAL_LOSSES", "PENALTIES", "StyleGAN2Loss", "mixed_styles"]

ADVERSARIAL_LOSSES: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "nonsaturating": (losses.nonsaturating_loss, losses.logistic_loss),
    "hinge": (losses.hinge_generator_loss, losses.hinge_discriminator_loss),
    "wasserstein": (losses.wasserstein_generator_loss, losses.wasserstein_discriminator_loss),
    "relativistic": (losses.relativistic_generator_loss, losses.relativistic_discriminator_loss),
}
PENALTIES = {
    "r1_gamma": "R1",
    "r2_gamma": "R2",
    "gradient_penalty_weight": "gradient penalty",
    "path_length_weight": "path length",
}
GAMMA_PER_PIXEL = 0.0002  # of "auto", times pixels / batch
Value = tuple[Tensor, dict[str, Tensor]]


class StyleGAN2Loss(nn.Module):
    """Loss values of both networks; its state is the running mean of path lengths.

    A penalty of interval 1 is part of its network's step; with a longer interval it is a step of its own now and
    then, its weight times the interval (lazy regularisation).

    Args:
        adversarial: ``"nonsaturating"``, ``"hinge"``, ``"wasserstein"`` or ``"relativistic"``, which pairs every
            generated image with a real one (arXiv:2501.05441).
        r1_gamma: weight of R1, on real images, which enters as ``gamma / 2``; 0 switches it off. ``"auto"`` is
            0.0002 * pixels / images of a batch over all processes, once :meth:`resolve` has told them.
        r2_gamma: the same of R2, on generated images.
        r1_interval: iterations from one step of R1 and R2 to the next.
        gradient_penalty_weight: weight of the penalty of WGAN-GP (arXiv:1704.00028), usually 10; 0 switches it off.
        gradient_penalty_interval: iterations from one of its steps to the next.
        path_length_weight: weight of the path-length penalty; 0 switches it off.
        path_length_interval: iterations from one path-length step to the next.
        path_length_decay: weight of a batch in the running mean of lengths.
        path_length_batch_shrink: the penalty sees one in so many samples of a batch.
        style_mixing: probability that a sample takes its later styles from a second latent.

    Attributes:
        calls: how the networks are called, eager or compiled.
        switched_on: the penalties' weights that were not 0 when the objective was made.
        automatic: the values of those that are ``"auto"``, None until they are known.

    Raises:
        ValueError: a value out of range, named as the configuration key ``loss.<argument>``.
    """

    def __init__(
        self,
        *,
        adversarial: str = "nonsaturating",
        r1_gamma: float | str = 1.0,
        r2_gamma: float | str = 0.0,
        r1_interval: int = 16,
        gradient_penalty_weight: float = 0.0,
        gradient_penalty_interval: int = 1,
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
        if not 0 < path_length_decay <= 1:
            raise ValueError(f"loss.path_length_decay must be in (0, 1], got {path_length_decay}")
        _check_range("style_mixing", style_mixing, 0.0, 1.0)
        self.adversarial = adversarial
        self.generator_criterion, self.discriminator_criterion = ADVERSARIAL_LOSSES[adversarial]
        gammas = {"r1_gamma": r1_gamma, "r2_gamma": r2_gamma}
        self.automatic: dict[str, float | None] = {name: None for name, value in gammas.items() if value == "auto"}
        self.r1_gamma, self.r2_gamma = (math.nan if g == "auto" else cast(float, g) for g in gammas.values())
        self.r1_interval = r1_interval
        self.gradient_penalty_weight = gradient_penalty_weight
        self.gradient_penalty_interval = gradient_penalty_interval
        self.path_length_weight, self.path_length_interval = path_length_weight, path_length_interval
        self.path_length_decay = path_length_decay
        self.path_length_batch_shrink, self.style_mixing = path_length_batch_shrink, style_mixing
        for name in PENALTIES.keys() - self.automatic.keys():
            _check_range(name, getattr(self, name), 0.0, float("inf"))
        for name in ("r1_interval", "gradient_penalty_interval", "path_length_interval", "path_length_batch_shrink"):
            if not isinstance(interval := getattr(self, name), int) or interval < 1:
                raise ValueError(f"loss.{name} must be an int of at least 1, got {interval!r}")
        self.switched_on = frozenset(name for name in PENALTIES if getattr(self, name))
        self.path_length_penalty = losses.PathLengthPenalty(path_length_decay)
        self.calls = NetworkCalls()

    def resolve(self, resolution: tuple[int, int], batch: int | None) -> None:
        """Give the weights that are ``"auto"`` their value, unless they have one.

        Args:
            resolution: of the images.
            batch: images of an iteration, over all processes; None if it is not known.
        """
        unknown = [name for name, value in self.automatic.items() if value is None]
        if unknown and batch is None:
            raise ValueError(f"loss.{unknown[0]}=auto needs a data module with a batch_size; set a number")
        if batch is None:
            return
        gamma = GAMMA_PER_PIXEL * resolution[0] * resolution[1] / batch
        self.restore(dict.fromkeys(unknown, gamma))
        for name, value in self.automatic.items():
            if value is not None and not math.isclose(value, gamma):
                rank_zero_warn(
                    f"loss.{name}=auto stays the {value:.4g} that training began with; for {batch} images an iteration "
                    f"it would be {gamma:.4g}: set a number to change it"
                )

    def restore(self, automatic: Mapping[str, float | None]) -> None:
        """Take values of an earlier run for the weights that are ``"auto"``."""
        for name in self.automatic.keys() & automatic.keys():
            if automatic[name] is not None:
                self.automatic[name] = automatic[name]
                setattr(self, name, automatic[name])

    @property
    def generator_penalties(self) -> list[Penalty]:
        """Those that are on."""
        lengths = Penalty(self.path_length, self.path_length_interval)
        return [lengths] if "path_length_weight" in self.switched_on else []

    @property
    def discriminator_penalties(self) -> list[Penalty]:
        """Those that are on."""
        penalties = {
            "r1_gamma": Penalty(self.r1, self.r1_interval),
            "r2_gamma": Penalty(self.r2, self.r1_interval),
            "gradient_penalty_weight": Penalty(self.gradient_penalty, self.gradient_penalty_interval),
        }
        return [penalty for name, penalty in penalties.items() if name in self.switched_on]

    def generator_loss(self, generator: Generator, discriminator: Discriminator, part: Part) -> Value:
        """The generator's adversarial loss on new images, which `part` keeps."""
        styles = self.fake_styles(generator, len(part.images), part.labels)
        fakes = self.calls.synthesize(generator, styles)
        part.fakes = fakes.detach()
        logits = self.calls.judge(discriminator, fakes, part.labels)
        if self.adversarial == "relativistic":
            loss = self.generator_criterion(self.calls.judge(discriminator, part.images, part.labels), logits)
        else:
            loss = self.generator_criterion(logits)
        return loss, {"loss/generator": loss}

    def discriminator_loss(self, generator: Generator, discriminator: Discriminator, part: Part) -> Value:
        """The discriminator's adversarial loss on real images, whose logits `part` keeps, and generated ones."""
        real_logits, fake_logits = (
            self.calls.judge(discriminator, images, part.labels) for images in (part.images, part.fakes)
        )
        part.real_logits = real_logits.detach()
        loss = self.discriminator_criterion(real_logits, fake_logits)
        logits = {"logits/real": real_logits.mean(), "logits/fake": fake_logits.mean()}
        return loss, {"loss/discriminator": loss, **logits}

    def path_length(self, generator: Generator, discriminator: Discriminator, part: Part) -> Value:
        """The weighted penalty, times its interval; logged with the mean length it was made of."""
        batch = max(1, len(part.images) // self.path_length_batch_shrink)
        styles = self.fake_styles(generator, batch, None if part.labels is None else part.labels[:batch])
        lengths = self.calls.lengths(generator, styles)
        penalty = self.path_length_penalty(lengths) * (self.path_length_weight * self.path_length_interval)
        return penalty, {"penalty/path_length": penalty, "path_length/mean": lengths.mean()}

    def r1(self, generator: Generator, discriminator: Discriminator, part: Part) -> Value:
        """The weighted penalty, times its interval; logged with the squared gradient norm it was made of."""
        norm = self.calls.square_norm(discriminator, part.images, part.labels)
        penalty = norm * (self.r1_gamma / 2 * self.r1_interval)
        return penalty, {"penalty/r1": penalty, "r1/gradient_square_norm": norm}

    def r2(self, generator: Generator, discriminator: Discriminator, part: Part) -> Value:
        """:meth:`r1` on generated images."""
        norm = self.calls.square_norm(discriminator, part.fakes, part.labels)
        penalty = norm * (self.r2_gamma / 2 * self.r1_interval)
        return penalty, {"penalty/r2": penalty, "r2/gradient_square_norm": norm}

    def gradient_penalty(self, generator: Generator, discriminator: Discriminator, part: Part) -> Value:
        """The weighted penalty of WGAN-GP, times its interval, between real and generated images."""
        between = losses.interpolates(part.images, cast(Tensor, part.fakes))
        penalty = self.calls.gradient_penalty(discriminator, between, part.labels)
        penalty = penalty * (self.gradient_penalty_weight * self.gradient_penalty_interval)
        return penalty, {"penalty/gradient": penalty}

    def fake_styles(self, generator: Generator, batch: int, labels: Tensor | None) -> Tensor:
        """Styles of new latents, mixed; ``(batch, num_ws, w_dim)``."""
        z = torch.randn(2, batch, generator.z_dim, device=next(generator.parameters()).device)
        return mixed_styles(generator.mapping, z[0], z[1], labels, self.style_mixing)


def mixed_styles(mapping: MappingNetwork, z: Tensor, z_other: Tensor, labels: Tensor | None, share: float) -> Tensor:
    """Styles ``(N, num_ws, w_dim)``; a `share` of the samples switches to `z_other` at a random layer."""
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
