"""Time whole training iterations with lazy penalties amortised: images per second of ours and the official code.

    python -m benchmarks.iteration [--peers FOLDER] [--resolution 64] [--batch 8] [--r1-only] [--bf16] [--device cuda]

Each turn has 16 iterations: 16 generator and discriminator steps, 4 path-length steps (none with `--r1-only`), 1 R1
step, and the EMA. Ours run through Lightning, as in `train.py`; the official loss runs in the order that its
documentation states. Codes take turns; the ratio is the median of those of the turns.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any, cast

import torch
from lightning import Callback, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from stylelayers._allocator import keep_freed_memory
from stylelayers.training import GAN, StyleGAN2Loss, lazy_optimizer

from .peers import Official
from .steps import Networks, official_networks, our_networks
from .timing import arguments, print_table

ITERATIONS, R1_EVERY, LENGTHS_EVERY = 16, 16, 4
ADAM = partial(torch.optim.Adam, lr=0.002, betas=(0.0, 0.99), eps=1e-8)


def main() -> None:
    options = arguments(
        __doc__ or "",
        compile=False,
        bf16=False,
        r1_only=False,
        resolution=64,
        batch=8,
        channel_base=2048,
        channel_max=128,
        w_dim=64,
    )
    quiet_lightning()
    keep_freed_memory()  # as `train.py` does; the official code gains from it too
    precision = "bf16-mixed" if options.bf16 else "32-true"
    torch.manual_seed(0)
    sizes = {key: getattr(options, key) for key in ("channel_base", "channel_max", "w_dim")}
    lengths = not options.r1_only
    variants = {
        "ours": ours(our_networks(options.resolution, options.batch, **sizes), options.device, lengths, precision)
    }
    if options.compile:
        networks = our_networks(options.resolution, options.batch, **sizes)
        variants["ours compiled"] = ours(networks, options.device, lengths, precision, compile=True)
    official = Official.found(options.peers)
    if official is not None:
        networks = official_networks(official, options.resolution, options.batch, **sizes)
        variants["official"] = theirs(official, networks, options.device, lengths, precision)
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for turn in range(options.rounds + 1):
        for name, run in variants.items():
            seconds[name].append(run())
            if not turn:
                seconds[name].clear()
    rows = [
        [
            name,
            ITERATIONS * options.batch / median(times),
            median(b / a for a, b in zip(times, seconds.get("official", times), strict=True)),
        ]
        for name, times in seconds.items()
    ]
    penalties = "R1 and path length" if lengths else "R1"
    title = f"Training, {options.resolution}x{options.resolution}, batch {options.batch}, {penalties}, {precision}"
    print_table(title, ("code", "images/s", "times official"), rows, options.device)


def quiet_lightning() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Stopwatch(Callback):
    """Seconds from the first batch of a fit to the end of its last."""

    def on_train_batch_start(self, trainer: Trainer, module: Any, batch: object, batch_idx: int) -> None:
        if not batch_idx:
            _finish()
            self.start = perf_counter()

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: object) -> None:
        _finish()
        self.seconds = perf_counter() - self.start


def ours(
    networks: Networks, device: str, lengths: bool = True, precision: Any = "32-true", **options: Any
) -> Callable[[], float]:
    """A function that trains for 16 iterations, as `train.py` does, and returns the seconds."""
    optimizer, loss = partial(ADAM, fused=True), StyleGAN2Loss(path_length_weight=2.0 if lengths else 0.0)
    gan = GAN(networks.generator, networks.discriminator, loss, optimizer, optimizer, **options)
    batches = [(torch.rand(networks.shape), torch.zeros(networks.shape[0])) for _ in range(ITERATIONS)]
    loader: Any = DataLoader(cast(Any, batches), batch_size=None, pin_memory=torch.cuda.is_available())
    quiet: Any = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    quiet |= {"enable_model_summary": False, "precision": precision}

    def run() -> float:
        watch = Stopwatch()
        trainer = Trainer(max_epochs=1, accelerator=device, devices=1, callbacks=[watch], **quiet)
        trainer.fit(gan, loader)
        return watch.seconds

    return run


def theirs(
    official: Official, networks: Networks, device: str, lengths: bool = True, precision: str = "32-true"
) -> Callable[[], float]:
    """The same with the official loss."""
    generator, discriminator = networks.generator.to(device), networks.discriminator.to(device)
    average, batch = deepcopy(generator).eval(), networks.shape[0]
    loss = official.loss.StyleGAN2Loss(
        torch.device(device), generator, discriminator, r1_gamma=1, style_mixing_prob=0.9, pl_weight=2 if lengths else 0
    )
    generator_step = lazy_optimizer(ADAM, LENGTHS_EVERY if lengths else None)(generator.parameters())
    discriminator_step = lazy_optimizer(ADAM, R1_EVERY)(discriminator.parameters())
    phases = [
        ("Gmain", generator, generator_step, 1),
        ("Greg", generator, generator_step, LENGTHS_EVERY),
        ("Dmain", discriminator, discriminator_step, 1),
        ("Dreg", discriminator, discriminator_step, R1_EVERY),
    ]
    phases = [entry for entry in phases if lengths or entry[0] != "Greg"]
    for network in (generator, discriminator):
        network.train().requires_grad_(False)

    def phase(name: str, network: nn.Module, optimizer: torch.optim.Optimizer, interval: int, reals: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        network.requires_grad_(True)
        z, labels = torch.randn(batch, networks.w_dim, device=device), torch.zeros(batch, 0, device=device)
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss.accumulate_gradients(name, reals, labels, z, labels, interval, 0)
        network.requires_grad_(False)
        optimizer.step()

    def run() -> float:
        _finish()
        start = perf_counter()
        for iteration in range(ITERATIONS):
            reals = torch.rand(networks.shape, device=device)
            for name, network, optimizer, interval in phases:
                if iteration % interval == 0:
                    phase(name, network, optimizer, interval, reals)
            with torch.no_grad():
                for target, source in zip(average.parameters(), generator.parameters(), strict=True):
                    target.copy_(source.lerp(target, 0.999))
        _finish()
        return perf_counter() - start

    return run


def _finish() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
