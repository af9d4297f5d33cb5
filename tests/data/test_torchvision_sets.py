"""torchvision_dataset: files in the formats of the sets, small ones made here, and failed downloads."""

import inspect
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from stylelayers.data import torchvision_dataset
from stylelayers.data.torchvision_sets import _CHOSEN_BY_TRAIN_FLAG, _SPLITS
from tests.data.pictures import numbered, pairs


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
    assert (module.num_labels, module.class_names[9]) == (10, "9 - nine")
    torch.testing.assert_close(module.dataset[1][0][0], torch.from_numpy(pixels[1]) / 127.5 - 1)
    held_out = torchvision_dataset("MNIST", str(tmp_path), split="test", download=False)
    assert [(tuple(image.shape), label) for image, label in pairs(held_out)] == [((3, 32, 32), 0)] * 2


def test_cifar10_is_read_through_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = write_cifar10(tmp_path)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: os.path.isfile(path))
    module = torchvision_dataset(root=tmp_path, labels=True, download=False)
    assert [label for _, label in pairs(module)] == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert (module.num_labels, module.class_names) == (10, tuple("abcdefghij"))
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


@pytest.mark.parametrize(
    ("name", "listed", "expected"),
    [
        ("SVHN", None, (10, tuple("0123456789"))),
        ("USPS", None, (10, tuple("0123456789"))),
        ("GTSRB", None, (43, ())),
        ("STL10", None, (10, ())),
        ("STL10", ["airplane", "bird"], (2, ("airplane", "bird"))),
        ("DTD", ["banded", "blotchy"], (2, ("banded", "blotchy"))),
    ],
)
def test_classes_have_the_names_of_the_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, listed: list[str] | None, expected: tuple[int, tuple]
) -> None:
    source = [(Image.new("L", (4, 4)), 0)]

    class Source(list):  # type: ignore[type-arg]
        classes = listed

    monkeypatch.setattr(torchvision.datasets, name, lambda root, **options: Source(source))
    module = torchvision_dataset(name, tmp_path, labels=True)
    assert (module.num_labels, module.class_names) == expected
    assert torchvision_dataset(name, tmp_path).class_names == ()


def test_sets_without_classes_cannot_be_labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchvision.datasets, "STL10", lambda root, split, download: numbered(3))
    with pytest.raises(ValueError, match=r"data\.labels=true .* split 'unlabeled' of STL10 has none"):
        torchvision_dataset("STL10", tmp_path, split="unlabeled", labels=True)
