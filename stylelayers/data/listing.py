"""What lies below a folder: pictures, the classes that sub-folders are, and files that are neither."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..images.reading import ENDINGS, is_picture
from ..models.class_names import quoted

__all__ = [
    "Listing",
    "class_folders",
    "class_labels",
    "class_name",
    "counted",
    "empty_classes",
    "ignored_pictures",
    "list_folder",
]

_OF_SYSTEMS = (
    "__MACOSX",
    "@eaDir",
    "lost+found",
    "$RECYCLE.BIN",
    "System Volume Information",
    "Thumbs.db",
    "desktop.ini",
)
_OTHER_PICTURES = (
    ".avif", ".heic", ".heif", ".jp2", ".jxl", ".psd", ".svg", ".tga", ".ppm", ".pgm", ".pbm", ".ico", ".exr", ".hdr",
    ".dng", ".cr2", ".nef", ".arw",
)  # fmt: skip


@dataclass(frozen=True)
class Listing:
    """What :func:`list_folder` found.

    Attributes:
        folder: where.
        images: files with a picture's ending, sorted by their path.
        ignored: the other files.
        sub_folders: names right below `folder`, sorted.
    """

    folder: Path
    images: list[Path]
    ignored: list[Path]
    sub_folders: list[str]


def list_folder(folder: Path) -> Listing:
    """All files below `folder` but hidden ones and those of operating systems; links are followed, but never back."""
    files, sub_folders = list[Path](), list[str]()
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not _is_hidden(name) and not _leads_back(Path(parent, name)))
        files += [Path(parent, name) for name in names if not _is_hidden(name)]
        if Path(parent) == folder:
            sub_folders = list(folders)
    files.sort(key=lambda path: path.relative_to(folder).as_posix())
    images = [path for path in files if path.suffix.lower() in ENDINGS]
    return Listing(folder, images, [path for path in files if path.suffix.lower() not in ENDINGS], sub_folders)


def class_labels(paths: Sequence[Path], listing: Listing) -> tuple[list[int], list[str]]:
    """The label of each readable picture, and the names of the labels: sub-folders with pictures, sorted.

    Raises:
        ValueError: a picture outside of sub-folders, fewer than two classes, or two of one name.
    """
    parts = [path.relative_to(listing.folder).parts for path in paths]
    loose = next((path for path, names in zip(paths, parts, strict=True) if len(names) == 1), None)
    if loose is not None:
        raise ValueError(
            f"data.labels=true needs every image below data.root in the sub-folder of its class, got {loose}"
        )
    folders = class_folders(paths, listing)
    if len(folders) < 2:
        empty = empty_classes(paths, listing)
        raise ValueError(
            f"data.labels=true needs at least 2 sub-folders with images in data.root={str(listing.folder)!r}, "
            f"got only {folders[0]!r}" + (f"; {empty}" if empty else "")
        )
    if twice := next((pair for pair in pairwise(folders) if len({*map(class_name, pair)}) == 1), None):
        raise ValueError(
            f"data.labels=true needs sub-folders of different names in data.root={str(listing.folder)!r}, got "
            f"{' and '.join(map(ascii, twice))}, which are both the class {class_name(twice[0])!r}"
        )
    numbers = {name: number for number, name in enumerate(folders)}
    return [numbers[names[0]] for names in parts], [class_name(name) for name in folders]


def class_folders(paths: Sequence[Path], listing: Listing) -> list[str]:
    """The sub-folders that hold the pictures, sorted by the names of the classes; others do not count."""
    parts = (path.relative_to(listing.folder).parts for path in paths)
    return sorted({names[0] for names in parts if len(names) > 1}, key=class_name)


def class_name(folder: str) -> str:
    """The name of a folder as text that prints, the same on systems that write its letters otherwise."""
    return unicodedata.normalize("NFC", os.fsencode(folder).decode("utf-8", "replace"))


def empty_classes(paths: Sequence[Path], listing: Listing) -> str:
    """Tells which sub-folders have none of the readable pictures; empty if all have."""
    filled = class_folders(paths, listing)
    empty = [name for name in listing.sub_folders if name not in filled]
    if not empty:
        return ""
    return f"sub-folders without readable images are no classes and have no number: {quoted(empty)}"


def ignored_pictures(listing: Listing) -> str:
    """Tells which of the ignored files are pictures all the same; empty if none is."""
    pictures = [path for path in listing.ignored if path.suffix.lower() in _OTHER_PICTURES or is_picture(path)]
    if not pictures:
        return ""
    return (
        f"ignored files that look like pictures ({counted(pictures)}), since their names do not end in "
        f"{', '.join(ENDINGS)}; the first is {pictures[0]}"
    )


def counted(paths: Iterable[Path]) -> str:
    """How many files of each ending, most first: ``"12 .txt, 1 without ending"``."""
    endings = Counter(path.suffix.lower() or "without ending" for path in paths)
    return ", ".join(f"{count} {ending}" for ending, count in endings.most_common())


def _leads_back(folder: Path) -> bool:
    """Whether a link leads to a folder that it lies in, whose files would be found again and again."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _OF_SYSTEMS
