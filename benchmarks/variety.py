"""Train the digits with one change each, at equal images, and print what each change does to variety.

    python -m benchmarks.variety runs/variety --images 28000 --seeds 0,1,2 [--only "as published,default"]

A change is a list of settings in CHANGES: of the settings as published for StyleGAN2, or of the default. All but
"steep" have the default's schedule of the learning rate. A run that is finished is not trained again, so that the
command can be stopped and repeated. Columns are means over the seeds of the numbers of QualityMeter, in the features
of digits, with 1,797 images; spread is the standard deviation of the features within a class over that of the real
digits (1 is equal, below it images of a class look alike).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from benchmarks.timing import machine
from stylelayers.checkpoints import load_generator
from stylelayers.data import digits
from stylelayers.metrics import QualityMeter, classifier_of_digits

TWO, MIXED = ["preset.mbstd_group_size=2"], ["data.images_per_class=1"]
STEEP = ["preset.lr_schedule=[[30000,1.0],[90000,0.05]]"]
UNMATCHED = ["preset.mismatch_weight=0"]
TWO_LAYERS = [*UNMATCHED, "preset.label_layers=2"]
SLOW = [*TWO_LAYERS, "preset.lr=0.003"]
PLAIN = ["preset.adversarial=nonsaturating", "preset.r2_gamma=0", *TWO_LAYERS]
NO_FLIPS = ["augment.pipeline.probabilities={flip: 0, turn: 0}", "augment.pipeline.strengths={rotate: 0.1}"]
CHANGES: dict[str, list[str]] = {
    "as published": [*PLAIN, *MIXED, "preset.lr=0.003"],
    "groups of two of a class": [*PLAIN, *TWO, "preset.lr=0.003"],
    "groups of four of a class": [*PLAIN, "preset.lr=0.003"],
    "groups of four; mapping rate 0.1": [*PLAIN, "preset.lr=0.003", "model.generator.mapping_lr_multiplier=0.1"],
    "groups of four; 4 statistics": [*PLAIN, "preset.lr=0.003", "model.discriminator.mbstd_num_channels=4"],
    "groups of four; rate 0.005": PLAIN,
    "relativistic; gamma 0.05": [*SLOW, *MIXED, "preset.r1_gamma=0.05"],
    "relativistic; groups of four; gamma 0.05": [*SLOW, "preset.r1_gamma=0.05"],
    "relativistic; groups of four; gamma 0.2": SLOW,
    "relativistic; groups of two; gamma 0.05": [*SLOW, *TWO, "preset.r1_gamma=0.05"],
    "relativistic; groups of two; gamma 0.2": [*SLOW, *TWO],
    "relativistic; groups of two; gamma 0.05; rate 0.005": [*TWO_LAYERS, *TWO, "preset.r1_gamma=0.05"],
    "relativistic; groups of two; gamma 0.5; rate 0.008": [*TWO_LAYERS, *TWO, "preset.r1_gamma=0.5", "preset.lr=0.008"],
    "relativistic; groups of two; rate 0.005": [*TWO_LAYERS, *TWO],
    "relativistic; groups of two; rate 0.005; one label layer": [*UNMATCHED, *TWO],
    "relativistic; groups of two; steep": [*TWO_LAYERS, *TWO, *STEEP],
    "relativistic; groups of two; steep; one label layer": [*UNMATCHED, *TWO, *STEEP],
    "default; groups of two; steep": [*TWO, *STEEP],
    "default; groups of two; steep; mismatch 0.1": [*TWO, *STEEP, "preset.mismatch_weight=0.1"],
    "default; groups of two; mismatch 0.1": [*TWO, "preset.mismatch_weight=0.1"],
    "default; groups of two": TWO,
    "default; groups of two; mismatch 1 each time": [*TWO, "preset.mismatch_weight=1", "loss.mismatch_interval=1"],
    "default; no mismatch": UNMATCHED,
    "default": [],
    "default; eight label layers": ["preset.label_layers=8"],
    "default; gamma 1": ["preset.r1_gamma=1"],
    "default; batch 32": ["data.batch_size=32"],
    "default; ADA": ["augment=ada", "augment.p=0.1", "augment.target=null", *NO_FLIPS],
    "default; DiffAugment": ["augment=diffaugment"],
    "default; path length": ["preset.path_length_weight=2"],
    "default; style mixing": ["preset.style_mixing=0.9"],
    "default; eight mapping layers": ["preset.mapping_layers=8"],
    "default; no labels": ["data.labels=none"],
}
RESOLUTION, CLASSES, SAMPLES = 32, 10, 1797
NUMBERS = ("fid", "precision", "recall", "density", "coverage", "recognised", "asked_recognised", "smallest_class")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of the runs")
    parser.add_argument("--images", type=int, default=28_000, help="per run")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--only", help="names of changes, with commas between")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(CHANGES)
    if unknown := set(names) - CHANGES.keys():
        parser.error(f"--only: expected some of {', '.join(CHANGES)}, got {', '.join(sorted(unknown))}")
    seeds = [int(seed) for seed in options.seeds.split(",")]
    print(machine())
    print(f"{options.images:,} images, seeds {options.seeds}\n")
    print("| change | " + " | ".join((*NUMBERS, "spread")) + " |\n" + "|---" * (len(NUMBERS) + 2) + "|")
    for name in names:
        runs = [train(options.folder, name, CHANGES[name], options.images, seed) for seed in seeds]
        print(row(name, map(measure, runs)), flush=True)


def train(folder: Path, name: str, change: Sequence[str], images: int, seed: int) -> Path:
    """Train one run, unless its generator is there; the folder of the run."""
    run = folder / f"{name.replace('; ', '-').replace(' ', '_')}-{images}-{seed}"
    if not (run / "generator.safetensors").is_file():
        settings = [
            *("trainer.max_time=null", f"callbacks.stop.max_images={images}", f"seed={seed}"),
            *("callbacks.checkpoint.keep=1", "callbacks.checkpoint.every_minutes=60", "resume=auto"),
        ]
        command = [sys.executable, "train.py", f"hydra.run.dir={run}", *settings, *change]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return run


@torch.no_grad()
def measure(run: Path) -> dict[str, float]:
    """The numbers of a run's generator, and the spread within its classes."""
    generator = load_generator(run)
    numbers = QualityMeter(digits(resolution=RESOLUTION), features="digits")(generator).numbers()
    if generator.num_labels:
        labels = torch.arange(SAMPLES) % CLASSES
        z = torch.randn(SAMPLES, generator.z_dim, generator=torch.Generator().manual_seed(0))
        images = torch.cat([generator(*part) for part in zip(z.split(100), labels.split(100), strict=True)])
        numbers["spread"] = spread(images, labels)
    return numbers


def spread(images: Tensor, labels: Tensor) -> float:
    """Standard deviation of the features within a class over that of real digits, the mean over classes."""
    data = digits(resolution=RESOLUTION)
    data.setup("fit")
    real = [data.dataset[place] for place in range(SAMPLES)]
    body = classifier_of_digits((RESOLUTION, RESOLUTION)).body
    ours, theirs = (
        [deviation(features[of_class == number]) for number in range(CLASSES)]
        for features, of_class in (
            (body(images), labels),
            (body(torch.stack([image for image, _ in real])), torch.tensor([int(label) for _, label in real])),
        )
    )
    return mean(a / b for a, b in zip(ours, theirs, strict=True))


def deviation(features: Tensor) -> float:
    return float((features - features.mean(0)).square().sum(1).mean().sqrt())


def row(name: str, measured: Iterable[dict[str, float]]) -> str:
    """A line of the table: means, and the smallest and largest of several."""
    reports = list(measured)
    cells = []
    for number in (*NUMBERS, "spread"):
        values = [report[number] for report in reports if number in report]
        ends = f" ({min(values):.3g} to {max(values):.3g})" if len(values) > 1 else ""
        cells.append(f"{mean(values):.3g}{ends}" if values else "")
    return f"| {name} | " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
