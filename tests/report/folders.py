"""Folders as runs leave them, without training."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from PIL import Image

from stylelayers.checkpoints import save_generator
from tests.explore.tiny import tiny_generator

OVERRIDES = ("seed=3", "resume=runs/earlier", "output=runs/RUN")


def row(images: float, **values: float) -> dict[str, Any]:
    """A row of metrics; ``loss__generator`` is ``loss/generator``."""
    named = {name.replace("__", "/"): value for name, value in values.items()}
    return {"epoch": 0, "step": images / 16, "progress/images": images, **named}


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    names = sorted({name for each in rows for name in each})
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        table.writerows(rows)


def write_grids(folder: Path, images: Sequence[int], size: tuple[int, int] = (60, 40)) -> None:
    """Grids of one grey each, lighter with the images seen, and the last."""
    (folder / "samples").mkdir(parents=True, exist_ok=True)
    for place, count in enumerate(images):
        Image.new("L", size, 20 * place).save(folder / "samples" / f"{count:09d}.png")
    Image.new("L", size, 255).save(folder / "samples" / "last.png")


def make_run(folder: Path, *, overrides: Sequence[str] = OVERRIDES) -> Path:
    """A run of 3,200 images with two measurements of quality, four grids, a generator and a checkpoint."""
    (folder / ".hydra").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    OmegaConf.save({"data": {"resolution": 8}, "seed": 3}, folder / "config.yaml")
    OmegaConf.save(list(overrides), folder / ".hydra" / "overrides.yaml")
    rows = [row(400.0 * n, loss__generator=1 + n, loss__discriminator=9 - n, penalty__r1=10.0**-n) for n in range(9)]
    rows += [row(1600, quality__fid=80.0, quality__recall=0.3), row(3200, quality__fid=60.0, quality__recall=0.2)]
    write_table(folder / "metrics.csv", rows)
    write_grids(folder, [0, 1000, 2000])
    save_generator(tiny_generator(), folder / "generator.safetensors", summary={"images_seen": 3200})
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"x" * 2048)
    return folder
