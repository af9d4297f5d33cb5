"""Fit how time grows with batch size and pixels: the exponent of a power law, 1 if proportional.

    python -m benchmarks.growth [--device cuda]

All levels have the same number of channels, so the work is proportional to the pixels of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log

import torch
from scipy.stats import linregress

from .steps import STEPS, our_networks
from .timing import arguments, interleaved, print_table

BATCHES = (1, 2, 4, 8, 16, 32, 64)
RESOLUTIONS = (32, 64, 128, 256)
CHANNELS = {"channel_base": 1 << 20, "channel_max": 32, "w_dim": 64}


def main() -> None:
    options = arguments(__doc__ or "")
    torch.manual_seed(0)
    with torch.device(options.device):
        by_batch = [row(n, lambda batch: our_networks(32, batch, **CHANNELS), BATCHES, 1, options) for n in STEPS]
        by_size = [row(n, lambda size: our_networks(size, 4, **CHANNELS), RESOLUTIONS, 2, options) for n in STEPS]
    batches, sizes = map(str, BATCHES), (f"{size}x{size}" for size in RESOLUTIONS)
    print_table("Milliseconds by batch at 32x32", ("step", *batches, "exponent"), by_batch, options.device)
    print_table("Milliseconds by resolution, batch 4", ("step", *sizes, "exponent in pixels"), by_size, options.device)


def row(
    name: str, networks: Callable[[int], object], values: Sequence[int], power: int, options: object
) -> list[object]:
    variants = {str(value): STEPS[name](networks(value)) for value in values}
    found = list(interleaved(variants, rounds=options.rounds, seconds=0.05).values())  # type: ignore[attr-defined]
    fit = linregress([power * log(value) for value in values], [log(time) for time in found])
    return [name, *found, float(fit.slope)]


if __name__ == "__main__":
    main()
