"""Pictures before a training resizes them: where they come from does not matter to the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..images.conversion import own_channels
from ..images.reading import open_picture
from .stream import Stream

NONE, CLASSES, VECTORS = LABEL_KINDS = ("none", "classes", "vectors")
Labels = Literal["none", "classes", "vectors"] | bool
"""Kind of the labels; True stands for classes and False for none."""


def label_kind(labels: Labels) -> str:
    """One of :data:`LABEL_KINDS`, also for True (classes) and False (none); other values are returned as they are."""
    return {True: CLASSES, False: NONE}[labels] if isinstance(labels, bool) else labels


class UnreadableImageError(ValueError):
    """A picture that cannot be decoded; the message names it."""


class UnreadableShardError(ValueError):
    """A file of many pictures that cannot be read further; other than a single picture, it is not skipped."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Pictures by number, with their labels.

    Args:
        pictures: gives a picture for a number, of any size and mode: a path, an open file, Pillow's image, or an array
            or tensor; or, if `paired`, a pair of that and a label.
        labels: ``(N,)`` int64 class numbers or ``(N, num_labels)`` float32, if they are known without the pictures.
        num_labels: number of classes, or of the values of a label; 0 without labels.
        class_names: one for each of them, if known.
        names: of the pictures, for messages; by default their numbers.
        root: folder or archive that the names are relative to.
        channels: the largest number of channels that a picture has, if known.
        paired: pictures come in pairs with their labels.
        vectors: labels are vectors of `num_labels` numbers, not classes.
        remarks: for the first line of a run.
        stream: the shards that hold the pictures, if these are to be asked for in about the order of the shards.
        skipped: the files that were left out as unreadable, each with the reason.

    Example:
        >>> import torch
        >>> from PIL import Image
        >>> from stylelayers.data import Source
        >>> pictures = [Image.new("L", (8, 8)), Image.new("L", (8, 8))]
        >>> Source(pictures=pictures, labels=torch.tensor([0, 1]), num_labels=2).read(1)[1]
        1
    """

    pictures: Any
    labels: Tensor | None = None
    num_labels: int = 0
    class_names: Sequence[str] = ()
    names: Sequence[str] | None = None
    root: Path | None = None
    channels: int | None = None
    paired: bool = False
    vectors: bool = False
    remarks: Sequence[str] = ()
    stream: Stream | None = None
    skipped: Sequence[str] = ()

    @property
    def label_kind(self) -> str:
        """``"none"``, ``"classes"`` or ``"vectors"``."""
        return (VECTORS if self.vectors else CLASSES) if self.num_labels else NONE

    def describe_labels(self) -> str:
        """``"no labels"``, ``"10 classes"`` or ``"vectors of 40"``."""
        kinds = {NONE: "no labels", CLASSES: f"{self.num_labels} classes", VECTORS: f"vectors of {self.num_labels}"}
        return kinds[self.label_kind]

    def __len__(self) -> int:
        return len(self.pictures)

    def name(self, index: int) -> str:
        """Path of a picture, or its number."""
        if self.names is None:
            return f"image {index}"
        return str(self.root / self.names[index]) if self.root else self.names[index]

    def read(self, index: int) -> tuple[Any, Any]:
        """A picture, and its label: an int, or float32 ``(num_labels,)``; 0 without labels."""
        item = self.pictures[index]
        picture, label = item if self.paired else (item, 0)
        if not self.num_labels:
            return picture, 0
        label = label if self.labels is None else self.labels[index]
        return picture, torch.as_tensor(label, dtype=torch.float32) if self.vectors else int(label)

    def find_channels(self) -> int:
        """The number of channels, 1 to 4, that holds all of a picture: of the first, if it is not known of all."""
        if self.channels is not None:
            return self.channels
        picture = self.read(0)[0]
        if isinstance(picture, Tensor):
            return len(picture)
        if isinstance(picture, np.ndarray):
            picture = Image.fromarray(picture)
        return own_channels(picture if isinstance(picture, Image.Image) else open_picture(picture))

    def all_labels(self) -> Tensor:
        """The labels of all pictures, which are read for them if need be."""
        if self.labels is not None:
            return self.labels
        return torch.stack([torch.as_tensor(self.read(index)[1]) for index in range(len(self))])
