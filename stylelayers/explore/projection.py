"""A generator's nearest styles to a given image, by optimisation (arXiv:1912.04958, appendix D)."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import cos, pi
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .._whole_files import save_tensors
from ..layers import NoiseInjection
from ..models import Generator
from .distances import Distance, pixel_distance
from .latents import latents_of_seeds
from .sampling import cycled_labels

__all__ = ["SPACES", "Projection", "fingerprint", "project", "save_projection", "style_statistics"]

SPACES = ("w", "w+")
_METADATA = {"format": "stylelayers.styles", "version": "1"}
_NOISED, _LARGEST_NOISE = 0.75, 0.05  # part of the steps with noise on w; its deviation in units of w's
_RAMP_UP, _RAMP_DOWN = 0.05, 0.25  # parts of the steps in which the learning rate rises and falls
_SMALLEST_MAP = 8
_LARGEST_COMPARED = 256


@dataclass(frozen=True)
class Projection:
    """What was found.

    Attributes:
        ws: ``(1, num_ws, w_dim)``.
        image: ``(1, C, H, W)`` that the generator makes of them.
        noise: the noise maps that go with it by their buffers' names; empty if the stored ones do.
        distances: from the target at every step, the last without noise on w.
        settings: what else it takes to find them again: the seed, the classes, the space, the steps …
    """

    ws: Tensor
    image: Tensor
    noise: dict[str, Tensor]
    distances: list[float]
    settings: Mapping[str, Any] = field(default_factory=dict)


def project(
    generator: Generator,
    target: Tensor,
    *,
    space: str = "w",
    steps: int = 1000,
    distance: Distance = pixel_distance,
    learning_rate: float = 0.1,
    fit_noise: bool = False,
    noise_weight: float = 1e5,
    labels: Sequence[int | str] | None = None,
    seed: int = 0,
    on_step: Callable[[int, float], object] | None = None,
) -> Projection:
    """Styles whose image is as near to `target` as Adam finds from the mean of w.

    The learning rate rises over the first twentieth of the steps and falls along a cosine over the last quarter;
    noise of falling strength on w in the first three quarters lets it leave bad valleys.

    Args:
        generator: in evaluation mode.
        target: image ``(1, C, H, W)`` in [-1, 1], of the generator's size.
        space: ``"w"`` has one style for all layers, which stays with what the generator was trained on; ``"w+"`` one
            a layer, which comes nearer.
        steps: of Adam, at least 1.
        distance: of two images; images above 256 pixels are halved before until they are not.
        learning_rate: its largest value.
        fit_noise: fit the noise maps too, kept from carrying signal by `noise_weight` times their correlation.
        labels: numbers or names of the classes that the mean of w is taken over; None for all.
        seed: of the mean of w, the noise on w, and the first noise maps.
        on_step: called after every step with its number, from 1, and the distance.

    Raises:
        ValueError: an unknown space, no steps, a learning rate that is none, a target of another size.
    """
    _check(generator, target, space, steps)
    if not 0 <= learning_rate < math.inf:
        raise ValueError(f"learning_rate must be a number of at least 0, got {learning_rate}")
    source = torch.Generator().manual_seed(seed)
    mean, deviation = style_statistics(generator, labels=labels, seed=seed)
    w = mean.expand(1, generator.num_ws if space == "w+" else 1, -1).clone().requires_grad_()
    maps = _first_maps(generator, source) if fit_noise else {}
    compared, near = _shrunk(target), []
    optimizer = torch.optim.Adam([w, *maps.values()], betas=(0.9, 0.999))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * _rate(step / steps)
        jitter = torch.randn(w.shape, generator=source).to(w) * deviation * _jitter(step / steps)
        image = _image(generator, w + jitter, maps)
        found = distance(_shrunk(image), compared)
        loss = found + noise_weight * sum(_correlation(each) for each in maps.values())
        gradients = torch.autograd.grad(loss, [w, *maps.values()])
        for parameter, gradient in zip([w, *maps.values()], gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        _normalize(maps)
        near.append(float(found.detach()))
        if on_step is not None:
            on_step(step + 1, near[-1])
    with torch.no_grad():
        ws = w.detach().expand(-1, generator.num_ws, -1).clone()
        maps = {name: each.detach() for name, each in maps.items()}
        image = _image(generator, ws, maps)
        near.append(float(distance(_shrunk(image), compared)))
    classes = None if labels is None else list(labels)
    settings: dict[str, Any] = {"seed": seed, "labels": classes, "space": space, "steps": steps}
    settings |= {"learning_rate": learning_rate, "fit_noise": fit_noise, "noise_weight": noise_weight}
    return Projection(ws, image, maps, near, settings)


def save_projection(
    projection: Projection, path: str | os.PathLike[str], *, notes: Mapping[str, Any] | None = None
) -> Path:
    """Write the tensor ``ws`` and the noise maps, if there are any, as one safetensors file.

    Its metadata, JSON each, have the settings, the distance at the end, and `notes`, such as which generator it was.
    """
    told = {**projection.settings, "distance": projection.distances[-1], **(notes or {})}
    metadata = {name: json.dumps(value) for name, value in told.items()}
    return save_tensors({"ws": projection.ws, **projection.noise}, path, metadata={**metadata, **_METADATA})


def fingerprint(generator: Generator) -> str:
    """SHA-256 of the names and numbers of all tensors of a generator, by which it is known under any file name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(generator.state_dict().items()):
        held = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {held.dtype} {tuple(held.shape)}".encode())
        digest.update(held.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def style_statistics(
    generator: Generator, *, labels: Sequence[int | str] | None = None, samples: int = 10_000, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """The mean of w ``(w_dim,)``, and the root of its mean squared distance from it (scalar), over random z."""
    parameter = next(generator.mapping.parameters())
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        z = latents_of_seeds([source] * samples, generator.z_dim, device=parameter.device).to(parameter.dtype)
        w = generator.mapping(z, cycled_labels(generator, samples, labels))[:, 0]
        mean = w.mean(0)
        return mean, (w - mean).square().sum(1).mean().sqrt()


def _check(generator: Generator, target: Tensor, space: str, steps: int) -> None:
    shape = (1, generator.image_channels, *generator.resolution)
    if generator.training:
        raise ValueError("the generator must be in evaluation mode; call generator.eval() first")
    if space not in SPACES:
        raise ValueError(f"space must be one of {', '.join(SPACES)}, got {space!r}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    if tuple(target.shape) != shape:
        raise ValueError(f"target must be {shape}, got {tuple(target.shape)}")


def _image(generator: Generator, ws: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
    ws = ws.expand(-1, generator.num_ws, -1)
    image: Tensor = functional_call(generator.synthesis, dict(maps), (ws,), {"noise": "const"})
    return image


def _rate(t: float) -> float:
    """Factor on the learning rate at the part `t` of the steps."""
    return min(1.0, t / _RAMP_UP + 0.01) * (0.5 - 0.5 * cos(pi * min(1.0, (1 - t) / _RAMP_DOWN)))


def _jitter(t: float) -> float:
    """Deviation of the noise on w at the part `t` of the steps, in units of w's."""
    return _LARGEST_NOISE * max(0.0, 1 - t / _NOISED) ** 2


def _shrunk(image: Tensor) -> Tensor:
    while max(image.shape[2:]) > _LARGEST_COMPARED:
        image = nn.functional.avg_pool2d(image, 2)
    return image


def _first_maps(generator: Generator, source: torch.Generator) -> dict[str, Tensor]:
    """Random maps in place of the stored ones, by the names of their buffers."""
    return {
        f"{name}.const": torch.randn(module.const.shape, generator=source).to(module.const).requires_grad_()
        for name, module in generator.synthesis.named_modules()
        if isinstance(module, NoiseInjection) and module.const is not None
    }


def _correlation(noise: Tensor) -> Tensor:
    """Squared correlation of neighbours, on the map and on its halves down to 8 pixels (app. D, eq. for L_ij)."""
    total = noise.new_zeros(())
    noise = noise[None, None]
    while True:
        for axis in (2, 3):
            total = total + (noise * noise.roll(1, axis)).mean().square()
        if min(noise.shape[2:]) <= _SMALLEST_MAP:
            return total
        noise = nn.functional.avg_pool2d(noise, 2) * 2


@torch.no_grad()
def _normalize(maps: Mapping[str, Tensor]) -> None:
    """Mean 0 and deviation 1 for each map."""
    for each in maps.values():
        each.sub_(each.mean()).mul_(each.square().mean().clamp_min(1e-12).rsqrt())
