"""Archives in the layout of the official data set tool of StyleGAN2 and 3: a zip file, or the same as a folder.

Images lie at any depth, mostly as ``00000/img00000000.png``; a file ``dataset.json`` beside them may hold their labels.
Different from there: any image format, size and mode, resized here; labels may lack (``dataset.json`` too, then folders
are classes); an optional entry ``class_names`` names the classes.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from .._checks import check_choice
from ..images.reading import ENDINGS
from .archive_files import ZipFiles
from .archive_labels import LABELS, ArchiveLabels, parse_labels
from .files import VERIFY, FolderFiles, ImageFiles, find_readable
from .listing import Listing, class_labels, count_endings, expand_root, is_hidden, list_folder
from .module import ImageDataModule
from .names import Names
from .options import ImageOptions, takes_image_options
from .source import CLASSES, NONE, VECTORS, Source

_EXPECTED = "a zip archive of images, or a folder in its layout"


@takes_image_options
def image_archive(root: str | Path | None, *, verify: str = "header", options: ImageOptions) -> ImageDataModule:
    """Images of a zip archive, or of a folder in the same layout, with the labels of its ``dataset.json``.

    Args:
        root: the zip file or folder.
        verify: ``"header"`` or ``"decode"``, as in :func:`image_folder`.
        **options: the arguments of :class:`ImageOptions`, by their names. ``labels="classes"`` and ``"vectors"`` take
            those of ``dataset.json``; without such a file the folders of the archive are the classes.

    Returns:
        A data module of pairs of float32 images ``(C, H, W)`` in [-1, 1] and labels.

    Raises:
        ValueError: an argument is out of range, the archive cannot be read or holds no image, or its labels are not of
            the kind that is asked for.

    Example:
        >>> from stylelayers.data import image_archive
        >>> data = image_archive("faces.zip", resolution=256, horizontal_flip=True)  # doctest: +SKIP
    """
    check_choice("image_archive", "verify", verify, VERIFY)
    path = expand_root("image_archive", root, _EXPECTED)
    if not path.exists():
        raise ValueError(f"image_archive: root must name {_EXPECTED}, got {str(root)!r}, which does not exist")
    return options.make_module(open_archive("image_archive", path, verify, options), "image_archive")


def open_archive(caller: str, path: Path, verify: str, options: ImageOptions) -> Source:
    """The images of a zip archive or folder with labels of the kind that `options` ask for."""
    content = _list_folder(path) if path.is_dir() else _list_zip(caller, path)
    if not len(content.files):
        others = f" but {count_endings(content.ignored)}" if content.ignored else ""
        raise ValueError(f"{caller}: root must name {_EXPECTED}, got {str(path)!r}, which holds no image{others}")
    known = content.labels(content.files.names, path)
    readable = find_readable(caller, _EXPECTED, path, content.files, verify=verify, on_error=options.on_error)
    if readable.skipped:
        known = content.labels(readable.files.names, path)
        warnings.warn(f"{caller}: {str(path)!r}: {readable.skipped}", stacklevel=5)
    if known is None:
        known = _label_by_folders(caller, path, readable.files.names, options)
    chosen = _choose_labels(caller, str(path / content.label_file), known, options)
    return Source(
        pictures=readable.files,
        labels=chosen.labels,
        num_labels=chosen.num_labels,
        vectors=options.labels == VECTORS,
        class_names=chosen.class_names,
        names=readable.files.names,
        root=path,
        channels=readable.channels,
        remarks=_remarks(known, chosen, content.ignored),
        skipped=readable.errors,
    )


@dataclass(frozen=True)
class _Content:
    """What an archive holds.

    Attributes:
        files: the images.
        ignored: names of other files.
        text: of its ``dataset.json``, if there is one.
        label_file: name of that file; the names in it are relative to its folder.
    """

    files: ImageFiles
    ignored: list[str]
    text: bytes | None
    label_file: str = LABELS

    def labels(self, names: Names, path: Path) -> ArchiveLabels | None:
        """The labels of some of the images in ``dataset.json``."""
        if self.text is None:
            return None
        folder = len(self.label_file) - len(LABELS)
        return parse_labels(self.text, [name[folder:] for name in names], str(path / self.label_file))


def _list_folder(path: Path) -> _Content:
    listing = list_folder(path)
    ignored = [name for name in listing.ignored if name != LABELS]
    text = (path / LABELS).read_bytes() if (path / LABELS).is_file() else None
    return _Content(FolderFiles(path, listing.images), ignored, text)


def _list_zip(caller: str, path: Path) -> _Content:
    try:
        every = ZipFiles.open(path)
        rows = {name: row for row, name in enumerate(every.names)}
        shown = [name for name in rows if not any(map(is_hidden, PurePosixPath(name).parts))]
        images = [name for name in shown if name.lower().endswith(ENDINGS)]
        folders = [*reversed(PurePosixPath(f"{_shared_folder(images)}x").parents)]  # of an archive of a folder
        label_file = next((name for each in folders if (name := str(each / LABELS)) in rows), LABELS)
        text = every[rows[label_file]].read() if label_file in rows else None
    except ValueError as error:
        raise ValueError(f"{caller}: root: {error}") from None
    ignored = sorted({*shown} - {*images} - {label_file})
    return _Content(every.select([rows[name] for name in images]), ignored, text, label_file)


def _label_by_folders(caller: str, path: Path, names: Names, options: ImageOptions) -> ArchiveLabels:
    """The folders of an archive as classes, below the folder that holds all images, if there is one."""
    if options.labels != CLASSES:
        return ArchiveLabels(None, 0, (), ())
    shared = _shared_folder(names)
    inner = Names(name[len(shared) :] for name in names)
    labels, classes = class_labels(caller, inner, Listing(path, inner, [], []))
    return ArchiveLabels(labels, len(classes), tuple(classes), ())


def _shared_folder(names: Sequence[str]) -> str:
    """The deepest folder that holds all names, with a slash; empty if there is none."""
    if not len(names):
        return ""
    first, last = (PurePosixPath(name).parent.parts for name in (min(names), max(names)))
    count = next((at for at, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), None)
    shared = first[: min(len(first), len(last)) if count is None else count]
    return "".join(f"{part}/" for part in shared)


def _choose_labels(caller: str, where: str, known: ArchiveLabels, options: ImageOptions) -> ArchiveLabels:
    """The labels that a run asks for.

    Raises:
        ValueError: they are of the other kind, or there are none.
    """
    if options.labels == NONE:
        return ArchiveLabels(None, 0, (), ())
    kind = _kind(known)
    if kind != options.labels:
        raise ValueError(f"{caller}: labels must be {kind!r} for {where}, got {options.labels!r}")
    return known


def _kind(known: ArchiveLabels) -> str:
    return NONE if known.labels is None else CLASSES if known.labels.ndim == 1 else VECTORS


def _remarks(known: ArchiveLabels, chosen: ArchiveLabels, ignored: list[str]) -> list[str]:
    remarks = [f"other files: {count_endings(ignored)}"] if ignored else []
    if known.labels is not None and chosen.labels is None:
        what = f"{known.num_labels} classes" if known.labels.ndim == 1 else f"vectors of {known.num_labels}"
        remarks.append(f"its labels ({what}) are not used")
    if known.unused:
        remarks.append(f"{len(known.unused)} labels belong to no image, such as {known.unused[0]!r}")
    return remarks
