"""A resumed run sees the images, labels and flips of an uninterrupted one, whatever the source."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch.utils.data import Dataset

from stylelayers.images.writing import encode_png
from tests.data.pictures import noise_jpeg
from tests.training.tiny import assert_resumes_exactly

COUNT = 10


def picture(number: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (9, 11, 3), dtype=np.uint8))


class Pictures(Dataset[Any]):
    """Pillow's images and their classes."""

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return picture(index), index % 3


def folder(root: Path) -> list[str]:
    for number in range(COUNT):
        path = root / "images" / f"class {number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(path)
    noise_jpeg(root / "images" / "class 0" / "cut.jpg", keep=0.5)
    return ["data=folder", f"data.root={root / 'images'}", "data.on_error=skip", "data.balance_classes=true"]


def archive(root: Path) -> list[str]:
    labels = {f"00000/img{number:08}.png": number % 3 for number in range(COUNT)}
    with zipfile.ZipFile(root / "images.zip", "w") as file:
        for number, name in enumerate(labels):
            file.writestr(name, encode_png(picture(number)))
        file.writestr("dataset.json", json.dumps({"labels": [*labels.items()]}))
    return ["data=archive", f"data.root={root / 'images.zip'}", "data.max_images=7", "data.vertical_flip=true"]


def torchvision(root: Path) -> list[str]:
    return ["data=torchvision", "data.name=FakeData", "data.arguments={size:10,image_size:[3,8,8],num_classes:3}"]


def dataset(root: Path) -> list[str]:
    return ["data=dataset", f"+data.dataset._target_={__name__}.Pictures", "data.resize_filter=box"]


@pytest.mark.filterwarnings("ignore:.*skipped")
@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("make", [folder, archive, torchvision, dataset], ids=lambda make: make.__name__)
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(
    make: Callable[[Path], list[str]], workers: int, tmp_path: Path
) -> None:
    given = [*make(tmp_path), "data.labels=classes", "data.horizontal_flip=true", f"data.num_workers={workers}"]
    assert_resumes_exactly(tmp_path, *given)
