"""The settings that all sources share: subsets, balance, flips, channels, filters, damaged images that are skipped."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from stylelayers.data import ImageDataModule, Source, TransformedImages, dataset_images, image_archive, image_folder
from tests.data.pictures import noise_jpeg, pairs, stripes
from tests.data.test_archive import build


@pytest.fixture
def greys(tmp_path: Path) -> Path:
    """Twenty images of class a and four of b, each of its own grey."""
    for number in range(24):
        path = tmp_path / "images" / ("b" if number >= 20 else "a") / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 10 * number).save(path)
    return tmp_path / "images"


def numbers(images: Tensor) -> list[int]:
    return ((images.mean((1, 2, 3)) + 1) * 12.75).round().int().tolist()


def read(module: ImageDataModule, epochs: int = 1) -> list[int]:
    loader = module.train_dataloader()
    return [each for _ in range(epochs) for images, _ in loader for each in numbers(images)]


def test_a_subset_is_a_function_of_its_seed(greys: Path) -> None:
    def chosen(**options: Any) -> list[int]:
        module = image_folder(greys, labels=True, resolution=4, **options)
        assert [label for _, label in pairs(module)] == [int(number >= 20) for number in _stored(module)]
        return _stored(module)

    first = chosen(max_images=10)
    assert first == sorted(first)
    assert len({*first}) == 10
    assert first == chosen(max_images=10)
    assert first != chosen(max_images=10, subset_seed=1)
    assert chosen(max_images=24) == [*range(24)]
    with pytest.raises(ValueError, match=r"^image_folder: max_images must be at most 24, all there are, got 25$"):
        image_folder(greys, max_images=25)


def _stored(module: ImageDataModule) -> list[int]:
    return numbers(torch.stack([image for image, _ in pairs(module)]))


@pytest.mark.parametrize("max_images", [None, 16])
def test_balanced_classes_are_drawn_equally_often(greys: Path, max_images: int | None) -> None:
    module = image_folder(
        greys, labels=True, resolution=4, balance_classes=True, batch_size=8, num_workers=0, max_images=max_images
    )
    loader = module.train_dataloader()
    for _ in range(2):
        labels = torch.cat([labels for _, labels in loader])
        assert torch.bincount(labels).tolist() == [len(labels) // 2] * 2
    drawn = np.bincount(read(module, 2), minlength=24)
    for members in (drawn[:20], drawn[20:]):
        used = members[members > 0]
        assert used.max() - used.min() <= 2


@pytest.mark.parametrize(("option", "axis"), [("horizontal_flip", 2), ("vertical_flip", 1)])
def test_flips_mirror_half_of_the_images(tmp_path: Path, option: str, axis: int) -> None:
    Image.fromarray(np.arange(16, dtype=np.uint8).reshape(4, 4)).save(tmp_path / "1.png")
    plain = image_folder(tmp_path, resolution=4, image_channels=1).dataset[0][0]
    module = image_folder(tmp_path, resolution=4, image_channels=1, **{option: True})
    seen = [module.dataset[0][0] for _ in range(200)]
    mirrored = sum(torch.equal(image, plain.flip(axis)) for image in seen)
    assert mirrored + sum(torch.equal(image, plain) for image in seen) == 200
    assert 60 < mirrored < 140


@pytest.mark.parametrize(
    ("modes", "channels"),
    [(["L"], 1), (["L", "1"], 1), (["L", "LA"], 2), (["L", "RGB"], 3), (["RGB", "P"], 3), (["RGB", "RGBA"], 4)],
)
def test_auto_takes_as_many_channels_as_the_images_have(tmp_path: Path, modes: list[str], channels: int) -> None:
    for number, mode in enumerate(modes):
        image = Image.new("RGBA", (4, 4), (10, 20, 30, 40))
        (image.convert("RGB") if mode == "P" else image).convert(mode).save(tmp_path / f"{number}.png")
    assert image_folder(tmp_path, image_channels="auto").image_channels == channels


def test_alpha_is_a_channel_when_asked_for(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (255, 0, 0, 51)).save(tmp_path / "1.png")
    for channels, expected in ((4, [1, -1, -1, -0.6]), (3, [1, 0.6, 0.6])):
        image = image_folder(tmp_path, resolution=4, image_channels=channels).dataset[0][0]
        torch.testing.assert_close(image[:, 0, 0], torch.tensor(expected), atol=0.01, rtol=0)
    Image.new("L", (4, 4), 0).save(tmp_path / "2.png")
    grey = image_folder(tmp_path, resolution=4, image_channels=2).dataset[1][0]
    assert grey[:, 0, 0].tolist() == [-1, 1]


@pytest.mark.parametrize("name", ["lanczos", "bicubic", "bilinear", "box"])
def test_filters_are_pillows(tmp_path: Path, name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "1.png")
    module = image_folder(tmp_path, resolution=10, resize_filter=name)
    filter = getattr(Image.Resampling, name.upper())
    expected = np.array(Image.fromarray(pixels).resize((10, 10), filter), dtype=np.float32) / 127.5 - 1
    torch.testing.assert_close(module.dataset[0][0].permute(1, 2, 0), torch.from_numpy(expected))
    assert cast(TransformedImages, module.dataset).resize_filter == f"{name.capitalize()}, antialiased, crop"
    if name == "box":
        mean = pixels.reshape(10, 4, 10, 4, 3).mean((1, 3)) / 127.5 - 1
        torch.testing.assert_close(
            module.dataset[0][0].permute(1, 2, 0).double(), torch.from_numpy(mean), atol=0.01, rtol=0
        )


# Damaged images that are skipped --------------------------------------------------------------------------------------


class Trainer:
    """Stands in for the trainer of a resumed run."""

    num_devices = 1

    def __init__(self, images_seen: int) -> None:
        self.lightning_module = self
        self.images_seen = images_seen


@pytest.fixture
def damaged(greys: Path) -> Path:
    noise_jpeg(greys / "a" / "05.jpg", keep=0.5)
    noise_jpeg(greys / "b" / "21.jpg", keep=0.5)
    return greys


def skipping(damaged: Path, workers: int = 0) -> ImageDataModule:
    torch.manual_seed(3)
    return image_folder(damaged, resolution=4, batch_size=5, on_error="skip", num_workers=workers)


@pytest.mark.filterwarnings("ignore:skipped")
@pytest.mark.parametrize("archive", [False, True])
def test_a_damaged_image_is_replaced_by_the_same_draw_with_workers_and_after_a_resume(
    damaged: Path, tmp_path: Path, archive: bool
) -> None:
    if archive:
        files = {str(path.relative_to(damaged)): path.read_bytes() for path in sorted(damaged.rglob("*.*"))}
        build(tmp_path / "x.zip", [], **files)

    def module(workers: int = 0) -> ImageDataModule:
        torch.manual_seed(3)
        open_it = image_archive if archive else image_folder
        path = tmp_path / "x.zip" if archive else damaged
        return open_it(path, resolution=4, batch_size=5, on_error="skip", num_workers=workers)

    alone = module()
    whole = read(alone)
    assert len(whole) == 30
    assert read(module(workers=2)) == whole
    resumed = module()
    resumed.trainer = Trainer(images_seen=10)  # type: ignore[assignment]
    assert read(resumed) == whole[10:]


def test_damaged_images_are_counted_and_told_once(damaged: Path) -> None:
    module = skipping(damaged)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read(module, 2)
    told = sorted(str(each.message) for each in caught)
    assert [("05.jpg" in text, "21.jpg" in text) for text in told] == [(True, False), (False, True)]
    assert all(text.startswith("skipped: ") and "cannot be read: " in text for text in told)
    assert cast(Tensor, module.unreadable).sum() == 2
    shared = skipping(damaged, workers=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        read(shared)
    assert torch.equal(cast(Tensor, shared.unreadable), cast(Tensor, module.unreadable))


def test_nothing_but_damaged_images_is_an_error(tmp_path: Path) -> None:
    noise_jpeg(tmp_path / "1.jpg", keep=0.5)
    with (
        pytest.warns(UserWarning, match="skipped: "),
        pytest.raises(ValueError, match="100 images drawn one after the other cannot be read"),
    ):
        image_folder(tmp_path, on_error="skip")


# Data sets of the user's own ------------------------------------------------------------------------------------------


def test_pictures_of_all_kinds_are_taken_from_a_data_set(tmp_path: Path) -> None:
    stripes(8, 8).save(tmp_path / "1.png")
    array = np.array(stripes(8, 8))
    kinds = [
        stripes(8, 8),
        array,
        torch.from_numpy(array).permute(2, 0, 1),
        str(tmp_path / "1.png"),
        tmp_path / "1.png",
    ]
    module = dataset_images([(each, number) for number, each in enumerate(kinds)], labels=True, resolution=8)  # type: ignore[arg-type]
    assert [label for _, label in pairs(module)] == [0, 1, 2, 3, 4]
    for image, _ in pairs(module):
        assert torch.equal(image, module.dataset[0][0])
    assert isinstance(cast(TransformedImages, module.dataset).source, Source)
