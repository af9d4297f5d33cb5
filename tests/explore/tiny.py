"""A generator that is small enough for every test, and is neither blank nor glaring."""

from __future__ import annotations

from typing import Any

import torch

from stylelayers import AliasFreeGenerator, Generator, ToRGB
from stylelayers.layers import NoiseInjection

__all__ = ["tiny_alias_free", "tiny_generator"]


def tiny_generator(resolution: int | tuple[int, int] = 8, *, labels: int = 0, **options: Any) -> Generator:
    torch.manual_seed(0)
    sizes = {"z_dim": 6, "w_dim": 5, "channel_base": 64, "mapping_layers": 2, "mapping_lr_multiplier": 1.0}
    generator = Generator(resolution, num_labels=labels, **{**sizes, **options})
    for module in generator.modules():
        if isinstance(module, NoiseInjection):
            torch.nn.init.constant_(module.strength, 0.2)
    z = torch.randn(64, 6).to(generator.synthesis.input.const)
    images = generator(z, torch.arange(64) % labels if labels else None)  # moves the mean of w
    for module in generator.modules():
        if isinstance(module, ToRGB):  # images are linear in them, and are to lie in [-1, 1]
            module.conv.weight.data.div_(images.detach().abs().max() * 1.2)
    return generator.eval()


def tiny_alias_free(
    resolution: int | tuple[int, int] = 16, *, labels: int = 0, configuration: str = "T", **options: Any
) -> AliasFreeGenerator:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"z_dim": 6, "w_dim": 5, "channel_base": 64, "num_layers": 4, "margin": 4}
    sizes |= {"mapping_lr_multiplier": 1.0, "configuration": configuration, "magnitude_half_life": 8}
    generator = AliasFreeGenerator(resolution, num_labels=labels, **{**sizes, **options})
    generator.synthesis.input.affine.weight.data.normal_()  # so that latents move and turn images too
    z = torch.randn(16, 6).to(generator.synthesis.input.weight)
    images = generator(z, torch.arange(16) % labels if labels else None)  # moves all statistics
    last: Any = generator.synthesis.layers[-1]
    last.weight.data.div_(images.detach().abs().max() * 1.2)
    return generator.eval()
