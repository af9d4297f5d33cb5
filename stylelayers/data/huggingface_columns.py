"""The columns of a Hugging Face data set: which holds the images, which the labels, and of what kind these are."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .options import AUTO
from .source import CLASSES, NONE, VECTORS

_NUMBERS, _FRACTIONS, _TEXT, _LIST, _IMAGE = "whole numbers", "numbers", "text", "rows of numbers", "images"
_FITTING = {CLASSES: (_NUMBERS, _TEXT), VECTORS: (_LIST, _NUMBERS, _FRACTIONS)}
_WANTED = {CLASSES: "class numbers or class names", VECTORS: "rows of numbers, or list columns of numbers"}


@dataclass(frozen=True)
class Columns:
    """The columns that are read.

    Attributes:
        image: name of the column of images.
        labels: names of the columns of labels; empty without labels, several for vectors of so many numbers.
        single: each column of labels holds one number of a vector.
        features: of the data set, by column.
    """

    image: str
    labels: tuple[str, ...]
    features: Any
    single: bool = False

    def undecoded(self, dataset: Any) -> Any:
        """The data set of these columns, with the images as they are stored."""
        chosen = dataset.select_columns([self.image, *self.labels])
        if type(self.features[self.image]).__name__ != "Image":
            return chosen
        import datasets

        return chosen.cast_column(self.image, datasets.Image(decode=False))

    def known_classes(self) -> tuple[str, ...]:
        """The names of the classes, if the data set knows them."""
        return tuple(getattr(self.features[self.labels[0]], "names", ())) if len(self.labels) == 1 else ()

    def names_of_values(self) -> tuple[str, ...]:
        """The names of the numbers of a vector, if they come from columns of their own."""
        return self.labels if self.single else ()


def as_file(value: Any) -> io.BytesIO | str:
    """The picture in a cell: bytes, a path, or a mapping of both, as ``datasets`` stores images.

    Raises:
        ValueError: an empty cell, or a path that is none of this machine.
    """
    if isinstance(value, dict):
        value = value["path"] if value.get("bytes") is None else value["bytes"]
    if isinstance(value, bytes):
        return io.BytesIO(value)
    if not isinstance(value, str) or not value:
        raise ValueError("its cell is empty")
    if "://" in value:
        raise ValueError(f"its bytes are not in the data set, but at {value}")
    return value


def find_columns(caller: str, features: Any, image_column: str, label_column: Any, labels: str) -> Columns:
    """Choose the columns of a data set and check what they hold.

    Args:
        caller: for errors.
        features: of the data set.
        image_column: name, or ``"auto"``.
        label_column: name, names, or None for the only column of classes.
        labels: ``"none"``, ``"classes"`` or ``"vectors"``.

    Raises:
        ValueError: names the argument, and lists the columns.
    """
    kinds = {name: _kind(feature) for name, feature in features.items()}
    listed = f"the columns are {', '.join(f'{name} ({_describe(features[name])})' for name in features)}"
    image = _find_image(caller, kinds, image_column, listed, features)
    if labels == NONE:
        return Columns(image, (), features)
    if label_column is None:
        found = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
        if len(found) != 1 or labels != CLASSES:
            raise ValueError(f"{caller}: label_column must be named for labels={labels!r}: {listed}")
        return Columns(image, (found[0],), features)
    chosen = (label_column,) if isinstance(label_column, str) else tuple(label_column)
    fitting = _FITTING[labels] if len(chosen) == 1 else _FITTING[VECTORS][1:] if labels == VECTORS else ()
    for name in chosen:
        if name not in kinds:
            raise ValueError(f"{caller}: label_column must be a column of the data set, got {name!r}; {listed}")
    if not chosen or len({*chosen}) < len(chosen) or not all(kinds[name] in fitting for name in chosen):
        named = chosen[0] if len(chosen) == 1 else list(chosen)
        raise ValueError(f"{caller}: label_column must be of {_WANTED[labels]}, got {named!r}; {listed}")
    return Columns(image, chosen, features, single=labels == VECTORS and kinds[chosen[0]] != _LIST)


def _find_image(caller: str, kinds: dict[str, str], image_column: str, listed: str, features: Any) -> str:
    if image_column != AUTO:
        if image_column not in kinds:
            raise ValueError(f"{caller}: image_column must be a column of the data set, got {image_column!r}; {listed}")
        if kinds[image_column] not in (_IMAGE, _TEXT):
            raise ValueError(f"{caller}: image_column must be a column of images, got {image_column!r}; {listed}")
        return image_column
    found = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    found = found or [name for name, kind in kinds.items() if kind == _IMAGE]
    if len(found) != 1:
        raise ValueError(f"{caller}: image_column must be named, as {len(found)} columns are of images: {listed}")
    return found[0]


def read_classes(
    caller: str, values: Any, columns: Columns, class_names: Sequence[str]
) -> tuple[Tensor, tuple[str, ...], int]:
    """The class of every image, the names of the classes if they are known, and how many there are.

    Args:
        caller: for errors.
        values: Arrow table of the column.
        columns: with one column of labels.
        class_names: in the order of the numbers; of text, its different values in alphabetical order if not given.
    """
    name, column = columns.labels[0], values.column(0)
    if column.null_count:
        raise ValueError(
            f"{caller}: label_column {name!r} must have a label for every image, {column.null_count} lack one"
        )
    listed = tuple(class_names) or columns.known_classes()
    if _kind(columns.features[name]) == _TEXT:
        found, numbers = np.unique(np.array(column.to_pylist(), dtype=object), return_inverse=True)
        listed = listed or tuple(found.tolist())
        to_number = {each: number for number, each in enumerate(listed)}
        unknown = [each for each in found if each not in to_number]
        if unknown:
            raise ValueError(f"{caller}: class_names must name every class of {name!r}, {unknown[0]!r} is missing")
        numbers = np.array([to_number[each] for each in found])[numbers]
    else:
        numbers = column.to_numpy().astype(np.int64)
    count = len(listed) or int(numbers.max()) + 1
    odd = np.flatnonzero((numbers < 0) | (numbers >= count))
    if len(odd):
        limit = f"in [0, {count}), as there are {count} names" if listed else "from 0 on"
        raise ValueError(
            f"{caller}: label_column {name!r} must hold class numbers {limit}, got {numbers[odd[0]]} for image {odd[0]}"
        )
    return torch.from_numpy(numbers), listed, count


def read_vectors(caller: str, values: Any, columns: Columns) -> Tensor:
    """The labels of all images, float32 ``(N, L)``."""
    if columns.single:
        rows: Any = list(zip(*(values.column(name).to_pylist() for name in columns.labels), strict=True))
    else:
        rows = values.column(0).to_pylist()
    length = len(rows[0] or ())
    try:
        if not length:
            raise ValueError
        return _finite(torch.tensor(rows, dtype=torch.float32))
    except (TypeError, ValueError, RuntimeError):
        odd = next(at for at, row in enumerate(rows) if not is_vector(row, length))
        named = ", ".join(columns.labels)
        raise ValueError(
            f"{caller}: label_column {named!r} must hold rows of {length or 'some'} finite numbers, got {rows[odd]!r} "
            f"for image {odd}"
        ) from None


def is_vector(row: Any, length: int) -> bool:
    """Whether it is a row of so many finite numbers, at least one."""
    return bool(row) and len(row) == length and all(each is not None and np.isfinite(each) for each in row)


def _finite(vectors: Tensor) -> Tensor:
    if not vectors.isfinite().all():
        raise ValueError
    return vectors


def _kind(feature: Any) -> str:
    """What a column holds; empty for what is neither image nor label."""
    import pyarrow as pa

    if type(feature).__name__ == "Image" or _is_stored_image(feature):
        return _IMAGE
    dtype, types = getattr(feature, "pa_type", None), pa.types
    if dtype is None:
        element = feature[0] if isinstance(feature, list) else getattr(feature, "feature", None)
        inner = "" if element is None or isinstance(element, dict) else _kind(element)
        return _LIST if inner in (_NUMBERS, _FRACTIONS) else ""
    if types.is_integer(dtype) or types.is_boolean(dtype):
        return _NUMBERS
    if types.is_floating(dtype):
        return _FRACTIONS
    if types.is_binary(dtype) or types.is_large_binary(dtype):
        return _IMAGE
    return _TEXT if types.is_string(dtype) or types.is_large_string(dtype) else ""


def _is_stored_image(feature: Any) -> bool:
    """Whether it is what ``datasets`` stores of an image, in a file that does not say so."""
    return isinstance(feature, dict) and {*feature} == {"bytes", "path"}


def _describe(feature: Any) -> str:
    return str(getattr(feature, "dtype", None)) if type(feature).__name__ == "Value" else type(feature).__name__
