"""Time what makes unattended runs safe: the guard, the seeded order of images, the diversity measure.

    python -m benchmarks.overhead

Uses the networks and data of the digits preset. Parts are timed separately and compared with a whole iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, RandomSampler

from stylelayers.data import digits
from stylelayers.training import GAN, StyleGAN2Loss
from stylelayers.training.gan import DIVERSITY_INTERVAL, _mean_pixel_deviation

from .iteration import ADAM
from .steps import our_networks
from .timing import arguments, interleaved, print_table

BATCH = 16


def main() -> None:
    options = arguments(__doc__ or "")
    torch.manual_seed(0)
    networks = our_networks(32, BATCH, channel_base=512, channel_max=64, w_dim=64)
    gan = GAN(networks.generator, networks.discriminator, StyleGAN2Loss(), ADAM, ADAM)
    gan.iterations = 1  # no penalty is due
    images, labels, optimizers = networks.images(), torch.zeros(BATCH), gan.configure_optimizers()
    data = digits(resolution=32, batch_size=BATCH)
    seeded: Any = endless(data.train_dataloader())
    plain: Any = endless(DataLoader(data.dataset, BATCH, sampler=RandomSampler(data.dataset)))  # type: ignore[arg-type]
    found = interleaved(
        {
            "iteration": lambda: gan.iterate(images, labels, optimizers, Tensor.backward),
            "guard": lambda: [
                gan.guard.allows(name, network.named_parameters(), images.mean())
                for name, network in (("generator", gan.generator), ("discriminator", gan.discriminator))
            ],
            "diversity, every 10th": lambda: _mean_pixel_deviation(images) / _mean_pixel_deviation(images),
            "a batch, seeded order": partial(next, seeded),
            "a batch, plain order": partial(next, plain),
        },
        rounds=options.rounds,
    )
    order = found["a batch, seeded order"] - found["a batch, plain order"]
    total = found["guard"] + found["diversity, every 10th"] / DIVERSITY_INTERVAL + order
    parts = {**found, "order and seeds of images": order, "all": total}
    rows = [[name, time, f"{100 * time / found['iteration']:.2f} %"] for name, time in parts.items()]
    print_table("Cost of safety, digits, batch 16", ("part", "ms", "fraction of an iteration"), rows)


def endless(loader: Any) -> Iterator[Any]:
    while True:
        yield from loader


if __name__ == "__main__":
    main()
