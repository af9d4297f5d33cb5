"""A folder of picture files as training data."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from ..images.reading import ENDINGS, decoded, open_picture
from .listing import Listing, class_labels, counted, empty_classes, ignored_pictures, list_folder
from .module import ImageDataModule
from .transforms import ImageTransform, TransformedImages
from .validation import check_choice, check_loader, check_root

__all__ = ["image_folder"]

_EXPECTED = "a folder of JPEG, PNG, WebP, TIFF, BMP or GIF images"
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

    Files may be JPEG, PNG, WebP, TIFF, BMP or GIF (of several pictures the first), of any size and mode, see
    :mod:`stylelayers.images.reading`; the transparent parts of an image become white. Hidden files and folders
    (``.name``), and those that operating systems leave, are ignored; other files are counted in the run's first line,
    and a warning tells of pictures among them. Every file is decoded once here, by several threads, so that a
    damaged one cannot end the training later.

    Args:
        root: the folder.
        resolution: side in pixels, or ``(height, width)``.
        image_channels: 1 (grey) or 3 (RGB).
        labels: number the sub-folders of ``root`` that hold readable images from 0 in alphabetical order, and give an
            image the number of its sub-folder as the label; the classes have the names of the sub-folders, and a
            warning names those without images. If False, training is unconditional.
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
    listing = _list_images(_check_folder(root))
    paths, skipped = _readable(listing.images, listing.folder, image_channels, on_error)
    targets, names = class_labels(paths, listing) if labels else ([0] * len(paths), [])
    empty = empty_classes(paths, listing) if labels else ""
    if warned := [text for text in (ignored_pictures(listing), skipped, empty) if text]:
        warnings.warn(f"data.root={str(listing.folder)!r}: {'; '.join(warned)}", stacklevel=2)
    dataset = TransformedImages(_ImageFiles(paths, targets), transform, labels=labels)
    return ImageDataModule(
        dataset,
        batch_size=batch_size,
        num_workers=num_workers,
        num_labels=len(names),
        class_names=names,
        remarks=[f"other files: {counted(listing.ignored)}"] if listing.ignored else [],
    )


class _ImageFiles:
    """Pairs of the decoded image of a path and its label."""

    def __init__(self, paths: Sequence[Path], labels: Sequence[int]) -> None:
        self.paths = paths
        self.labels = labels

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return open_picture(self.paths[index]), self.labels[index]


def _check_folder(root: str | Path | None) -> Path:
    folder = check_root(root, _EXPECTED)
    if not folder.exists():
        raise ValueError(f"data.root must name {_EXPECTED}, got {str(root)!r}, which does not exist")
    if not folder.is_dir():
        raise ValueError(f"data.root must name {_EXPECTED}, got {str(root)!r}, which is a file")
    return folder


def _list_images(folder: Path) -> Listing:
    """What is below `folder`, with at least one picture."""
    listing = list_folder(folder)
    if not listing.images:
        others = f" but {counted(listing.ignored)}" if listing.ignored else ""
        raise ValueError(
            f"data.root must name {_EXPECTED}, got {str(folder)!r}, which holds no {', '.join(ENDINGS)} file{others}"
        )
    return listing


def _readable(paths: list[Path], folder: Path, image_channels: int, on_error: str) -> tuple[list[Path], str]:
    """Decode all files; return the paths of those that could be, and what to say of the others."""
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
    if not unreadable:
        return readable, ""
    return readable, f"skipped {len(unreadable)} unreadable files of {len(paths)}; the first is {unreadable[0]}"


def _decode_errors(paths: list[Path], image_channels: int) -> Iterator[Exception | None]:
    """Decode the files in several threads; yield for each, in order, what went wrong."""

    def decode(path: Path) -> Exception | None:
        try:
            decoded(path, image_channels)
        except (ValueError, OSError) as error:
            return error
        return None

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), _FILES_IN_FLIGHT):
            yield from pool.map(decode, paths[start : start + _FILES_IN_FLIGHT])
