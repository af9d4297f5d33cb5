"""Measure the error of R1 by finite differences as sigma falls, against the derivative along the same noise.

    python -m benchmarks.finite_difference [--checkpoint FILE] [--draws 32] [--batch 16]

Of the discriminator in a checkpoint of a run on the digits, and digits; without one, of an untrained network.
Derivatives are in float64. `finite_difference_penalty` steps out of autocast for what its columns show.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from statistics import mean
from typing import Any

import torch
from torch import Tensor

from stylelayers import Discriminator
from stylelayers.checkpoints import load_networks
from stylelayers.data import digits

from .timing import arguments, print_table

SIGMAS = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 1e-4, 1e-5)
DTYPES = {"float32": None, "float16 autocast": torch.float16, "bf16 autocast": torch.bfloat16}
Critic = Callable[[Tensor], Tensor]


def main() -> None:
    options = arguments(__doc__ or "", checkpoint="", draws=32, batch=16)
    torch.manual_seed(0)
    network = critic_of(options.checkpoint)
    images, labels = batch_of_digits(network, options.batch)
    wide = partial(_call, deepcopy(network).double(), labels)
    print(f"R1 {r1(wide, images):.4g}; of single logits {of_logits(wide, images):.4g}")
    noises = [torch.randn_like(images) for _ in range(options.draws)]
    exact = mean(along(wide, images, noise) for noise in noises)
    rows: list[list[object]] = []
    for sigma in SIGMAS:
        found = [mean(difference(wide, images, noise, sigma) for noise in noises)]
        for dtype in DTYPES.values():
            with torch.autocast("cpu", dtype, enabled=dtype is not None):
                narrow = partial(_call, network, labels)
                found.append(mean(difference(narrow, images.float(), noise.float(), sigma) for noise in noises))
        rows.append([f"{sigma:g}", *(f"{value / exact - 1:+.2%}" for value in found)])
    title = f"Error of finite differences, {images.shape[-1]}x{images.shape[-1]}, {options.draws} draws"
    print_table(title, ("sigma", "float64", *DTYPES), rows)


def critic_of(checkpoint: str) -> Discriminator:
    network = load_networks(checkpoint).discriminator if checkpoint else Discriminator(32, channel_base=512)
    assert network is not None
    return network.train().requires_grad_(False).float()


def batch_of_digits(network: Discriminator, count: int) -> tuple[Tensor, Tensor | None]:
    data: Any = digits(resolution=network.resolution[0]).dataset
    pairs = [data[index] for index in torch.randperm(len(data))[:count].tolist()]
    images = torch.stack([image for image, _ in pairs]).expand(-1, network.image_channels, -1, -1).double()
    return images, torch.tensor([label for _, label in pairs]) if network.num_labels else None


def _call(network: Discriminator, labels: Tensor | None, images: Tensor) -> Tensor:
    logits: Tensor = network(images, labels)
    return logits


def r1(critic: Critic, images: Tensor) -> float:
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(leaf).sum(), leaf)
    return gradient.square().sum().item() / len(images)


def of_logits(critic: Critic, images: Tensor) -> float:
    """The mean squared norm of the gradients of single logits, by all images of their groups."""
    return sum(r1(lambda x, n=n: critic(x)[n], images) for n in range(len(images)))  # type: ignore[misc]


def along(critic: Critic, images: Tensor, noise: Tensor) -> float:
    derivative: Tensor = torch.func.jvp(critic, (images,), (noise,))[1]
    return derivative.square().mean().item()


def difference(critic: Critic, images: Tensor, noise: Tensor, sigma: float) -> float:
    change = critic(images + sigma * noise).to(noise) - critic(images).to(noise)
    return (change / sigma).square().mean().item()


if __name__ == "__main__":
    main()
