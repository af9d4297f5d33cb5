"""A folder of JPEG, PNG or WebP files as training data."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from .module import ImageDataModule
from .transforms import ImageTransform, TransformedImages, convert_image
from .validation import check_choice, check_loader, check_root

__all__ = ["image_folder"]

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
_EXPECTED = "a folder of JPEG, PNG or WebP images"
_FILES_IN_FLIGHT = 1024


def image_folder(
    root: str | Path | None,
    *,
    resolution: int | Sequence[int] = 32,
    image_channels: int = 3,
    labels: bool = False,
    resize: str = "crop",
    horizontal_flip: bool = False,
    on_error: str = "raise",
    batch_size: int = 32,
    num_workers: int = 0,
) -> ImageDataModule:
    """Every image below a folder, at any depth, in the order of their paths.

    Files may be grey, RGB, RGBA or palette images of any size; the transparent parts of an image become
    white. Hidden files and folders (``.name``) are ignored. Every file is decoded once here, by several
    threads, so that a damaged one cannot end the training later.

    Args:
        root: the folder.
        resolution: side in pixels, or ``(height, width)``.
        image_channels: 1 (grey) or 3 (RGB).
        labels: number the sub-folders of ``root`` that hold images from 0 in alphabetical order, and give an
            image the number of its sub-folder as the label; if False, training is unconditional.
        resize: ``"crop"`` covers the target and keeps the centre, ``"fit"`` adds black bars, ``"stretch"``
            changes the aspect ratio.
        horizontal_flip: mirror an image with probability 0.5 whenever it is read.
        on_error: what to do with unreadable files: ``"raise"`` an error that names the first, or ``"skip"``
            them with a warning.
        batch_size: images a batch and process.
        num_workers: processes that load images; 0 loads them in the training process.

    Raises:
        ValueError: if an argument is out of range, the folder holds no readable image, one is unreadable
            (``on_error="raise"``), or the sub-folders do not name at least two classes (``labels=True``).
    """
    transform = ImageTransform(resolution, image_channels, resize=resize, horizontal_flip=horizontal_flip)
    check_choice("on_error", on_error, ("raise", "skip"))
    check_loader(batch_size, num_workers)
    folder = _check_folder(root)
    paths = _readable(_find_images(folder), folder, image_channels, on_error)
    targets, num_labels = _class_labels(paths, folder) if labels else ([0] * len(paths), 0)
    dataset = TransformedImages(_ImageFiles(paths, targets), transform, labels=labels)
    return ImageDataModule(dataset, batch_size=batch_size, num_workers=num_workers, num_labels=num_labels)


class _ImageFiles:
    """Pairs of the decoded image of a path and its label."""

    def __init__(self, paths: Sequence[Path], labels: Sequence[int]) -> None:
        self.paths = paths
        self.labels = labels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return _load(self.paths[index]), self.labels[index]


def _load(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
        return image


def _check_folder(root: str | Path | None) -> Path:
    folder = check_root(root, _EXPECTED)
    if not folder.exists():
        raise ValueError(f"data.root must name {_EXPECTED}, got {str(root)!r}, which does not exist")
    if not folder.is_dir():
        raise ValueError(f"data.root must name {_EXPECTED}, got {str(root)!r}, which is a file")
    return folder


def _find_images(folder: Path) -> list[Path]:
    """List the image files below ``folder``, sorted by their path relative to it; links are followed."""
    found = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(parent, name) for name in files if not name.startswith(".")]
    images = [path for path in found if path.suffix.lower() in _SUFFIXES]
    if not images:
        raise ValueError(
            f"data.root must name {_EXPECTED}, got {str(folder)!r}, which holds no {', '.join(_SUFFIXES)} file"
        )
    return sorted(images, key=lambda path: path.relative_to(folder).as_posix())


def _readable(paths: list[Path], folder: Path, image_channels: int, on_error: str) -> list[Path]:
    """Decode all files; return the paths of those that could be."""
    readable, unreadable = [], []
    for path, error in zip(paths, _decode_errors(paths, image_channels), strict=True):
        if error is None:
            readable.append(path)
            continue
        unreadable.append(f"{path} ({error})")
        if on_error == "raise":
            raise ValueError(
                f"data.root holds an unreadable image: {unreadable[0]}; remove the file, "
                "or set data.on_error=skip to train without such files"
            ) from error
    if not readable:
        raise ValueError(
            f"data.root must name {_EXPECTED}, got {str(folder)!r}, "
            f"where none of {len(paths)} files is readable; the first is {unreadable[0]}"
        )
    if unreadable:
        warnings.warn(
            f"data.root={str(folder)!r}: skipped {len(unreadable)} unreadable files of {len(paths)}; "
            f"the first is {unreadable[0]}",
            stacklevel=3,
        )
    return readable


def _decode_errors(paths: list[Path], image_channels: int) -> Iterator[Exception | None]:
    """Decode the files in several threads; yield for each, in order, what went wrong."""

    def decode(path: Path) -> Exception | None:
        try:
            convert_image(_load(path), image_channels)
        except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ...
            return error
        return None

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), _FILES_IN_FLIGHT):
            yield from pool.map(decode, paths[start : start + _FILES_IN_FLIGHT])


def _class_labels(paths: list[Path], folder: Path) -> tuple[list[int], int]:
    """Return the label of each path, and how many there are."""
    parts = [path.relative_to(folder).parts for path in paths]
    loose = next((path for path, names in zip(paths, parts, strict=True) if len(names) == 1), None)
    if loose is not None:
        raise ValueError(
            f"data.labels=true needs every image below data.root in the sub-folder of its class, got {loose}"
        )
    names = sorted({names[0] for names in parts})
    if len(names) < 2:
        raise ValueError(
            f"data.labels=true needs at least 2 sub-folders with images in data.root={str(folder)!r}, "
            f"got only {names[0]!r}"
        )
    numbers = {name: number for number, name in enumerate(names)}
    return [numbers[names[0]] for names in parts], len(names)
