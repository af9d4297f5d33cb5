"""A data set by what is typed for it: a path, ``digits``, ``torchvision:NAME`` or ``huggingface:NAME``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from torch import Tensor

from .._checks import check_choice
from .archive_labels import LABELS
from .digits_set import digit_source
from .listing import expand_root
from .options import AUTO, choose_images
from .source import CLASSES, LABEL_KINDS, NONE, VECTORS, Source

_EXPECTED = "a folder or zip archive of images, digits, torchvision:NAME or huggingface:NAME"
DIGITS = "digits"
_NAMED = {"torchvision": "torchvision_dataset", "huggingface": "huggingface_dataset"}  # functions of this package

_GROUPS = {
    "image_folder": "folder",
    "image_archive": "archive",
    "torchvision_dataset": "torchvision",
    "huggingface_dataset": "huggingface",
}


@dataclass(frozen=True)
class OpenedData:
    """Result of :func:`open_data`.

    Attributes:
        source: the pictures and their labels.
        indices: of those that are used, ascending; None for all.
        group: name of the training configuration that reads the same, such as ``"folder"``.
        arguments: for that configuration.
    """

    source: Source
    indices: Tensor | None
    group: str
    arguments: Mapping[str, Any]

    def __len__(self) -> int:
        return len(self.source) if self.indices is None else len(self.indices)


def open_data(
    text: str,
    *,
    labels: str = AUTO,
    split: str = "train",
    root: str | Path = "data",
    max_images: int | None = None,
    subset_seed: int = 0,
) -> OpenedData:
    """Open a data set without reading its pictures.

    Args:
        text: path of a folder or zip archive, ``"digits"``, ``"torchvision:NAME"`` or ``"huggingface:NAME"``.
        labels: ``"none"``, ``"classes"``, ``"vectors"``, or ``"auto"`` for those that the data have.
        split: of a named data set.
        root: folder for the files of torchvision's sets.
        max_images, subset_seed: as in :class:`ImageOptions`.

    Raises:
        ValueError: there is no such data set, it cannot be read, or has no such labels.
    """
    check_choice("open_data", "labels", labels, (AUTO, *LABEL_KINDS))
    if text == DIGITS:
        scans = digit_source(labels)
        return OpenedData(scans, choose_images("open_data", len(scans), max_images, subset_seed), DIGITS, {})
    name, arguments = _find_builder(text, split, root)
    build: Callable[..., Any] = getattr(import_module("stylelayers.data"), name)
    chosen = {"max_images": max_images, "subset_seed": subset_seed, "on_error": "skip", "image_channels": AUTO}
    for kind in (CLASSES, VECTORS) if labels == AUTO else ():
        try:
            images = build(**arguments, **chosen, labels=kind).dataset
            break
        except ValueError:  # told by the last attempt, if it is about more than the labels
            continue
    else:
        images = build(**arguments, **chosen, labels=NONE if labels == AUTO else labels).dataset
    return OpenedData(images.source, images.indices, _GROUPS[name], arguments)


def _find_builder(text: str, split: str, root: str | Path) -> tuple[str, dict[str, Any]]:
    """The name of the function that reads a data set, and its arguments."""
    prefix, _, name = text.partition(":")
    if prefix in _NAMED and name:
        own = {"root": root} if prefix == "torchvision" else {}
        return _NAMED[prefix], {"name": name, "split": split, **own}
    path = expand_root("open_data", text, _EXPECTED)
    if not path.exists():
        raise ValueError(f"open_data: the data must be {_EXPECTED}, got {text!r}, which does not exist")
    archive = path.is_file() or (path / LABELS).is_file()
    return "image_archive" if archive else "image_folder", {"root": str(path)}
