"""torchvision_dataset: files in the formats of the sets, small ones made here, and failed downloads."""

import os
import pickle
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torchvision.datasets import FakeData

from stylelayers.data import image_folder, torchvision_dataset
from stylelayers.data.torchvision_sets import _list_parameters
from stylelayers.images import open_picture
from tests.data.pictures import numbered, pairs, stripes


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


def test_classes_with_a_train_flag_and_a_split_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "EMNIST" / "raw"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 28, 28), dtype=np.uint8)
    for part, rows in (("train", pixels), ("test", pixels[:1])):
        name = f"emnist-letters-{part}"
        (folder / f"{name}-images-idx3-ubyte").write_bytes(
            struct.pack(">4I", 0x803, len(rows), 28, 28) + rows.tobytes()
        )
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(
            struct.pack(">2I", 0x801, len(rows)) + bytes([1, 26][: len(rows)])
        )
    options: dict[str, Any] = {"resolution": 28, "image_channels": 1, "labels": True, "arguments": {"split": "letters"}}
    module = torchvision_dataset("EMNIST", tmp_path, download=False, **options)
    assert [label for _, label in pairs(module)] == [1, 26]
    assert module.class_names == ("N/A", *"abcdefghijklmnopqrstuvwxyz")
    torch.testing.assert_close(module.dataset[1][0][0], torch.from_numpy(pixels[1]) / 127.5 - 1)
    assert len(pairs(torchvision_dataset("EMNIST", tmp_path, split="test", **options))) == 1


def test_cifar10_is_read_through_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = write_cifar10(tmp_path)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: os.path.isfile(path))
    module = torchvision_dataset(root=tmp_path, labels=True, download=False)
    assert [label for _, label in pairs(module)] == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]
    assert (module.num_labels, module.class_names) == (10, tuple("abcdefghij"))
    torch.testing.assert_close(module.dataset[1][0], torch.from_numpy(pixels[1]) / 127.5 - 1)


SETS = {  # of earlier versions: what the split is called; all can be downloaded
    **dict.fromkeys(["CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST", "MNIST", "USPS", "EMNIST", "QMNIST"], "train"),
    **dict.fromkeys(["CelebA", "DTD", "FGVCAircraft", "Flowers102", "Food101", "GTSRB"], "split"),
    **dict.fromkeys(["OxfordIIITPet", "STL10", "SVHN"], "split"),
    "VOCDetection": "image_set",
}


@pytest.mark.parametrize("name", SETS)
def test_split_and_download_reach_the_constructor(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: dict[str, object] = {}

    def constructor(*arguments: object, **options: object) -> FakeData:
        taken.update(options)
        return FakeData(1)

    parameters = _list_parameters(getattr(torchvision.datasets, name))
    monkeypatch.setattr("stylelayers.data.torchvision_sets._list_parameters", lambda _: parameters)
    monkeypatch.setattr(torchvision.datasets, name, constructor)
    extra = {"split": "letters"} if name == "EMNIST" else {}
    torchvision_dataset(name, tmp_path, split="test", download=False, arguments=extra)
    loader = {"loader": open_picture} if "loader" in parameters else {}
    split = {SETS[name]: False if SETS[name] == "train" else "test"}
    assert taken == {"root": str(tmp_path), "download": False, **split, **loader, **extra}


def test_sets_without_files_or_splits_are_built() -> None:
    arguments = {"size": 40, "image_size": [3, 8, 8], "num_classes": 3}
    module = torchvision_dataset("FakeData", arguments=arguments, resolution=8, labels=True)
    assert (module.num_labels, module.class_names, len(pairs(module))) == (3, (), 40)
    source = FakeData(40, (3, 8, 8), 3)
    assert [label for _, label in pairs(module)] == [int(source[index][1]) for index in range(40)]
    with pytest.raises(ValueError, match=r"^torchvision_dataset: split must be one of train, got 'test'$"):
        torchvision_dataset("FakeData", split="test")


def test_image_files_are_read_by_the_one_reader(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        stripes(8, 4).convert("RGBA").save(tmp_path / name / "1.png", exif=exif)
        Image.new("RGBA", (4, 4), (0, 0, 0, 51)).save(tmp_path / name / "2.png")
        Image.fromarray(np.full((4, 4), 32800, dtype=np.uint16)).save(tmp_path / name / "3.png")
    ours, theirs = image_folder(tmp_path, labels=True), torchvision_dataset("ImageFolder", tmp_path, labels=True)
    for (image, label), (expected, number) in zip(pairs(theirs), pairs(ours), strict=True):
        assert torch.equal(image, expected)
        assert label == number
    assert theirs.class_names == ours.class_names == ("cat", "dog")
    torch.testing.assert_close(theirs.dataset[1][0], torch.full((3, 32, 32), 0.6))


def test_failed_download_says_what_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(self: object) -> None:
        raise RuntimeError("Error downloading:\nno route to host")

    monkeypatch.setattr(torchvision.datasets.MNIST, "download", download)
    start = "^torchvision_dataset: root must hold the files of MNIST, but torchvision could not "
    message = start + r"download split 'train' in '.*': Error downloading: no route to host; .* by hand$"
    with pytest.raises(ValueError, match=message) as caught:
        torchvision_dataset("MNIST", tmp_path)
    assert isinstance(caught.value.__cause__, RuntimeError)
    with pytest.raises(ValueError, match=start + "find split 'test'"):
        torchvision_dataset("MNIST", tmp_path, split="test", download=False)
    with pytest.raises(ValueError, match=r"find split 'none' .*Unknown value 'none' .* \{?.*'trainval'"):
        torchvision_dataset("OxfordIIITPet", tmp_path, split="none", download=False)


class Pairs(list):  # type: ignore[type-arg]
    """Pairs of a small image and a target, with the attributes of a data set."""

    def __init__(self, *targets: object, **attributes: object) -> None:
        super().__init__((Image.new("L", (4, 4)), target) for target in targets)
        self.__dict__.update(attributes)


def replaced(monkeypatch: pytest.MonkeyPatch, name: str, source: object) -> None:
    """Have a name build a data set that is there already."""
    monkeypatch.setattr(torchvision.datasets, name, lambda root, split="train", download=False: source)


@pytest.mark.parametrize(
    ("name", "source", "expected"),
    [
        ("SVHN", Pairs(0, 9, 3), (10, tuple("0123456789"))),
        ("USPS", Pairs(np.int64(9)), (10, tuple("0123456789"))),
        ("GTSRB", Pairs(42, 0), (43, ())),
        ("STL10", Pairs(2, 9, classes=None), (10, ())),
        ("STL10", Pairs(0, classes=["airplane", "bird"]), (2, ("airplane", "bird"))),
        ("DTD", Pairs(0, classes=["banded", "blotchy"]), (2, ("banded", "blotchy"))),
        ("Caltech101", Pairs(1, categories=["ant", "bee"]), (2, ("ant", "bee"))),
        ("LFWPeople", Pairs(1, class_to_idx={"b": 1, "c": 0}), (2, ("c", "b"))),
        ("Imagenette", Pairs(0, classes=[("tench", "Tinca"), ("church",)]), (2, ("tench, Tinca", "church"))),
        ("ImageNet", Pairs(0, classes=[("crane",), ("crane",)]), (2, ())),
    ],
)  # fmt: skip
def test_classes_have_the_names_of_the_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: Pairs, expected: tuple[int, tuple[str, ...]]
) -> None:
    replaced(monkeypatch, name, source)
    module = torchvision_dataset(name, tmp_path, labels=True)
    assert (module.num_labels, module.class_names) == expected
    assert torchvision_dataset(name, tmp_path).class_names == ()


@pytest.mark.parametrize(
    ("name", "split", "target"),
    [
        ("STL10", "unlabeled", -1),
        ("STL10", "train+unlabeled", 3),
        ("CelebA", "train", torch.zeros(40)),
        ("VOCDetection", "train", {"annotation": {}}),
        ("VOCSegmentation", "train", Image.new("L", (4, 4))),
        ("CLEVRClassification", "test", None),
        ("Caltech101", "train", 0.5),
        ("SBU", "train", "a caption"),
    ],
)
def test_sets_without_classes_cannot_be_labelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, split: str, target: object
) -> None:
    replaced(monkeypatch, name, Pairs(target, classes=["a", "b"]))
    assert len(pairs(torchvision_dataset(name, tmp_path, split=split, resolution=4))) == 1
    message = f"labels must not be 'classes' for split {split!r} of {name}, whose targets are no classes"
    with pytest.raises(ValueError, match=f"^torchvision_dataset: {re.escape(message)}$"):
        torchvision_dataset(name, tmp_path, split=split, labels=True)


@pytest.mark.parametrize("source", [numbered(3), [torch.zeros(3, 8, 8)], [(Image.new("L", (4, 4)), None, 0)]])
def test_sets_of_other_items_than_pairs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: object
) -> None:
    replaced(monkeypatch, "MovingMNIST", source)
    with pytest.raises(
        ValueError, match=r"^torchvision_dataset: name must be of a set of pairs .*, got 'MovingMNIST'$"
    ):
        torchvision_dataset("MovingMNIST", tmp_path)
