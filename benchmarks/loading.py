"""Images per second of the data loaders, the start of a run on many files, and the memory of ten million names.

    python -m benchmarks.loading [--images 200] [--start 70000] [--names 10000000] [--workers 2]

Images are JPEG files of 1024x1024 pixels, made here: noise of all scales, some 250 KB each. All variants give batches
of 32 float tensors of 256x256 in [-1, 1]. "whole decoding" is how the package read files before; "ImageFolder" is
torchvision's data set with `v2.Resize` (antialiased, bilinear), conversion and normalization. The archive holds the
images as `stylelayers prepare` writes them; `data=huggingface` reads the JPEG files from parquet. Start: links to the
same files, with headers read and with the index. Memory: proportional set sizes of the process and four workers that
read a loader of so many names.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from stylelayers.data import ImageDataModule, huggingface_dataset, image_archive, image_folder, torchvision_dataset
from stylelayers.data.names import Names
from stylelayers.data.order import ImageOrder
from stylelayers.images import Frame, decode_picture, image_to_tensor
from stylelayers.images.writing import encode_png

from .timing import arguments, print_table

SIDE, SOURCE, BATCH = 256, 1024, 32


def main() -> None:
    options = arguments(__doc__ or "", rounds=3, images=200, start=70_000, names=10_000_000, workers=2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["STYLELAYERS_CACHE"] = str(folder / "cache")  # of this process, which ends here
        write_images(folder / "images" / "all", options.images)
        write_archive(folder / "images", folder / "prepared.zip")
        write_parquet(folder / "images", folder / "parquet")
        print_table(
            f"Images per second, {SOURCE}x{SOURCE} to {SIDE}x{SIDE}",
            ["workers", *LOADERS],
            list(rates(folder, options.workers, options.rounds)),
        )
        print_table(
            f"Start on {options.start:,} files of {SOURCE}x{SOURCE}",
            ["", "seconds"],
            list(starts(folder, options.start)),
        )
    print_table(f"Memory with {options.names:,} names", ["", "GB"], list(memory(options.names)))


def write_images(folder: Path, count: int) -> None:
    """JPEG files of noise whose amplitude falls with its frequency, and a little of every pixel's own."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(count):
        pixels = random.normal(0, 6, (SOURCE, SOURCE, 1)).astype(np.float32)
        for side in (4, 16, 64, 256):
            coarse = Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8))
            pixels = pixels + np.asarray(coarse.resize((SOURCE, SOURCE), Image.Resampling.BICUBIC)) * side**-0.35
        Image.fromarray((pixels * (200 / pixels.max())).clip(0, 255).astype(np.uint8)).save(
            folder / f"{number:06}.jpg", quality=90
        )


def write_archive(folder: Path, path: Path) -> None:
    frame = Frame((SIDE, SIDE))
    with zipfile.ZipFile(path, "w") as archive:
        for number, file in enumerate(sorted(folder.rglob("*.jpg"))):
            archive.writestr(f"00000/img{number:08}.png", encode_png(frame.apply(decode_picture(file, 3, frame))))
        archive.writestr("dataset.json", json.dumps({"labels": None}))


def write_parquet(folder: Path, target: Path) -> None:
    from datasets import load_dataset

    target.mkdir()
    load_dataset("imagefolder", data_dir=str(folder), split="train").to_parquet(str(target / "train.parquet"))


class WholeDecoding(Dataset[Any]):
    """The files decoded at their full size."""

    def __init__(self, folder: Path) -> None:
        self.files, self.frame = sorted(folder.rglob("*.jpg")), Frame((SIDE, SIDE))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Any:
        return image_to_tensor(self.frame.apply(decode_picture(self.files[index], 3)), 3), 0


def _ours(build: Callable[..., ImageDataModule], root: Path, workers: int) -> DataLoader[Any]:
    return build(root, resolution=SIDE, batch_size=BATCH, num_workers=workers).train_dataloader()


def _whole(folder: Path, workers: int) -> DataLoader[Any]:
    return ImageDataModule(WholeDecoding(folder), batch_size=BATCH, num_workers=workers).train_dataloader()


def _image_folder(folder: Path, workers: int) -> DataLoader[Any]:
    steps = [v2.Resize(SIDE, antialias=True), v2.CenterCrop(SIDE), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    dataset = ImageFolder(str(folder), v2.Compose([*steps, v2.Normalize([0.5] * 3, [0.5] * 3)]))
    return DataLoader(dataset, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0, drop_last=True)


LOADERS: dict[str, Callable[[Path, int], DataLoader[Any]]] = {
    "whole decoding": lambda folder, workers: _whole(folder / "images", workers),
    "ImageFolder": lambda folder, workers: _image_folder(folder / "images", workers),
    "data=folder": lambda folder, workers: _ours(image_folder, folder / "images", workers),
    "data=torchvision": lambda folder, workers: _ours(_torchvision, folder / "images", workers),
    "data=huggingface": lambda folder, workers: _ours(huggingface_dataset, folder / "parquet", workers),
    "data=archive": lambda folder, workers: _ours(image_archive, folder / "prepared.zip", workers),
}


def _torchvision(root: Path, **options: Any) -> ImageDataModule:
    return torchvision_dataset("ImageFolder", root, download=False, **options)


def rates(folder: Path, workers: int, rounds: int) -> Iterator[list[object]]:
    """Images per second of each loader by workers, medians of epochs in turn; the first epoch starts the workers."""
    for count in range(workers + 1):
        loaders = {name: build(folder, count) for name, build in LOADERS.items()}
        found: dict[str, list[float]] = {name: [] for name in loaders}
        for turn in range(rounds + 1):
            for name, loader in loaders.items():
                start, images = time.perf_counter(), 0
                for batch, _ in loader:
                    images += len(batch)
                if turn:
                    found[name].append(images / (time.perf_counter() - start))
        yield [count, *(round(median(each), 1) for each in found.values())]


def starts(folder: Path, count: int) -> Iterator[list[object]]:
    """Seconds until a data module of links to the files is made: without an index, with one."""
    files, links = sorted((folder / "images").rglob("*.jpg")), folder / "links"
    links.mkdir()
    for number in range(count):
        (links / f"{number:08}.jpg").symlink_to(files[number % len(files)])
    for name in ("first start", "second start"):
        start = time.perf_counter()
        image_folder(links, resolution=SIDE)
        yield [name, round(time.perf_counter() - start, 2)]


class OfNames(Dataset[Any]):
    """A name per item."""

    def __init__(self, count: int) -> None:
        self.names = Names(f"{number // 1000:05}/img{number:08}.png" for number in range(count))

    def __getitem__(self, index: tuple[int, int]) -> int:
        return len(self.names[index[1]])


def memory(count: int) -> Iterator[list[object]]:
    """GB of the process, and of it with four workers that have read some batches."""
    dataset = OfNames(count)
    yield ["process", _proportional_size([os.getpid()])]
    order = ImageOrder(count, 256, seed=0, images_seen=lambda: None)
    loader = DataLoader(dataset, 256, sampler=order, num_workers=4)
    batches = iter(loader)
    for _ in range(min(200, count // 256)):
        next(batches)
    workers = [worker.pid for worker in batches._workers]  # type: ignore[attr-defined]
    yield ["process and 4 workers", _proportional_size([os.getpid(), *workers])]


def _proportional_size(processes: list[int]) -> float:
    """Memory in GB, where what several processes share counts once."""
    sizes = [Path(f"/proc/{each}/smaps_rollup").read_text() for each in processes]
    return sum(int(line.split()[1]) for text in sizes for line in text.splitlines() if line.startswith("Pss:")) / 1e6


if __name__ == "__main__":
    main()
