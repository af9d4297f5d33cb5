"""Data sets of Hugging Face: of the hub, or local Parquet, Arrow, image folders and WebDataset shards.

``datasets`` finds, downloads and opens the files; pictures are decoded by :mod:`stylelayers.images.reading`, as those
of any other source. Nothing that comes with a data set is run: neither scripts nor pickles.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._checks import check_choice, check_ints
from ..models.class_names import checked_class_names
from .huggingface_columns import Columns, as_file, find_columns, read_classes, read_vectors
from .huggingface_files import Location, open_stream, open_table
from .huggingface_stream import StreamedPictures
from .module import ImageDataModule
from .options import AUTO, ImageOptions, takes_image_options
from .source import CLASSES, NONE, VECTORS, Source
from .stream import Stream

_CALLER = "huggingface_dataset"


@takes_image_options
def huggingface_dataset(
    name: str | Path | None,
    *,
    config: str | None = None,
    split: str = "train",
    data_files: str | Sequence[str] | None = None,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    image_column: str = AUTO,
    label_column: str | Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    streaming: bool = False,
    shuffle_buffer: int = 1000,
    options: ImageOptions,
) -> ImageDataModule:
    """A data set of the Hugging Face hub, or one in its formats on disk.

    Without ``streaming``, ``datasets`` copies the set once into Arrow files in its cache (``$HF_HOME``), which are
    mapped into memory and read at random. ``$HF_HUB_OFFLINE=1`` takes what the cache holds. Streamed, the shards
    (Parquet, Arrow or WebDataset files, of the hub or on disk) are read where they are, in a random order of the shards
    and of the images within `shuffle_buffer`; their images are counted once,
    from the ends of Parquet files and the headers of the files in a tar, and the counts kept in the cache folder.

    Args:
        name: ``"user/name"`` of the hub, or a path: a Parquet, Arrow or tar file, several as ``"shards/*.tar"``, a
            folder of such files or of images, or a folder written by ``save_to_disk``.
        config: of a data set that has several.
        split: of it: ``"train"``, or ``"train[:10%]"``, not streamed.
        data_files: some of the files of the data set, such as ``"data/train-*.parquet"``.
        revision: branch, tag or commit of the hub; None for the newest.
        cache_dir: instead of the cache of ``datasets``.
        image_column: column of the images; ``"auto"`` is the only one of images.
        label_column: column of class numbers, class names or vectors; or several columns of numbers, which are a vector
            together; None for the only column of classes.
        class_names: in the order of the numbers; streamed classes need them, unless the data set has them.
        streaming: do not copy the data set.
        shuffle_buffer: images that a loading process holds, and mixes, when streaming.
        **options: the arguments of :class:`ImageOptions`, by their names. ``balance_classes``, ``images_per_class``
            and ``max_images`` do not go with ``streaming``.

    Returns:
        A data module of pairs of float32 images ``(C, H, W)`` in [-1, 1] and labels.

    Raises:
        ValueError: an argument is out of range, the data set cannot be opened or has no such columns, or its labels
            are not of the kind that is asked for.
        ModuleNotFoundError: ``datasets`` is not installed.

    Example:
        >>> from stylelayers.data import huggingface_dataset
        >>> data = huggingface_dataset("user/name", split="train", resolution=64)  # doctest: +SKIP
    """
    check_ints(_CALLER, shuffle_buffer=shuffle_buffer)
    check_choice(_CALLER, "streaming", streaming, (False, True))
    if label_column is not None and options.labels == NONE:
        raise ValueError(f"{_CALLER}: labels must be {CLASSES!r} or {VECTORS!r} with a label_column, got {NONE!r}")
    if class_names and options.labels == NONE:
        raise ValueError(f"{_CALLER}: labels must be {CLASSES!r} or {VECTORS!r} with class_names, got {NONE!r}")
    where = Location(_CALLER, name, config, split, data_files, revision, cache_dir)
    names = tuple(class_names or ())
    if not streaming:
        return options.make_module(_open_source(where, image_column, label_column, names, options), _CALLER)
    for option in ("balance_classes", "images_per_class", "max_images"):
        if getattr(options, option) != getattr(ImageOptions(), option):
            raise ValueError(f"{_CALLER}: {option} must be left out with streaming=True, which reads all in order")
    return options.make_module(
        _stream_source(where, image_column, label_column, names, shuffle_buffer, options), _CALLER
    )


def _open_source(
    where: Location, image_column: str, label_column: Any, class_names: tuple[str, ...], options: ImageOptions
) -> Source:
    """The images of a data set that is read at random; labels are read without the images."""
    table = open_table(where)
    if len(table) == 0:
        raise ValueError(f"{_CALLER}: split must hold at least 1 image, got {where.split!r}, which is empty")
    columns = find_columns(_CALLER, table.features, image_column, label_column, str(options.labels))
    pictures = TablePictures(columns.undecoded(table), columns.image)
    if not columns.labels:
        return Source(pictures=pictures, remarks=_remarks(table.features, columns))
    values = table.select_columns(list(columns.labels)).with_format("arrow")[:]
    if options.labels == VECTORS:
        labels = read_vectors(_CALLER, values, columns)
        names = checked_class_names(class_names or columns.names_of_values(), labels.shape[1], _CALLER)
        return Source(pictures=pictures, labels=labels, num_labels=labels.shape[1], vectors=True, class_names=names)
    labels, names, count = read_classes(_CALLER, values, columns, class_names)
    return Source(pictures=pictures, labels=labels, num_labels=count, class_names=names)


def _stream_source(
    where: Location,
    image_column: str,
    label_column: Any,
    class_names: tuple[str, ...],
    shuffle_buffer: int,
    options: ImageOptions,
) -> Source:
    """The images of shards that are read in order."""
    shards = open_stream(where)
    columns = find_columns(_CALLER, shards.dataset.features, image_column, label_column, str(options.labels))
    stream = Stream(shards.lengths, shuffle_buffer)
    pictures = StreamedPictures(columns.undecoded(shards.dataset), shards.files, stream, columns)
    names = class_names or columns.known_classes()
    num_labels = 0
    if options.labels == CLASSES:
        if not names:
            raise ValueError(
                f"{_CALLER}: class_names must name the classes of a stream whose column {columns.labels[0]!r} does "
                "not, or leave streaming out, which reads all labels first"
            )
        pictures.classes, num_labels = names, len(names)
    elif options.labels == VECTORS:
        pictures.length = num_labels = len(pictures.first_vector())
        names = class_names or columns.names_of_values()
    return Source(
        pictures=pictures,
        paired=True,
        num_labels=num_labels,
        vectors=options.labels == VECTORS,
        class_names=checked_class_names(names, num_labels, _CALLER) if num_labels else (),
        names=shards.names(),
        stream=stream,
        remarks=[f"streamed from {len(shards.lengths):,} shards", *_remarks(shards.dataset.features, columns)],
    )


def _remarks(features: Any, columns: Columns) -> list[str]:
    classes = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
    return [f"its labels ({', '.join(classes)}) are not used"] if classes and not columns.labels else []


class TablePictures:
    """The pictures of a column, by row: open files, or paths.

    Args:
        table: a ``datasets.Dataset`` whose images are not decoded.
        column: of the images.
    """

    def __init__(self, table: Any, column: str) -> None:
        self.table, self.column = table.select_columns([column]), column

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> io.BytesIO | str:
        return as_file(self.table[index][self.column])
