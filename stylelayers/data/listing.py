"""The files below a folder: images, the classes that sub-folders name, and other files."""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..images.reading import ENDINGS, is_picture
from ..models.class_names import quoted

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


@dataclass(frozen=True)
class Listing:
    """Result of :func:`list_folder`.

    Attributes:
        folder: the folder that was listed.
        images: files with one of the endings that are read, sorted by path.
        ignored: the other files.
        sub_folders: names of the folders directly below `folder`, sorted.
    """

    folder: Path
    images: list[Path]
    ignored: list[Path]
    sub_folders: list[str]


def expand_root(caller: str, root: str | Path | None, expected: str) -> Path:
    """Return `root` as a path with ``~`` expanded; the error of an empty one says that `expected` must be named."""
    if not isinstance(root, (str, os.PathLike)) or not str(root):
        raise ValueError(f"{caller}: root must name {expected}, got {root!r}")
    return Path(os.path.expanduser(root))  # Path.expanduser raises for an unknown user


def list_folder(folder: Path) -> Listing:
    """List all files below `folder` but hidden ones and those of operating systems; symbolic links are followed."""
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
    """The label of each readable image, and the names of the classes: sub-folders with images, sorted.

    Raises:
        ValueError: an image outside of sub-folders, fewer than two classes, or two of one name.
    """
    parts = [path.relative_to(listing.folder).parts for path in paths]
    loose = next((path for path, names in zip(paths, parts, strict=True) if len(names) == 1), None)
    if loose is not None:
        raise ValueError(
            f"image_folder: root must hold every image in the sub-folder of its class for labels=True, got {loose}"
        )
    folders = class_folders(paths, listing)
    if len(folders) < 2:
        empty = describe_empty_classes(paths, listing)
        raise ValueError(
            f"image_folder: root must hold at least 2 sub-folders with images for labels=True, got "
            f"{str(listing.folder)!r} with only {folders[0]!r}" + (f"; {empty}" if empty else "")
        )
    if twice := next((pair for pair in pairwise(folders) if len({*map(class_name, pair)}) == 1), None):
        raise ValueError(
            f"image_folder: root must hold sub-folders of different names for labels=True, got {str(listing.folder)!r} "
            f"with {' and '.join(map(ascii, twice))}, which are both the class {class_name(twice[0])!r}"
        )
    numbers = {name: number for number, name in enumerate(folders)}
    return [numbers[names[0]] for names in parts], [class_name(name) for name in folders]


def class_folders(paths: Sequence[Path], listing: Listing) -> list[str]:
    """Names of the sub-folders that hold the images, sorted by :func:`class_name`."""
    parts = (path.relative_to(listing.folder).parts for path in paths)
    return sorted({names[0] for names in parts if len(names) > 1}, key=class_name)


def class_name(folder: str) -> str:
    """The name of a folder as printable text in Unicode's composed form, the same on every operating system."""
    return unicodedata.normalize("NFC", os.fsencode(folder).decode("utf-8", "replace"))


def describe_empty_classes(paths: Sequence[Path], listing: Listing) -> str:
    """Name the sub-folders that hold none of the readable images; empty if there are none."""
    filled = class_folders(paths, listing)
    empty = [name for name in listing.sub_folders if name not in filled]
    return f"sub-folders without readable images are no classes and have no number: {quoted(empty)}" if empty else ""


def describe_ignored_images(listing: Listing) -> str:
    """Name the ignored files that look like images; empty if there are none."""
    images = [path for path in listing.ignored if path.suffix.lower() in _OTHER_IMAGE_ENDINGS or is_picture(path)]
    if not images:
        return ""
    return (
        f"ignored files that look like images ({count_endings(images)}), since their names do not end in "
        f"{', '.join(ENDINGS)}; the first is {images[0]}"
    )


def count_endings(paths: Iterable[Path]) -> str:
    """Number of files of each ending, most frequent first: ``"12 .txt, 1 without ending"``."""
    endings = Counter(path.suffix.lower() or "without ending" for path in paths)
    return ", ".join(f"{count} {ending}" for ending, count in endings.most_common())


def _leads_back(folder: Path) -> bool:
    """Whether a symbolic link points to a folder that contains it, which would be walked without end."""
    return folder.is_symlink() and folder.parent.resolve().is_relative_to(folder.resolve())


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM_FILES
