"""The data sets that torchvision can load by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torchvision

from .module import ImageDataModule
from .transforms import ImageTransform, TransformedImages
from .validation import check_choice, check_loader, check_root

__all__ = ["torchvision_dataset"]

_SPLITS = {
    "CIFAR10": ("train", "test"),
    "CIFAR100": ("train", "test"),
    "CelebA": ("train", "valid", "test", "all"),
    "DTD": ("train", "val", "test"),
    "FGVCAircraft": ("train", "val", "trainval", "test"),
    "FashionMNIST": ("train", "test"),
    "Flowers102": ("train", "val", "test"),
    "Food101": ("train", "test"),
    "GTSRB": ("train", "test"),
    "KMNIST": ("train", "test"),
    "MNIST": ("train", "test"),
    "OxfordIIITPet": ("trainval", "test"),
    "STL10": ("train", "test", "unlabeled", "train+unlabeled"),
    "SVHN": ("train", "test", "extra"),
    "USPS": ("train", "test"),
}
_CHOSEN_BY_TRAIN_FLAG = ("CIFAR10", "CIFAR100", "FashionMNIST", "KMNIST", "MNIST", "USPS")
_DIGITS = ("SVHN", "USPS")  # whose classes are called what they show
_CLASSES_NOT_LISTED = {"Flowers102": 102, "GTSRB": 43, "STL10": 10, "SVHN": 10, "USPS": 10}


def torchvision_dataset(
    name: str = "CIFAR10",
    root: str | Path = "data",
    *,
    resolution: int | Sequence[int] = 32,
    image_channels: int = 3,
    labels: bool = False,
    split: str = "train",
    download: bool = True,
    resize: str = "crop",
    horizontal_flip: bool = False,
    batch_size: int = 32,
    num_workers: int = 0,
) -> ImageDataModule:
    """A data set of torchvision, downloaded to ``root`` if it is not there yet.

    The processes of a ``torchrun`` would all download at once: let a single one do it before.

    Args:
        name: the name of torchvision's class, for example ``CIFAR10``, ``MNIST``, ``SVHN``, ``STL10``.
        root: the folder that holds, or will hold, the files.
        resolution: side in pixels, or ``(height, width)``.
        image_channels: 1 (grey) or 3 (RGB).
        labels: give the class of an image as its label, named as torchvision names it; if False, training is
            unconditional.
        split: the part of the data set, as torchvision names it: mostly ``"train"`` or ``"test"``.
        download: fetch missing files; if False, they must be there.
        resize: ``"crop"`` covers the target and keeps the centre, ``"fit"`` adds black bars, ``"stretch"``
            changes the aspect ratio.
        horizontal_flip: mirror an image with probability 0.5 whenever it is read.
        batch_size: images a batch and process.
        num_workers: processes that load images; 0 loads them in the training process.

    Raises:
        ValueError: if an argument is out of range, the files cannot be downloaded or read, or the images have
            no classes (``labels=True``).
    """
    transform = ImageTransform(resolution, image_channels, resize=resize, horizontal_flip=horizontal_flip)
    check_choice("name", name, tuple(_SPLITS))
    check_choice(f"split of {name}", split, _SPLITS[name])
    check_loader(batch_size, num_workers)
    folder = check_root(root, "the folder that holds, or will hold, the files of the data set")
    source = _load(name, folder, split, download)
    num_labels, names = _classes(source, name, split) if labels else (0, ())
    dataset = TransformedImages(source, transform, labels=labels)
    return ImageDataModule(
        dataset, batch_size=batch_size, num_workers=num_workers, num_labels=num_labels, class_names=names
    )


def _load(name: str, folder: Path, split: str, download: bool) -> Any:
    """Construct torchvision's data set; whatever its network or file readers raise becomes a ValueError."""
    dataset_class = getattr(torchvision.datasets, name)
    try:
        if name in _CHOSEN_BY_TRAIN_FLAG:
            return dataset_class(str(folder), train=split == "train", download=download)
        return dataset_class(str(folder), split=split, download=download)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        action = "download" if download else "find"
        raise ValueError(
            f"data.name={name}: torchvision could not {action} split {split!r} in data.root={str(folder)!r}: "
            f"{reason}; without a network, put the files of torchvision.datasets.{name} there by hand"
        ) from error


def _classes(source: Any, name: str, split: str) -> tuple[int, Sequence[str]]:
    """Return the number of classes that the labels of ``source`` number from 0, and their names if they are known."""
    if "unlabeled" in split or name == "CelebA":
        raise ValueError(f"data.labels=true needs a class for every image, but split {split!r} of {name} has none")
    if listed := getattr(source, "classes", None):  # STL10 has None where a file is missing
        return len(listed), listed
    count = _CLASSES_NOT_LISTED[name]
    return count, [str(digit) for digit in range(count)] if name in _DIGITS else ()
