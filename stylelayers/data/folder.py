"""A folder of image files as training data."""

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .._checks import check_choice
from ..images.reading import ENDINGS, decode_picture
from .listing import (
    Listing,
    class_labels,
    count_endings,
    describe_empty_classes,
    describe_ignored_images,
    expand_root,
    list_folder,
)
from .module import ImageDataModule, check_loader
from .transforms import ImageTransform, TransformedImages, check_image_arguments

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
    """All image files below a folder, at any depth, sorted by path.

    Files may be JPEG, PNG, WebP, TIFF, BMP or GIF, of any size and mode, see :mod:`stylelayers.images.reading`.
    Hidden files and folders (``.name``) and those of operating systems are ignored; the other files are counted in
    the run's first line, with a warning if any of them look like images. Every file is decoded once here, in several
    threads, so that a damaged one cannot end the training later.

    Args:
        root: the folder.
        resolution: side in pixels, or ``(height, width)``.
        image_channels: 1 (grey) or 3 (RGB).
        labels: label an image by its sub-folder of ``root``. The sub-folders that hold readable images are the
            classes, numbered from 0 in alphabetical order and named like them; a warning names the empty ones. If
            False, training is unconditional.
        resize: ``"crop"`` covers the target and keeps the centre, ``"fit"`` adds black bars, ``"stretch"``
            changes the aspect ratio.
        horizontal_flip: mirror an image with probability 0.5 whenever it is read.
        on_error: ``"raise"`` an error that names the first unreadable file, or ``"skip"`` such files with a warning.
        batch_size: images per batch and process.
        num_workers: processes that load images; 0 loads them in the training process.

    Raises:
        ValueError: an argument is out of range, the folder holds no readable image, one is unreadable
            (``on_error="raise"``), or the sub-folders name fewer than two classes (``labels=True``).
    """
    size = check_image_arguments("image_folder", resolution, image_channels, resize)
    check_choice("image_folder", "on_error", on_error, ("raise", "skip"))
    check_loader("image_folder", batch_size, num_workers)
    listing = _list_images(root)
    paths, skipped = _select_readable(listing, image_channels, on_error)
    targets, names = class_labels(paths, listing) if labels else ([0] * len(paths), [])
    empty = describe_empty_classes(paths, listing) if labels else ""
    if problems := [text for text in (describe_ignored_images(listing), skipped, empty) if text]:
        warnings.warn(f"image_folder: {str(listing.folder)!r}: {'; '.join(problems)}", stacklevel=2)
    transform = ImageTransform(size, image_channels, resize=resize, horizontal_flip=horizontal_flip)
    return ImageDataModule(
        TransformedImages(list(zip(paths, targets, strict=True)), transform, labels=labels),
        batch_size=batch_size,
        num_workers=num_workers,
        num_labels=len(names),
        class_names=names,
        remarks=[f"other files: {count_endings(listing.ignored)}"] if listing.ignored else [],
    )


def _list_images(root: str | Path | None) -> Listing:
    """List a folder that holds at least one image file."""
    folder = expand_root("image_folder", root, _EXPECTED)
    listing = list_folder(folder)
    if listing.images:
        return listing
    if not folder.exists():
        problem = "does not exist"
    elif not folder.is_dir():
        problem = "is a file"
    else:
        others = f" but {count_endings(listing.ignored)}" if listing.ignored else ""
        problem = f"holds no {', '.join(ENDINGS)} file{others}"
    raise ValueError(f"image_folder: root must name {_EXPECTED}, got {str(root)!r}, which {problem}")


def _select_readable(listing: Listing, image_channels: int, on_error: str) -> tuple[list[Path], str]:
    """Decode all files; return the paths of the readable ones, and a description of the others."""
    paths, readable, unreadable = listing.images, list[Path](), list[str]()
    for path, error in zip(paths, _decode_errors(paths, image_channels), strict=True):
        if error is None:
            readable.append(path)
            continue
        unreadable.append(f"{path} ({error})")
        if on_error == "raise":
            raise ValueError(
                f"image_folder: root must hold readable images, got {unreadable[0]}; remove the file, "
                'or set on_error="skip" to train without such files'
            ) from error
    if not readable:
        raise ValueError(
            f"image_folder: root must name {_EXPECTED}, got {str(listing.folder)!r}, "
            f"where none of {len(paths)} files is readable; the first is {unreadable[0]}"
        )
    if not unreadable:
        return readable, ""
    return readable, f"skipped {len(unreadable)} unreadable files of {len(paths)}; the first is {unreadable[0]}"


def _decode_errors(paths: list[Path], image_channels: int) -> Iterator[Exception | None]:
    """Decode the files in several threads; yield the error of each, in order, or None."""

    def decode(path: Path) -> Exception | None:
        try:
            decode_picture(path, image_channels)
        except (ValueError, OSError) as error:
            return error
        return None

    with ThreadPoolExecutor() as pool:
        for start in range(0, len(paths), _FILES_IN_FLIGHT):
            yield from pool.map(decode, paths[start : start + _FILES_IN_FLIGHT])
