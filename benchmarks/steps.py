"""The timed steps of whole networks, the same for ours and the official ones.

Networks are black boxes with ``mapping(z, labels)``, ``synthesis(ws)`` and ``discriminator(images, labels)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from stylelayers import Discriminator, Generator
from stylelayers.losses import (
    PathLengthPenalty,
    finite_difference_penalty,
    logistic_loss,
    path_lengths,
    path_lengths_vjp,
    r1_penalty,
)

from .peers import Official

__all__ = ["STEPS", "Networks", "official_networks", "our_networks"]


class Networks(NamedTuple):
    """A generator and a discriminator, and the shape of their images, ``(N, channels, height, width)``."""

    generator: Any
    discriminator: Any
    shape: tuple[int, int, int, int]
    w_dim: int

    def z(self) -> Tensor:
        return torch.randn(self.shape[0], self.w_dim)

    def images(self) -> Tensor:
        """Unit normal, in the layout of data loaders."""
        return torch.randn(self.shape)


def our_networks(
    resolution: int, batch: int, *, channel_base: int, channel_max: int, w_dim: int, mapping_layers: int = 8
) -> Networks:
    sizes: Any = {"channel_base": channel_base, "channel_max": channel_max}
    generator = Generator(resolution, z_dim=w_dim, w_dim=w_dim, mapping_layers=mapping_layers, **sizes)
    return Networks(generator, Discriminator(resolution, **sizes), (batch, 3, resolution, resolution), w_dim)


def official_networks(
    official: Official,
    resolution: int,
    batch: int,
    *,
    channel_base: int,
    channel_max: int,
    w_dim: int,
    mapping_layers: int = 8,
    half: bool = False,
) -> Networks:
    """The official networks, in float32 or, under `half`, with float16 at the four highest resolutions (on GPUs)."""
    sizes: Any = {"channels": 3, "channel_base": channel_base, "channel_max": channel_max, "half": half}
    generator = official.generator(resolution, w_dim=w_dim, mapping_layers=mapping_layers, **sizes)
    discriminator = official.discriminator(resolution, **sizes)
    return Networks(generator, discriminator, (batch, 3, resolution, resolution), w_dim)


def generator_forward(networks: Networks, compiled: bool = False) -> Callable[[], object]:
    generate = _compiled(_generate, compiled)

    @torch.no_grad()
    def step() -> object:
        return generate(networks.generator, networks.z())

    return step


def generator_backward(networks: Networks, compiled: bool = False) -> Callable[[], object]:
    generate, parameters = _compiled(_generate, compiled), _parameters(networks.generator)
    direction = networks.images()
    return _step(parameters, lambda: (generate(networks.generator, networks.z()) * direction).sum())


def path_length(networks: Networks, compiled: bool = False) -> Callable[[], object]:
    penalty = PathLengthPenalty()
    measure = _compiled(_lengths_vjp, True) if compiled else _lengths
    return _step(_parameters(networks.generator), lambda: penalty(measure(networks.generator, networks.z())))


def discriminator_r1(networks: Networks, compiled: bool = False) -> Callable[[], object]:
    fakes, reals = networks.images(), networks.images()
    loss = _compiled(_discriminator_loss_vjp, True) if compiled else _discriminator_loss
    return _step(_parameters(networks.discriminator), lambda: loss(networks.discriminator, fakes, reals))


def discriminator_r1_difference(networks: Networks, compiled: bool = False) -> Callable[[], object]:
    fakes, reals = networks.images(), networks.images()
    loss = _compiled(_discriminator_loss_difference, compiled)
    return _step(_parameters(networks.discriminator), lambda: loss(networks.discriminator, fakes, reals))


STEPS: dict[str, Callable[..., Callable[[], object]]] = {
    "generator forward": generator_forward,
    "generator forward + backward": generator_backward,
    "path-length step": path_length,
    "discriminator step with R1": discriminator_r1,
    "discriminator step with R1 by finite differences": discriminator_r1_difference,
}


def _step(parameters: list[nn.Parameter], loss: Callable[[], Tensor]) -> Callable[[], object]:
    def step() -> object:
        for parameter in parameters:
            parameter.grad = None
        loss().backward()
        return parameters[0].grad

    return step


def _parameters(network: nn.Module) -> list[nn.Parameter]:
    return list(network.train().requires_grad_().parameters())


def _compiled(function: Callable[..., Tensor], compiled: bool) -> Callable[..., Tensor]:
    return torch.compile(function, fullgraph=True) if compiled else function


def _generate(generator: Any, z: Tensor) -> Tensor:
    images: Tensor = generator.synthesis(generator.mapping(z, None))
    return images


def _lengths(generator: Any, z: Tensor) -> Tensor:
    ws = generator.mapping(z, None)
    return path_lengths(generator.synthesis(ws), ws)


def _lengths_vjp(generator: Any, z: Tensor) -> Tensor:
    return path_lengths_vjp(generator.synthesis, generator.mapping(z, None))


def _discriminator_loss(discriminator: Any, fakes: Tensor, reals: Tensor) -> Tensor:
    reals = reals.detach().requires_grad_()
    logits = discriminator(reals, None)
    return logistic_loss(logits, discriminator(fakes, None)) + r1_penalty(logits, reals)


def _discriminator_loss_vjp(discriminator: Any, fakes: Tensor, reals: Tensor) -> Tensor:
    logits, pull_back = torch.func.vjp(lambda images: discriminator(images, None), reals)  # type: ignore[misc]
    (gradient,) = pull_back(torch.ones_like(logits))
    return logistic_loss(logits, discriminator(fakes, None)) + gradient.square().flatten(1).sum(1).mean()


def _discriminator_loss_difference(discriminator: Any, fakes: Tensor, reals: Tensor) -> Tensor:
    def critic(images: Tensor) -> Tensor:
        logits: Tensor = discriminator(images, None)
        return logits

    return logistic_loss(critic(reals), critic(fakes)) + finite_difference_penalty(critic, reals)
