"""The data modules: what the tensors hold, how batches are drawn, and what a wrong configuration says."""

import inspect
import itertools
import math
import os
import pickle
import pkgutil
import struct
import warnings
from collections.abc import Sized
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torchvision
import yaml
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from stylelayers.training import data
from stylelayers.training.data import (
    ImageDataModule,
    ImageTransform,
    digits,
    image_folder,
    torchvision_dataset,
)
from stylelayers.training.data.torchvision_sets import _CHOSEN_BY_TRAIN_FLAG, _SPLITS

RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "data").glob("*.yaml"))


def stripes(width: int = 60, height: int = 20) -> Image.Image:
    """Red, green and blue thirds from left to right."""
    image = Image.new("RGB", (width, height), GREEN)
    image.paste(RED, (0, 0, width // 3, height))
    image.paste(BLUE, (width - width // 3, 0, width, height))
    return image


def colour(pixels: torch.Tensor, row: int, column: int) -> tuple[int, ...]:
    """One pixel with its channels rounded to 0 or 255."""
    return tuple(255 * round(value) for value in ((pixels[:, row, column] + 1) / 2).tolist())


def noise_jpeg(path: Path, *, keep: float = 1.0) -> None:
    """Write a JPEG file and cut it off after the given fraction."""
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])


def numbered(count: int) -> Dataset[Any]:
    """Images whose pixels and label are their index."""
    values = torch.arange(count)
    return TensorDataset((values / 1000)[:, None, None, None].expand(-1, 1, 2, 2), values)


def pairs(module: ImageDataModule) -> list[tuple[torch.Tensor, int]]:
    """All images and labels in their stored order."""
    return [module.dataset[index] for index in range(len(cast(Sized, module.dataset)))]


def drawn(module: ImageDataModule) -> list[list[int]]:
    """The indices of each batch of an epoch over ``numbered``."""
    return [(images[:, 0, 0, 0] * 1000).round().int().tolist() for images, _ in module.train_dataloader()]


# ImageTransform


@pytest.mark.parametrize("resize", ["crop", "fit", "stretch"])
def test_images_of_the_target_size_keep_every_pixel(resize: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    out = ImageTransform((6, 9), resize=resize)(Image.fromarray(pixels))
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1)


def test_crop_keeps_the_centre() -> None:
    out = ImageTransform(16, resize="crop")(stripes())
    assert out.shape == (3, 16, 16)
    assert {colour(out, row, column) for row in range(16) for column in range(2, 14)} == {GREEN}


def test_fit_keeps_everything_between_black_bars() -> None:
    out = ImageTransform((16, 24), resize="fit")(stripes())
    assert out.shape == (3, 16, 24)
    assert torch.equal(out[:, :4], torch.full((3, 4, 24), -1.0))
    assert torch.equal(out[:, 12:], torch.full((3, 4, 24), -1.0))
    for row in (4, 11):
        assert [colour(out, row, column) for column in (2, 12, 21)] == [RED, GREEN, BLUE]


def test_stretch_keeps_everything_without_bars() -> None:
    out = ImageTransform((12, 15), resize="stretch")(stripes())
    for row in (0, 11):
        assert [colour(out, row, column) for column in (1, 7, 13)] == [RED, GREEN, BLUE]


@pytest.mark.parametrize("resize", ["crop", "fit", "stretch"])
@pytest.mark.parametrize("size", [(1, 1), (500, 1), (1, 500)])
def test_extreme_shapes_reach_the_resolution(size: tuple[int, int], resize: str) -> None:
    out = ImageTransform((4, 8), resize=resize)(Image.new("RGB", size, "white"))
    assert out.shape == (3, 4, 8)
    assert out.max() == 1


def test_reduction_is_antialiased() -> None:
    checkerboard = Image.fromarray((np.indices((64, 64)).sum(0) % 2 * 255).astype(np.uint8))
    out = ImageTransform(8, 1)(checkerboard)
    torch.testing.assert_close(out, torch.zeros(1, 8, 8), atol=0.02, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("image", "value"),
    [
        (Image.new("1", (4, 4), 1), 1.0),
        (Image.new("L", (4, 4), 51), -0.6),
        (Image.new("RGB", (4, 4), (51, 51, 51)), -0.6),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 0)), 1.0),
        (Image.new("RGBA", (4, 4), (0, 0, 0, 51)), 0.6),
        (Image.new("LA", (4, 4), (0, 51)), 0.6),
        (Image.new("F", (4, 4), 127.75), 1 / 510),
        (Image.new("F", (4, 4), 300.0), 1.0),
        (Image.fromarray(np.full((4, 4), 32800, dtype=np.uint16)), 32800 / 32767.5 - 1),
        (Image.fromarray(np.full((4, 4), 32800, dtype=np.int32)), 32800 / 32767.5 - 1),
        (np.full((4, 4), 51, dtype=np.uint8), -0.6),
        (np.full((4, 4), 32800, dtype=np.uint16), 32800 / 32767.5 - 1),
    ],
)
def test_every_mode_becomes_the_channels_asked_for(
    image: Image.Image | np.ndarray, value: float, channels: int
) -> None:
    out = ImageTransform(4, channels)(image)
    torch.testing.assert_close(out, torch.full((channels, 4, 4), value), atol=1e-6, rtol=0)


def test_transparent_palette_entries_become_white() -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([*RED, *BLUE])
    image.paste(1, (2, 0, 4, 4))
    image.info["transparency"] = 0
    out = ImageTransform(4)(image)
    assert (colour(out, 0, 0), colour(out, 0, 3)) == ((255, 255, 255), BLUE)


def test_colour_becomes_luma() -> None:
    out = ImageTransform((4, 12), 1)(stripes(12, 4))
    expected = torch.tensor([0.299, 0.587, 0.114]) * 2 - 1
    torch.testing.assert_close(out[0, 0, 1::4], expected, atol=0.01, rtol=0)


def test_horizontal_flip_mirrors_half_of_the_images() -> None:
    torch.manual_seed(0)
    plain = ImageTransform((4, 12))(stripes(12, 4))
    transform = ImageTransform((4, 12), horizontal_flip=True)
    images = [transform(stripes(12, 4)) for _ in range(100)]
    mirrored = [torch.equal(image, plain.flip(-1)) for image in images]
    assert all(flipped or torch.equal(image, plain) for image, flipped in zip(images, mirrored, strict=True))
    assert 30 < sum(mirrored) < 70


# Digits


def test_digits_are_the_scans_enlarged() -> None:
    from sklearn.datasets import load_digits

    module = digits(resolution=32, labels=True)
    images = torch.stack([image for image, _ in pairs(module)])
    assert images.shape == (1797, 1, 32, 32)
    assert (images.min(), images.max()) == (-1, 1)
    scans = torch.from_numpy(load_digits().images).float()[:, None] / 8 - 1
    error = torch.nn.functional.avg_pool2d(images, 4) - scans
    assert error.square().mean().sqrt() < 0.15
    assert error.abs().max() < 0.6
    assert [label for _, label in pairs(module)] == load_digits().target.tolist()
    assert module.num_labels == 10


def test_digits_leave_no_outline_in_the_background() -> None:
    from sklearn.datasets import load_digits

    images = torch.stack([image for image, _ in pairs(digits(resolution=32))])
    ink_nearby = torch.nn.functional.max_pool2d(torch.from_numpy(load_digits().images)[:, None], 5, 1, 2) > 0
    background = ~ink_nearby.repeat_interleave(4, -1).repeat_interleave(4, -2)
    assert background.sum() > 100
    assert (images[background] == -1).all()


def test_digits_keep_their_shape() -> None:
    square = digits(resolution=32).dataset[0][0]
    wide = digits(resolution=(32, 48), image_channels=3).dataset[0][0]
    assert wide.shape == (3, 32, 48)
    torch.testing.assert_close(wide[:, :, 8:40], square.expand(3, -1, -1))
    assert torch.equal(wide[:, :, :8], torch.full((3, 32, 8), -1.0))


def test_digits_of_the_scans_size_are_the_scans() -> None:
    from sklearn.datasets import load_digits

    image, label = digits(resolution=8, labels=False).dataset[5]
    torch.testing.assert_close(image[0], torch.from_numpy(load_digits().images[5]).float() / 8 - 1)
    assert label == 0


# Folder


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Ten usable images of all kinds, and things that must be ignored."""
    for name in ("a", "b/deep", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    stripes().save(tmp_path / "a" / "1.PNG")
    stripes(31, 77).save(tmp_path / "a" / "2.jpg", quality=95)
    stripes(30, 30).save(tmp_path / "a" / "3.webp")
    stripes(30, 30).convert("L").save(tmp_path / "a" / "4.png")
    stripes(30, 30).convert("L").save(tmp_path / "a" / "5.JPeG")
    stripes(30, 30).convert("RGBA").save(tmp_path / "b" / "1.webp")
    stripes(30, 30).convert("P").save(tmp_path / "b" / "2.png", transparency=0)
    stripes(30, 30).convert("CMYK").save(tmp_path / "b" / "3.jpg")
    Image.fromarray(np.full((9, 9), 65535, dtype=np.uint16)).save(tmp_path / "b" / "deep" / "4.png")
    Image.new("LA", (5, 5), (0, 0)).save(tmp_path / "b" / "deep" / "5.png")
    stripes().save(tmp_path / ".hidden" / "x.png")
    (tmp_path / "a" / "._1.png").write_bytes(b"not an image")
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    return tmp_path


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", ["crop", "fit", "stretch"])
def test_folder_reads_every_kind_of_file(mixed: Path, channels: int, resize: str) -> None:
    module = image_folder(mixed, resolution=(8, 12), image_channels=channels, resize=resize, batch_size=10)
    (images, labels), *rest = module.train_dataloader()
    assert (images.shape, rest) == ((10, channels, 8, 12), [])
    assert (images.min() >= -1).all() and (images.max() <= 1).all()
    assert (module.image_channels, module.resolution, module.num_labels) == (channels, (8, 12), 0)
    assert labels.tolist() == [0] * 10


def test_folder_is_sorted_and_labelled_by_its_sub_folders(mixed: Path) -> None:
    module = image_folder(mixed, resolution=9, labels=True)
    assert module.num_labels == 2
    assert [label for _, label in pairs(module)] == [0] * 5 + [1] * 5
    white = [torch.equal(image, torch.ones(3, 9, 9)) for image, _ in pairs(module)]
    assert white == [False] * 8 + [True] * 2
    assert colour(module.dataset[0][0], 4, 4) == GREEN


@pytest.mark.parametrize("name", ["x.jpg", "x.png", "x.webp"])
def test_exif_orientation_is_honoured(tmp_path: Path, name: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stripes(60, 30).save(tmp_path / name, exif=exif)
    out = image_folder(tmp_path, resolution=(60, 30)).dataset[0][0]
    rows = [out[:, row, 15].argmax().item() for row in (5, 30, 55)]
    assert rows == [0, 1, 2]


def test_truncated_image_is_named_before_training(tmp_path: Path) -> None:
    stripes().save(tmp_path / "a.png")
    noise_jpeg(tmp_path / "broken.jpg", keep=0.5)
    with pytest.raises(ValueError, match=r"unreadable image: .*broken\.jpg \(.*truncated.*data\.on_error=skip"):
        image_folder(tmp_path)


def test_unreadable_images_can_be_skipped(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        noise_jpeg(tmp_path / name / "whole.jpg")
    noise_jpeg(tmp_path / "a" / "cut.jpg", keep=0.5)
    (tmp_path / "b" / "whole.jpg").write_bytes(b"not an image")
    with pytest.warns(UserWarning, match=r"skipped 2 unreadable files of 4; .*cut\.jpg") as caught:
        module = image_folder(tmp_path, labels=True, on_error="skip")
    assert len(caught) == 1
    assert [label for _, label in pairs(module)] == [0, 1]
    assert module.num_labels == 2


def test_readable_folders_give_no_warning(mixed: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image_folder(mixed, on_error="skip")


def test_a_folder_without_readable_images_is_an_error(tmp_path: Path) -> None:
    noise_jpeg(tmp_path / "cut.jpg", keep=0.5)
    with pytest.raises(ValueError, match=r"none of 1 files is readable; the first is .*cut\.jpg"):
        image_folder(tmp_path, on_error="skip")


def test_folder_errors_say_what_to_change(tmp_path: Path) -> None:
    expected = r"^data\.root must name a folder of JPEG, PNG or WebP images, got "
    (tmp_path / "notes.txt").write_text("not an image")
    for root, match in [
        (None, "None$"),
        ("", "''$"),
        (tmp_path / "missing", r"'.*missing', which does not exist$"),
        (tmp_path / "notes.txt", r"'.*notes\.txt', which is a file$"),
        (tmp_path, r"'.*', which holds no \.jpg, \.jpeg, \.png, \.webp file$"),
    ]:
        with pytest.raises(ValueError, match=expected + match):
            image_folder(root)


def test_labels_need_two_sub_folders(mixed: Path) -> None:
    with pytest.raises(ValueError, match=r"at least 2 sub-folders .*got only 'deep'"):
        (mixed / "b" / "1.webp").unlink()
        (mixed / "b" / "2.png").unlink()
        (mixed / "b" / "3.jpg").unlink()
        image_folder(mixed / "b", labels=True)
    stripes().save(mixed / "loose.png")
    with pytest.raises(ValueError, match=r"in the sub-folder of its class, got .*loose\.png"):
        image_folder(mixed, labels=True)


# torchvision


def write_mnist(root: Path) -> np.ndarray:
    """Three training images and two test images in MNIST's file format; return the former."""
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    for part, rows in (("train", pixels[:3]), ("t10k", pixels[3:])):
        header = struct.pack(">4I", 0x803, len(rows), 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + rows.tobytes())
        header = struct.pack(">2I", 0x801, len(rows))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(header + bytes([7, 0, 9][: len(rows)]))
    return pixels[:3]


def write_cifar10(root: Path) -> np.ndarray:
    """Two images a batch in CIFAR-10's file format; return those of the first batch."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (6, 2, 3072), dtype=np.uint8)
    for index, name in enumerate([*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]):
        (folder / name).write_bytes(pickle.dumps({"data": pixels[index], "labels": [index, 9]}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    return pixels[0].reshape(2, 3, 32, 32)


def test_mnist_is_read_through_torchvision(tmp_path: Path) -> None:
    pixels = write_mnist(tmp_path)
    module = torchvision_dataset("MNIST", tmp_path, resolution=28, image_channels=1, labels=True)
    assert [label for _, label in pairs(module)] == [7, 0, 9]
    assert module.num_labels == 10
    torch.testing.assert_close(module.dataset[1][0][0], torch.from_numpy(pixels[1]) / 127.5 - 1)
    held_out = torchvision_dataset("MNIST", str(tmp_path), split="test", download=False)
    assert [(tuple(image.shape), label) for image, label in pairs(held_out)] == [((3, 32, 32), 0)] * 2


def test_cifar10_is_read_through_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = write_cifar10(tmp_path)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: os.path.isfile(path))
    module = torchvision_dataset(root=tmp_path, labels=True, download=False)
    assert [label for _, label in pairs(module)] == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert module.num_labels == 10
    torch.testing.assert_close(module.dataset[1][0], torch.from_numpy(pixels[1]) / 127.5 - 1)


@pytest.mark.parametrize("name", _SPLITS)
def test_torchvision_has_the_class_and_its_split_argument(name: str) -> None:
    parameters = inspect.signature(getattr(torchvision.datasets, name)).parameters
    assert ("train" in parameters) == (name in _CHOSEN_BY_TRAIN_FLAG)
    assert ("split" in parameters) == (name not in _CHOSEN_BY_TRAIN_FLAG)
    assert "download" in parameters


def test_failed_download_says_what_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(self: object) -> None:
        raise RuntimeError("Error downloading:\nno route to host")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", download)
    message = r"could not download split 'train' in data\.root=.*: Error downloading: no route to host; .* by hand$"
    with pytest.raises(ValueError, match=message) as caught:
        torchvision_dataset("MNIST", tmp_path)
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(ValueError, match=r"^data\.name=MNIST: torchvision could not find split 'test'"):
        torchvision_dataset("MNIST", tmp_path, split="test", download=False)


def test_sets_without_classes_cannot_be_labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets, "STL10", lambda root, split, download: numbered(3))
    with pytest.raises(ValueError, match=r"data\.labels=true .* split 'unlabeled' of STL10 has none"):
        torchvision_dataset("STL10", tmp_path, split="unlabeled", labels=True)


# ImageDataModule


@pytest.mark.parametrize(("count", "batch_size", "batches"), [(10, 4, 3), (8, 4, 2), (3, 8, 1), (1, 5, 1)])
def test_epochs_are_whole_batches_of_all_images(count: int, batch_size: int, batches: int) -> None:
    module = ImageDataModule(numbered(count), batch_size=batch_size)
    epoch = drawn(module)
    assert [len(batch) for batch in epoch] == [batch_size] * batches
    assert len(module.train_dataloader()) == batches
    indices = list(itertools.chain(*epoch))
    assert sorted(indices[:count]) == list(range(count))
    repeats = torch.bincount(torch.tensor(indices))
    assert repeats.max() - repeats.min() <= 1


def test_every_epoch_has_its_own_order() -> None:
    torch.manual_seed(0)
    loader = ImageDataModule(numbered(50), batch_size=50).train_dataloader()
    first, second = ([images.flatten(1)[:, 0] for images, _ in loader] for _ in range(2))
    assert not torch.equal(first[0], first[0].sort().values)
    assert not torch.equal(first[0], second[0])
    assert torch.equal(first[0].sort().values, second[0].sort().values)


@pytest.mark.parametrize(("count", "batches"), [(10, 2), (3, 1)])
def test_processes_share_an_epoch_in_whole_batches(monkeypatch: pytest.MonkeyPatch, count: int, batches: int) -> None:
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    indices = []
    for rank in range(2):
        monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
        epoch = drawn(ImageDataModule(numbered(count), batch_size=4))
        assert [len(batch) for batch in epoch] == [4] * batches
        indices += list(itertools.chain(*epoch))
    repeats = torch.bincount(torch.tensor(indices), minlength=count)
    assert math.floor(8 * batches / count) <= repeats.min() <= repeats.max() <= math.ceil(8 * batches / count)


def test_loader_options() -> None:
    module = ImageDataModule(numbered(4), batch_size=2, num_workers=2, num_labels=4)
    loader = module.train_dataloader()
    assert (loader.num_workers, loader.persistent_workers) == (2, True)
    assert loader.pin_memory == torch.cuda.is_available()
    assert not ImageDataModule(numbered(4), batch_size=2).train_dataloader().persistent_workers
    assert (module.image_channels, module.resolution, module.num_labels) == (1, (2, 2), 4)


def test_data_sets_can_be_sent_to_workers(mixed: Path) -> None:
    for module in (digits(), image_folder(mixed, labels=True)):
        copy = pickle.loads(pickle.dumps(module.dataset))
        assert torch.equal(copy[3][0], module.dataset[3][0])
        assert copy[3][1] == module.dataset[3][1]


@pytest.mark.parametrize(
    ("images", "label", "match"),
    [
        (torch.zeros(0, 1, 2, 2), 0, "at least 1 image, got an empty one"),
        (
            torch.zeros(1, 1, 2, 2, dtype=torch.uint8),
            0,
            r"float32 tensors \(C, H, W\), got torch.uint8 \(1, 2, 2\)",
        ),
        (torch.zeros(1, 2, 2), 0, r"float32 tensors \(C, H, W\), got torch.float32 \(2, 2\)"),
        (torch.full((1, 1, 2, 2), 255.0), 0, r"in \[-1, 1\], got values in \[255, 255\]"),
        (torch.full((1, 1, 2, 2), math.nan), 0, r"in \[-1, 1\], got values in \[nan, nan\]"),
        (torch.zeros(1, 1, 2, 2), 3, r"labels must be in \[0, 3\).*got 3"),
        (torch.zeros(1, 1, 2, 2), -1, r"labels must be in \[0, 3\).*got -1"),
    ],
)
def test_data_sets_are_checked(images: torch.Tensor, label: int, match: str) -> None:
    dataset = TensorDataset(images, torch.full((len(images),), label))
    with pytest.raises(ValueError, match=match):
        ImageDataModule(dataset, num_labels=3)


# Configuration

LOADER_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"batch_size": 0}, r"^data\.batch_size must be at least 1 image, got 0$"),
    ({"batch_size": True}, r"^data\.batch_size must be .*, got True$"),
    ({"batch_size": 2.5}, r"^data\.batch_size must be .*, got 2\.5$"),
    ({"num_workers": -1}, r"^data\.num_workers must be 0 .* or more processes, got -1$"),
]
IMAGE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"image_channels": 2}, r"^data\.image_channels must be 1 \(grey\) or 3 \(RGB\), got 2$"),
    ({"image_channels": True}, r"^data\.image_channels must be .*, got True$"),
    *(
        ({"resolution": resolution}, r"^data\.resolution must be an int or a pair \(height, width\) .*, got ")
        for resolution in (0, -8, True, 32.0, "32", None, (32,), (32, 0), (32, True), (8, 8, 8))
    ),
]
RESIZE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"resize": "pad"}, r"^data\.resize must be one of crop, fit, stretch, got 'pad'$"),
]
FOLDER_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"on_error": "ignore"}, r"^data\.on_error must be one of raise, skip, got 'ignore'$"),
]
SET_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"name": "LSUN"}, r"^data\.name must be one of CIFAR10, CIFAR100, .*, USPS, got 'LSUN'$"),
    ({"split": "val"}, r"^data\.split of CIFAR10 must be one of train, test, got 'val'$"),
    ({"root": None}, r"^data\.root must name the folder that holds, or will hold, .*, got None$"),
]


@pytest.mark.parametrize(("arguments", "match"), LOADER_ERRORS + IMAGE_ERRORS)
def test_digits_rejects(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        digits(**arguments)


@pytest.mark.parametrize(("arguments", "match"), LOADER_ERRORS + IMAGE_ERRORS + RESIZE_ERRORS + FOLDER_ERRORS)
def test_image_folder_rejects(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        image_folder("missing", **arguments)


@pytest.mark.parametrize(("arguments", "match"), LOADER_ERRORS + IMAGE_ERRORS + RESIZE_ERRORS + SET_ERRORS)
def test_torchvision_dataset_rejects(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        torchvision_dataset(**{"root": "missing", "download": False, **arguments})


@pytest.mark.parametrize(("arguments", "match"), LOADER_ERRORS)
def test_data_module_rejects(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ImageDataModule(numbered(2), **arguments)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_configurations_hold_the_arguments_and_their_defaults(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    target = pkgutil.resolve_name(config.pop("_target_"))
    parameters = inspect.signature(target).parameters
    defaults = {
        name: None if parameter.default is inspect.Parameter.empty else parameter.default
        for name, parameter in parameters.items()
    }
    assert config == defaults
    assert target.__name__ in data.__all__


def test_there_is_a_configuration_for_each_data_set() -> None:
    assert [path.stem for path in CONFIGS] == ["digits", "image_folder", "torchvision"]
