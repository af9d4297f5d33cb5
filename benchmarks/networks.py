"""Time whole networks, eager and compiled: generator forward and backward, path length, discriminator with R1.

    python -m benchmarks.networks [--peers FOLDER] [--compile] [--resolution 64] [--batch 8] [--device cuda] [--bf16]

Also prints the fraction of the measured 3x3-convolution peak that the forward pass of the generator reaches.
``--compile`` adds minutes. On a GPU the official code compiles its CUDA operators at first use, with nvcc and ninja.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from .operators import peak_rows
from .peers import Official
from .steps import STEPS, Networks, generator_forward, official_networks, our_networks
from .timing import arguments, interleaved, print_table


def main() -> None:
    options = arguments(
        __doc__ or "",
        compile=False,
        bf16=False,
        resolution=64,
        batch=8,
        channel_base=2048,
        channel_max=128,
        w_dim=64,
    )
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    sizes = {key: getattr(options, key) for key in ("channel_base", "channel_max", "w_dim")}
    official = Official.found(options.peers)
    with torch.device(options.device):
        ours = our_networks(options.resolution, options.batch, **sizes)
        theirs = official_networks(official, options.resolution, options.batch, **sizes) if official else None
        with torch.autocast(options.device, torch.bfloat16, enabled=options.bf16):
            table = [row(name, ours, theirs, options.compile, options.rounds) for name in STEPS]
            share = share_of_peak(ours, options.rounds)
    header = ("step", "ours ms", "compiled ms", "official ms", "ours / official", "compiled / official")
    size = f"{options.resolution}x{options.resolution}, batch {options.batch}, {'bf16' if options.bf16 else 'float32'}"
    print_table(f"Networks, {size}", header, table, options.device)
    print_table("Generator forward against the convolution peak", ("quantity", "value"), share, options.device)


def row(name: str, ours: Networks, theirs: Networks | None, compiling: bool, rounds: int) -> list[object]:
    variants: dict[str, Callable[[], object]] = {"ours": STEPS[name](ours)}
    if compiling:
        variants["compiled"] = STEPS[name](ours, compiled=True)
    if theirs is not None:
        variants["official"] = STEPS[name](theirs)
    found = interleaved(variants, rounds=rounds, seconds=0.3)
    ratios = [found[key] / found["official"] if {key, "official"} <= set(found) else "" for key in ("ours", "compiled")]
    return [name, *(found.get(key, "") for key in ("ours", "compiled", "official")), *ratios]


def share_of_peak(networks: Networks, rounds: int) -> list[list[object]]:
    run = generator_forward(networks)
    with FlopCounterMode(display=False) as counter:
        run()
    flops = counter.get_total_flops()
    rate = flops / interleaved({"ours": run}, rounds=rounds)["ours"] / 1e6
    peak = next(value for name, value in peak_rows(rounds) if "convolution" in str(name))
    assert isinstance(peak, float)
    return [
        ["GFLOP per forward pass", flops / 1e9],
        ["GFLOP/s reached", rate],
        ["GFLOP/s of a 3x3 convolution", peak],
        ["share", rate / peak],
    ]


if __name__ == "__main__":
    main()
