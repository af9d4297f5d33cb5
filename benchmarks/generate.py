"""Time ``stylelayers generate`` for 1,000 digits against the network alone: the cost of seeds, bytes and files.

    python -m benchmarks.generate [--count 1000] [--batch 64] [--rounds 9]

The command runs in this process. Its time includes loading the file, but not the start of Python and the import of
torch (about two seconds). "network" is the same number of images in the same batches from given latents.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import torch

from stylelayers import Generator
from stylelayers.checkpoints import save_generator
from stylelayers.cli.app import app

from .timing import arguments, interleaved, print_table

DIGITS = {
    "image_channels": 1,
    "z_dim": 64,
    "w_dim": 64,
    "channel_base": 512,
    "channel_max": 64,
    "mapping_layers": 2,
    "num_labels": 10,
}


def main() -> None:
    options = arguments(__doc__ or "", count=1000, batch=64)
    torch.manual_seed(0)
    generator = Generator(32, **DIGITS, device=options.device).eval()  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = save_generator(generator, folder / "generator.safetensors")
        shared = ("--seeds", f"0-{options.count - 1}", "--batch", str(options.batch), "--device", options.device)
        runs: dict[str, Callable[[], object]] = {
            "network": network(generator, options.count, options.batch),
            "one grid": command(model, folder / "grid.png", *shared),
            "one grid, random noise": command(model, folder / "grid.png", *shared, "--noise", "random"),
            "one file per seed": command(model, folder / "files", *shared),
            "one WebP file per seed": command(model, folder / "webp", *shared, "--format", "webp"),
        }
        found = interleaved(runs, rounds=options.rounds)
    rows = [[name, time, time / found["network"]] for name, time in found.items()]
    print_table(f"{options.count:,} digits of 32x32", ("output", "ms", "/ network"), rows, options.device)


def network(generator: Generator, count: int, batch: int) -> Callable[[], object]:
    device = generator.synthesis.input.const.device
    z = torch.randn(count, generator.z_dim, device=device)
    labels = torch.arange(count, device=device) % generator.num_labels

    @torch.no_grad()
    def run() -> None:
        for part, classes in zip(z.split(batch), labels.split(batch), strict=True):
            generator(part, classes, noise="const").cpu()

    return run


def command(model: Path, output: Path, *options: str) -> Callable[[], object]:
    def run() -> None:
        with redirect_stdout(StringIO()):
            app(["generate", str(model), str(output), *options], standalone_mode=False)

    return run


if __name__ == "__main__":
    main()
