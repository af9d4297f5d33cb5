"""The labels in the ``dataset.json`` of an archive: class numbers, vectors or none."""

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._checks import is_int

LABELS = "dataset.json"
_MOST_CLASSES = 1_000_000
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class ArchiveLabels:
    """What a ``dataset.json`` says of the images of an archive.

    Attributes:
        labels: int64 ``(N,)`` class numbers, or float32 ``(N, L)``; None without labels.
        num_labels: number of classes, the largest number plus one, or L.
        class_names: of the optional entry ``class_names``.
        unused: labels whose image is not there.
    """

    labels: Tensor | None
    num_labels: int
    class_names: tuple[str, ...]
    unused: tuple[str, ...]


def parse_labels(text: bytes, names: Sequence[str], where: str) -> ArchiveLabels:
    """Read the labels of images from the text of a ``dataset.json``: ``{"labels": [["00000/img0.png", 3], ...]}``.

    Args:
        text: of the file.
        names: of the images, in order.
        where: path of the file, for messages.

    Raises:
        ValueError: names `where`, and the first entry that is not of this form, has a label of another kind or length
            than the first one or two different labels, or the first image without a label.
    """
    content = _load(text, where)
    given = _pairs(content["labels"], where)
    class_names = content.get("class_names") or ()
    if given is None:
        return ArchiveLabels(None, 0, (), ())
    missing = [name for name in names if name not in given]
    if missing:
        raise ValueError(f"{where}: labels must have an entry for every image, {len(missing)} lack one: {missing[0]!r}")
    chosen = [given[name] for name in names]
    labels = _as_tensor(chosen, names, where)
    num_labels = labels.shape[1] if labels.ndim == 2 else int(labels.max()) + 1
    if not _are_names(class_names, labels.ndim, num_labels):
        raise ValueError(f"{where}: class_names must be a list of {num_labels} different names, got {class_names!r}")
    known = set(names)
    return ArchiveLabels(
        labels,
        max(num_labels, len(class_names)) if labels.ndim == 1 else num_labels,
        tuple(class_names),
        tuple(name for name in given if name not in known),
    )


def _load(text: bytes, where: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: it is no JSON: {error}") from None
    if not isinstance(content, dict) or "labels" not in content:
        raise ValueError(f'{where}: it must hold {{"labels": [["name", label], ...]}} or {{"labels": null}}')
    return content


def _pairs(labels: Any, where: str) -> dict[str, Any] | None:
    """Names and labels; None if there are none."""
    if not labels:
        return None
    entries = list(labels.items()) if isinstance(labels, Mapping) else labels
    if not isinstance(entries, list):
        raise ValueError(f"{where}: labels must be a list of pairs of a name and a label, got {type(labels).__name__}")
    given: dict[str, Any] = {}
    for number, entry in enumerate(entries):
        if not isinstance(entry, (list, tuple)) or len(entry) != 2 or not isinstance(entry[0], str):
            raise ValueError(
                f"{where}: entry {number} of labels must be a pair of a name and a label, got {reprlib.repr(entry)}"
            )
        name, label = entry[0].replace("\\", "/"), entry[1]
        if given.setdefault(name, label) != label:
            raise ValueError(f"{where}: {name!r} has two labels, {reprlib.repr(given[name])} and {reprlib.repr(label)}")
    return given


def _as_tensor(labels: list[Any], names: Sequence[str], where: str) -> Tensor:
    length = len(labels[0]) if isinstance(labels[0], list) else None
    for name, label in zip(names, labels, strict=True):
        if not (_is_vector(label, length) if length else is_int(label) and 0 <= label < _MOST_CLASSES):
            kind = (
                f"a list of {length} numbers, like the first" if length else f"a class number below {_MOST_CLASSES:,}"
            )
            raise ValueError(f"{where}: the label of {name!r} must be {kind}, got {reprlib.repr(label)}")
    return torch.from_numpy(np.array(labels, dtype=np.float32 if length else np.int64))


def _is_vector(label: Any, length: int) -> bool:
    return (
        isinstance(label, list)
        and len(label) == length
        and all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in label)
        and all(-_LARGEST <= each <= _LARGEST for each in label)
    )


def _are_names(names: Any, dimensions: int, num_labels: int) -> bool:
    if not names:
        return True
    valid = isinstance(names, list) and all(isinstance(name, str) for name in names) and len({*names}) == len(names)
    return valid and (len(names) >= num_labels if dimensions == 1 else len(names) == num_labels)
