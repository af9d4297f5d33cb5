"""Time the official networks with their reference operators against the same ones on ours, and compare gradients.

    python -m benchmarks.compat --peers FOLDER [--resolution 64] [--batch 8]

A step is the forward pass, the penalty and its gradients of all parameters. Ours are put into the modules of
``torch_utils.ops`` by assignment. The error is the largest of a parameter, relative to the norm of its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn

from .peers import Official
from .timing import arguments, interleaved, print_table

OPERATORS = {
    "upfirdn2d": ("upfirdn2d", "filter2d", "upsample2d", "downsample2d"),
    "bias_act": ("bias_act",),
    "conv2d_resample": ("conv2d_resample",),
    "conv2d_gradfix": ("conv2d", "conv_transpose2d", "no_weight_gradients"),
    "grid_sample_gradfix": ("grid_sample",),
    "fma": ("fma",),
}
Gradients = dict[str, Tensor]


def main() -> None:
    options = arguments(__doc__ or "", resolution=64, batch=8, channel_base=2048, channel_max=128, w_dim=128)
    official = Official.found(options.peers)
    if official is None:
        raise SystemExit("benchmarks.compat needs --peers FOLDER with stylegan3/")
    torch.manual_seed(0)
    sizes = {"channels": 3, "channel_base": options.channel_base, "channel_max": options.channel_max}
    with torch.device(options.device):
        generator = official.generator(options.resolution, w_dim=options.w_dim, mapping_layers=2, **sizes)
        discriminator = official.discriminator(options.resolution, **sizes)
        z = torch.randn(options.batch, options.w_dim)
        images = torch.randn(options.batch, 3, options.resolution, options.resolution)
    steps = {
        "generator, forward and backward": partial(first_order, generator.train(), z, noise_mode="const"),
        "generator, path length": partial(path_length, generator, z),
        "discriminator, forward and backward": partial(first_order, discriminator.train(), images),
        "discriminator, R1": partial(r1, discriminator, images),
    }
    rows = [row(name, step, options.rounds) for name, step in steps.items()]
    print_table(
        f"Official networks, {options.resolution}x{options.resolution}, batch {options.batch}",
        ("step", "theirs ms", "on ours ms", "ratio", "gradient error"),
        rows,
        options.device,
    )


def row(name: str, step: Callable[[], Gradients], rounds: int) -> list[object]:
    theirs, ours = step(), on_ours(step)
    error = max(float((ours[key] - theirs[key]).norm() / theirs[key].norm().clamp(min=1e-9)) for key in theirs)
    times = interleaved({"theirs": step, "ours": partial(on_ours, step)}, rounds=rounds)
    return [name, times["theirs"], times["ours"], times["ours"] / times["theirs"], f"{error:.1e}"]


def on_ours(step: Callable[[], Gradients]) -> Gradients:
    with our_operators():
        return step()


@contextmanager
def our_operators() -> Iterator[None]:
    """Replace the operators of the official modules while the context lasts."""
    before = []
    for module_name, names in OPERATORS.items():
        theirs = import_module(f"torch_utils.ops.{module_name}")
        ours = import_module(f"stylelayers.compat.official.{module_name}")
        for name in names:
            before.append((theirs, name, getattr(theirs, name)))
            setattr(theirs, name, getattr(ours, name))
    try:
        yield
    finally:
        for theirs, name, operator in before:
            setattr(theirs, name, operator)


def first_order(network: nn.Module, x: Tensor, **options: Any) -> Gradients:
    return gradients(network, network(x, None, **options).square().mean())


def path_length(generator: Any, z: Tensor) -> Gradients:
    w = generator.mapping(z, None)
    images = generator.synthesis(w, noise_mode="const")
    noise = torch.ones_like(images).cumsum(3).sin() / images.shape[-1]
    no_weight_gradients = import_module("torch_utils.ops.conv2d_gradfix").no_weight_gradients
    with no_weight_gradients():
        (slopes,) = torch.autograd.grad((images * noise).sum(), w, create_graph=True)
    return gradients(generator, (slopes.square().sum(2).mean(1).sqrt() - 0.1).square().mean())


def r1(discriminator: nn.Module, images: Tensor) -> Gradients:
    images = images.detach().requires_grad_()
    no_weight_gradients = import_module("torch_utils.ops.conv2d_gradfix").no_weight_gradients
    with no_weight_gradients():
        (slopes,) = torch.autograd.grad(discriminator(images, None).sum(), images, create_graph=True)
    return gradients(discriminator, slopes.square().sum((1, 2, 3)).mean())


def gradients(network: nn.Module, loss: Tensor) -> Gradients:
    """Of all parameters that the loss depends on."""
    names, parameters = zip(*network.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return {name: grad for name, grad in zip(names, found, strict=True) if grad is not None}


if __name__ == "__main__":
    main()
