"""Measure the peak memory of each step, in a process of its own, beyond the memory in use before.

    python -m benchmarks.memory [--peers FOLDER] [--device cuda]

On CPUs this is the maximum resident size (Linux), on CUDA the peak of the allocator. Median of three processes.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

import torch

from .peers import Official
from .steps import STEPS, official_networks, our_networks
from .timing import arguments, print_table

SIZES: dict[str, Any] = {"channel_base": 2048, "channel_max": 128, "w_dim": 64}


def main() -> None:
    options = arguments(__doc__ or "", child="", resolution=64, batch=8)
    if options.child:
        whose, _, step = options.child.partition(":")
        print(growth(whose, step, options.resolution, options.batch, options.device, options.peers))
        return
    whose = ["ours", "official"] if Official.found(options.peers) else ["ours"]
    rows = []
    for step in STEPS:
        found = {who: median(in_child(f"{who}:{step}") for _ in range(3)) for who in whose}
        ratio = found["ours"] / found["official"] if "official" in found else ""
        rows.append([step, found["ours"], found.get("official", ""), ratio])
    title = f"Peak memory, {options.resolution}x{options.resolution}, batch {options.batch}, float32"
    print_table(title, ("step", "ours MiB", "official MiB", "ours / official"), rows, options.device)


def in_child(child: str) -> float:
    command = [sys.executable, "-m", "benchmarks.memory", *sys.argv[1:], "--child", child]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def growth(whose: str, step: str, resolution: int, batch: int, device: str, peers: Path | None) -> float:
    """MiB that two runs of the step add to the networks and their gradients."""
    torch.manual_seed(0)
    official = Official.found(peers)
    with torch.device(device):
        if whose == "official" and official is not None:
            networks = official_networks(official, resolution, batch, **SIZES)
        else:
            networks = our_networks(resolution, batch, **SIZES)
        for network in networks[:2]:
            for parameter in network.parameters():
                parameter.grad = torch.zeros_like(parameter)
        run = STEPS[step](networks)
        before = resident(device)
        run(), run()
        return (peak(device) - before) / 2**20


def resident(device: str) -> int:
    if device == "cuda":
        return torch.cuda.memory_allocated()
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak(device: str) -> int:
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
