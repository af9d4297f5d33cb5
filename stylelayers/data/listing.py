"""The files below a folder: images, the classes that sub-folders name, and other files."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from ..images.reading import ENDINGS, is_picture
from ..models.class_names import quoted
from .names import Names

_SYSTEM_FILES = (
    "__MACOSX",
    "@eaDir",
    "lost+found",
    "$RECYCLE.BIN",
    "System Volume Information",
    "Thumbs.db",
    "desktop.ini",
)
_OTHER_IMAGE_ENDINGS = (
    ".avif", ".heic", ".heif", ".jp2", ".jxl", ".psd", ".svg", ".tga", ".ppm", ".pgm", ".pbm", ".ico", ".exr", ".hdr",
    ".dng", ".cr2", ".nef", ".arw",
)  # fmt: skip

_SHARDED = re.compile(r"\d{5}/img\d{8}\.\w+")  # names that the official data set tool gives


@dataclass(frozen=True)
class Listing:
    """Result of :func:`list_folder`.

    Attributes:
        folder: the folder that was listed.
        images: files with one of the endings that are read, sorted: paths relative to `folder`, with slashes.
        ignored: the other files, likewise.
        sub_folders: names of the folders directly below `folder`, sorted.
    """

    folder: Path
    images: Names
    ignored: list[str]
    sub_folders: list[str]


def expand_root(caller: str, root: str | Path | None, expected: str) -> Path:
    """Return `root` as a path with ``~`` expanded; the error of an empty one says that `expected` must be named."""
    if not isinstance(root, (str, os.PathLike)) or not str(root):
        raise ValueError(f"{caller}: root must name {expected}, got {root!r}")
    return Path(os.path.expanduser(root))  # Path.expanduser raises for an unknown user


def list_folder(folder: Path) -> Listing:
    """List all files below `folder` but hidden ones and those of operating systems; symbolic links are followed."""
    images, ignored, sub_folders = list[str](), list[str](), list[str]()
    for parent, folders, files in os.walk(folder, followlinks=True):
        inside = "" if Path(parent) == folder else f"{Path(parent).relative_to(folder).as_posix()}/"
        folders[:] = sorted(name for name in folders if not is_hidden(name) and not _leads_back(Path(parent, name)))
        for name in files:
            if not is_hidden(name):
                (images if name.lower().endswith(ENDINGS) else ignored).append(inside + name)
        sub_folders = sub_folders if inside else list(folders)
    return Listing(folder, Names(sorted(images)), sorted(ignored), sub_folders)


def class_labels(caller: str, images: Sequence[str], listing: Listing) -> tuple[Tensor, list[str]]:
    """The label of each readable image, and the names of the classes: sub-folders with images, sorted.

    Raises:
        ValueError: sub-folders of the official data set tool, an image outside of sub-folders, fewer than two
            classes, or two of one name.
    """
    if _SHARDED.fullmatch(images[0]):
        raise ValueError(
            f"{caller}: labels must be 'none' for {str(listing.folder)!r}, whose folders are shards of a data set "
            f"({images[0]}), not classes, and which has no dataset.json; got 'classes'"
        )
    loose = next((name for name in images if "/" not in name), None)
    if loose is not None:
        raise ValueError(
            f"{caller}: root must hold every image in the sub-folder of its class for labels='classes', got "
            f"{listing.folder / loose}"
        )
    folders = class_folders(images)
    if len(folders) < 2:
        empty = describe_empty_classes(images, listing)
        raise ValueError(
            f"{caller}: root must hold at least 2 sub-folders with images for labels='classes', got "
            f"{str(listing.folder)!r} with only {folders[0]!r}" + (f"; {empty}" if empty else "")
        )
    if twice := next((pair for pair in pairwise(folders) if len({*map(class_name, pair)}) == 1), None):
        raise ValueError(
            f"{caller}: root must hold sub-folders of different names for labels='classes', got "
            f"{str(listing.folder)!r} with {' and '.join(map(ascii, twice))}, which are both the class "
            f"{class_name(twice[0])!r}"
        )
    numbers = {name: number for number, name in enumerate(folders)}
    return torch.tensor([numbers[name.split("/", 1)[0]] for name in images]), [class_name(name) for name in folders]


def class_folders(images: Iterable[str]) -> list[str]:
    """Names of the sub-folders that hold the images, sorted by :func:`class_name`."""
    return sorted({name.split("/", 1)[0] for name in images if "/" in name}, key=class_name)


def class_name(folder: str) -> str:
    """The name of a folder as printable text in Unicode's composed form, the same on every operating system."""
    return unicodedata.normalize("NFC", os.fsencode(folder).decode("utf-8", "replace"))


def describe_empty_classes(images: Iterable[str], listing: Listing) -> str:
    """Name the sub-folders that hold none of the readable images; empty if there are none."""
    filled = class_folders(images)
    empty = [name for name in listing.sub_folders if name not in filled]
    return f"sub-folders without readable images are no classes and have no number: {quoted(empty)}" if empty else ""


def describe_ignored_images(listing: Listing) -> str:
    """Name the ignored files that look like images; empty if there are none."""
    paths = [listing.folder / name for name in listing.ignored]
    images = [path for path in paths if path.suffix.lower() in _OTHER_IMAGE_ENDINGS or is_picture(path)]
    if not images:
        return ""
    return (
        f"ignored files that look like images ({count_endings(images)}), since their names do not end in "
        f"{', '.join(ENDINGS)}; the first is {images[0]}"
    )


def count_endings(paths: Iterable[str | Path]) -> str:
    """Number of files of each ending, most frequent first: ``"12 .txt, 1 without ending"``."""
    endings = Counter(Path(path).suffix.lower() or "without ending" for path in paths)
    return ", ".join(f"{count} {ending}" for ending, count in endings.most_common())


def _leads_back(folder: Path) -> bool:
    """Whether a symbolic link points to a folder that contains it, which would be walked without end."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or made by an operating system."""
    return name.startswith(".") or name in _SYSTEM_FILES
