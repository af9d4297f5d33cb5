"""A folder of image files as training data."""

import warnings
from pathlib import Path

from torch import Tensor

from .._checks import check_choice
from ..images.reading import ENDINGS
from .archive import open_archive
from .archive_labels import LABELS
from .files import VERIFY, FolderFiles, find_readable
from .listing import (
    Listing,
    class_labels,
    count_endings,
    describe_empty_classes,
    describe_ignored_images,
    expand_root,
    list_folder,
)
from .module import ImageDataModule
from .names import Names
from .options import ImageOptions, takes_image_options
from .source import CLASSES, VECTORS, Source

_EXPECTED = "a folder of JPEG, PNG, WebP, TIFF, BMP or GIF images"


@takes_image_options
def image_folder(root: str | Path | None, *, verify: str = "header", options: ImageOptions) -> ImageDataModule:
    """All image files below a folder, at any depth, sorted by path.

    Files may be JPEG, PNG, WebP, TIFF, BMP or GIF, of any size and mode, see :func:`stylelayers.images.convert_image`.
    Hidden files and folders (``.name``) and those of operating systems are ignored; the other files are counted in
    the run's first line, with a warning if any of them look like images. The header of every file is read once, and
    kept in an index in the cache folder (``$STYLELAYERS_CACHE``, or ``stylelayers`` in the user's cache folder).

    A folder that holds a ``dataset.json`` is read as :func:`image_archive` does.

    Args:
        root: the folder.
        verify: ``"header"`` finds files that are no images before training, ``"decode"`` damaged ones too: every file
            is decoded once, and again when it has changed.
        **options: the arguments of :class:`ImageOptions`, by their names. With ``labels="classes"`` the sub-folders of
            `root` that hold readable images are the classes, numbered from 0 in alphabetical order; a warning names the
            empty ones.

    Returns:
        A data module of pairs of float32 images ``(C, H, W)`` in [-1, 1] and labels.

    Raises:
        ValueError: an argument is out of range, the folder holds no readable image, one is unreadable
            (``on_error="raise"``), or the sub-folders name fewer than two classes (``labels="classes"``).

    Example:
        >>> from stylelayers.data import image_folder
        >>> data = image_folder("path/to/images", resolution=(32, 48), labels="classes")  # doctest: +SKIP
    """
    check_choice("image_folder", "verify", verify, VERIFY)
    folder = expand_root("image_folder", root, _EXPECTED)
    if (folder / LABELS).is_file():
        source = open_archive("image_folder", folder, verify, options)
    else:
        source = _open_folder(_list_images(root, folder), verify, options)
    return options.make_module(source, "image_folder")


def _open_folder(listing: Listing, verify: str, options: ImageOptions) -> Source:
    readable = find_readable(
        "image_folder",
        _EXPECTED,
        listing.folder,
        FolderFiles(listing.folder, listing.images),
        verify=verify,
        on_error=options.on_error,
    )
    labels, classes = _label(readable.files.names, listing, options)
    empty = describe_empty_classes(readable.files.names, listing) if classes else ""
    if problems := [text for text in (describe_ignored_images(listing), readable.skipped, empty) if text]:
        warnings.warn(f"image_folder: {str(listing.folder)!r}: {'; '.join(problems)}", stacklevel=4)
    return Source(
        pictures=readable.files,
        labels=labels,
        num_labels=len(classes),
        class_names=classes,
        root=listing.folder,
        names=readable.files.names,
        channels=readable.channels,
        remarks=[f"other files: {count_endings(listing.ignored)}"] if listing.ignored else [],
        skipped=readable.errors,
    )


def _label(names: Names, listing: Listing, options: ImageOptions) -> tuple[Tensor | None, list[str]]:
    if options.labels == VECTORS:
        raise ValueError(
            f"image_folder: labels must be 'none' or 'classes' for a folder without {LABELS}, which would hold the "
            "vectors, got 'vectors'"
        )
    return class_labels("image_folder", names, listing) if options.labels == CLASSES else (None, [])


def _list_images(root: str | Path | None, folder: Path) -> Listing:
    """List a folder that holds at least one image file."""
    listing = list_folder(folder)
    if len(listing.images):
        return listing
    if not folder.exists():
        problem = "does not exist"
    elif not folder.is_dir():
        archive = "; for a zip archive use image_archive" if folder.suffix.lower() == ".zip" else ""
        problem = f"is a file{archive}"
    else:
        others = f" but {count_endings(listing.ignored)}" if listing.ignored else ""
        problem = f"holds no {', '.join(ENDINGS)} file{others}"
    raise ValueError(f"image_folder: root must name {_EXPECTED}, got {str(root)!r}, which {problem}")
