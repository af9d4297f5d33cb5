"""Projection of images into W by optimization (arXiv:1912.04958, appendix D)."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import cos, inf, pi
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from .._checks import check_choice, check_ints
from .._whole_files import save_tensors
from ..layers import NoiseInjection
from ..models import StyleGenerator
from .conditions import Labels
from .distances import Distance, pixel_distance
from .latents import latents_of_seeds
from .sampling import check_eval_mode, cycled_labels

SPACES = ("w", "w+")
_METADATA = {"format": "stylelayers.styles", "version": "1"}
_NOISE_PART, _MAX_NOISE = 0.75, 0.05  # part of the steps with noise on w; its deviation in units of that of w
_RAMP_UP, _RAMP_DOWN = 0.05, 0.25  # parts of the steps in which the learning rate rises and falls
_MIN_MAP_SIDE, _MAX_IMAGE_SIDE = 8, 256


@dataclass(frozen=True)
class Projection:
    """Result of :func:`project`.

    Attributes:
        ws: styles ``(1, num_ws, w_dim)``.
        image: ``(1, C, H, W)``, generated from them.
        noise: fitted noise maps by the names of their buffers; empty if the stored maps were used.
        distances: from the target at each step, and at the end without noise on w.
        settings: the other arguments of :func:`project`: seed, labels, space, steps, ...

    Example:
        >>> import torch
        >>> from stylelayers.explore import Projection
        >>> Projection(torch.zeros(1, 4, 8), torch.zeros(1, 3, 8, 8), {}, [0.5, 0.25]).distances[-1]
        0.25
    """

    ws: Tensor
    image: Tensor
    noise: dict[str, Tensor]
    distances: list[float]
    settings: Mapping[str, Any] = field(default_factory=dict)


def project(
    generator: StyleGenerator,
    target: Tensor,
    *,
    space: str = "w",
    steps: int = 1000,
    distance: Distance = pixel_distance,
    learning_rate: float = 0.1,
    fit_noise: bool = False,
    noise_weight: float = 1e5,
    labels: Labels | None = None,
    seed: int = 0,
    on_step: Callable[[int, float], object] | None = None,
) -> Projection:
    """Minimize the distance of the generated image to `target` with Adam, starting at the mean of w.

    From arXiv:1912.04958, appendix D.

    The learning rate rises over the first twentieth of the steps and falls along a cosine over the last quarter.
    Decaying noise on w in the first three quarters helps to leave local minima.

    Args:
        generator: in evaluation mode.
        target: image ``(1, C, H, W)`` in [-1, 1], of the generator's size.
        space: ``"w"`` for one style for all layers, as in training; ``"w+"`` for one style per layer, which comes
            nearer to the target.
        steps: of Adam, at least 1.
        distance: of the image and the target, see :func:`load_distance`; both are halved until no side exceeds 256
            pixels.
        learning_rate: its largest value, at least 0.
        fit_noise: fit the noise maps too.
        noise_weight: of the autocorrelation of the noise maps in the loss, which keeps signal out of them.
        labels: of the mean of w: numbers or names of classes, None for all; or label vectors, which must be given.
        seed: of the mean of w, the noise on w, and the initial noise maps.
        on_step: called after each step with its number, from 1, and the distance.

    Returns:
        The styles, their image, and the distance at each step.

    Raises:
        ValueError: an argument out of range, a target of another size, or `fit_noise` without noise inputs.

    Example:
        >>> import torch
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import project
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16).eval()
        >>> project(generator, torch.zeros(1, 3, 8, 8), steps=2).ws.shape
        torch.Size([1, 4, 4])
    """
    _check_inputs(generator, target, space, steps)
    if not 0 <= learning_rate < inf:
        raise ValueError(f"project: learning_rate must be a number of at least 0, got {learning_rate}")
    source = torch.Generator().manual_seed(seed)
    mean, deviation = style_statistics(generator, labels=labels, seed=seed)
    w = mean.expand(1, generator.num_ws if space == "w+" else 1, -1).clone().requires_grad_()
    maps = _initial_maps(generator, source) if fit_noise else {}
    if fit_noise and not maps:
        raise ValueError("project: fit_noise needs a generator with noise inputs, got one without")
    small_target, distances = _shrink(target), []
    optimizer = torch.optim.Adam([w, *maps.values()], betas=(0.9, 0.999))
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate * _rate(step / steps)
        jitter = torch.randn(w.shape, generator=source).to(w) * deviation * _jitter(step / steps)
        image = _synthesize(generator, w + jitter, maps)
        current = distance(_shrink(image), small_target)
        loss = current + noise_weight * sum(_correlation(each) for each in maps.values())
        gradients = torch.autograd.grad(loss, [w, *maps.values()])
        for parameter, gradient in zip([w, *maps.values()], gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
        _normalize(maps)
        distances.append(float(current.detach()))
        if on_step is not None:
            on_step(step + 1, distances[-1])
    with torch.no_grad():
        ws = w.detach().expand(-1, generator.num_ws, -1).clone()
        maps = {name: each.detach() for name, each in maps.items()}
        image = _synthesize(generator, ws, maps)
        distances.append(float(distance(_shrink(image), small_target)))
    kept = None if labels is None else [label.tolist() if hasattr(label, "tolist") else label for label in labels]
    settings: dict[str, Any] = {"seed": seed, "labels": kept, "space": space, "steps": steps}
    settings |= {"learning_rate": learning_rate, "fit_noise": fit_noise, "noise_weight": noise_weight}
    return Projection(ws, image, maps, distances, settings)


def save_projection(
    projection: Projection, path: str | os.PathLike[str], *, notes: Mapping[str, Any] | None = None
) -> Path:
    """Write a safetensors file of ``ws`` and the fitted noise maps.

    The metadata are JSON: the settings, the final distance, and `notes`.

    Args:
        projection: of :func:`project`.
        path: of the file; missing folders are created.
        notes: further JSON values to store, such as the name of the generator.

    Returns:
        The path.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.explore import Projection, save_projection
        >>> projection = Projection(torch.zeros(1, 4, 8), torch.zeros(1, 3, 8, 8), {}, [0.5])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_projection(projection, f"{folder}/styles.safetensors", notes={"generator": "faces"}).name
        'styles.safetensors'
    """
    facts = {**projection.settings, "distance": projection.distances[-1], **(notes or {})}
    metadata = {name: json.dumps(value) for name, value in facts.items()}
    return save_tensors({"ws": projection.ws, **projection.noise}, path, metadata={**metadata, **_METADATA})


def fingerprint(generator: StyleGenerator) -> str:
    """SHA-256 of the state of a generator, which identifies it under any file name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(generator.state_dict().items()):
        tensor = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def style_statistics(
    generator: StyleGenerator, *, labels: Labels | None = None, samples: int = 10_000, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Mean and spread of w over random z (arXiv:1912.04958, appendix D).

    Args:
        generator: in evaluation mode.
        labels: as in :func:`sample`.
        samples: number of latents.
        seed: of the latents.

    Returns:
        The mean ``(w_dim,)``, and the root mean square distance from it, a scalar.

    Raises:
        ValueError: labels that do not fit the generator.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import style_statistics
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16).eval()
        >>> mean, deviation = style_statistics(generator, samples=100)
        >>> mean.shape, deviation.shape
        (torch.Size([4]), torch.Size([]))
    """
    parameter = next(generator.mapping.parameters())
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        z = latents_of_seeds([source] * samples, generator.z_dim, device=parameter.device).to(parameter.dtype)
        w = generator.mapping(z, cycled_labels("style_statistics", generator, samples, labels))[:, 0]
        mean = w.mean(0)
        return mean, (w - mean).square().sum(1).mean().sqrt()


def _check_inputs(generator: StyleGenerator, target: Tensor, space: str, steps: int) -> None:
    check_eval_mode("project", generator)
    check_choice("project", "space", space, SPACES)
    check_ints("project", steps=steps)
    shape = (1, generator.image_channels, *generator.resolution)
    if tuple(target.shape) != shape:
        raise ValueError(f"project: target must be {shape}, got {tuple(target.shape)}")


def _synthesize(generator: StyleGenerator, ws: Tensor, maps: Mapping[str, Tensor]) -> Tensor:
    ws = ws.expand(-1, generator.num_ws, -1)
    image: Tensor = functional_call(generator.synthesis, dict(maps), (ws,), {"noise": generator.synthesis.fixed_noise})
    return image


def _rate(t: float) -> float:
    """Factor of the learning rate after a part `t` of the steps."""
    return min(1.0, t / _RAMP_UP + 0.01) * (0.5 - 0.5 * cos(pi * min(1.0, (1 - t) / _RAMP_DOWN)))


def _jitter(t: float) -> float:
    """Standard deviation of the noise on w after a part `t` of the steps, in units of that of w."""
    return _MAX_NOISE * max(0.0, 1 - t / _NOISE_PART) ** 2


def _shrink(image: Tensor) -> Tensor:
    while max(image.shape[2:]) > _MAX_IMAGE_SIDE:
        image = nn.functional.avg_pool2d(image, 2)
    return image


def _initial_maps(generator: StyleGenerator, source: torch.Generator) -> dict[str, Tensor]:
    """Random noise maps by the names of the stored maps' buffers."""
    return {
        f"{name}.const": torch.randn(module.const.shape, generator=source).to(module.const).requires_grad_()
        for name, module in generator.synthesis.named_modules()
        if isinstance(module, NoiseInjection) and module.const is not None
    }


def _correlation(noise: Tensor) -> Tensor:
    """Squared correlation of neighbouring pixels, at all scales down to 8 pixels (appendix D, equation of L_ij)."""
    total = noise.new_zeros(())
    noise = noise[None, None]
    while True:
        for axis in (2, 3):
            total = total + (noise * noise.roll(1, axis)).mean().square()
        if min(noise.shape[2:]) <= _MIN_MAP_SIDE:
            return total
        noise = nn.functional.avg_pool2d(noise, 2) * 2


@torch.no_grad()
def _normalize(maps: Mapping[str, Tensor]) -> None:
    """Normalize each map to mean 0 and standard deviation 1, in place."""
    for each in maps.values():
        each.sub_(each.mean()).mul_(each.square().mean().clamp_min(1e-12).rsqrt())
