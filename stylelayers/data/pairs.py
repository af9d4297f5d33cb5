"""Map-style data sets of pairs of a picture and a target, such as torchvision's and those of users."""

from collections.abc import Sequence, Sized
from numbers import Integral
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..models.class_names import checked_class_names
from .module import ImageDataModule
from .options import ImageOptions, takes_image_options
from .source import CLASSES, NONE, VECTORS, Source


@takes_image_options
def dataset_images(
    dataset: Dataset[Any] | None, *, class_names: Sequence[str] | None = None, options: ImageOptions
) -> ImageDataModule:
    """Any map-style data set of pairs of a picture and a target.

    Pictures may have any size; they are Pillow images, paths, arrays that ``Image.fromarray`` reads, or uint8 tensors
    ``(C, H, W)``. For tensors in [-1, 1] that need no resizing, use :class:`ImageDataModule` itself.

    Args:
        dataset: an object with ``len(dataset)`` and ``dataset[index]``.
        class_names: names of the classes in the order of their numbers, if they are known.
        **options: the arguments of :class:`ImageOptions`, by their names. Targets are class numbers from 0 on
            (``labels="classes"``) or rows of numbers (``"vectors"``). Class numbers are read once here, from the
            attribute ``targets`` if there is one.

    Returns:
        A data module of pairs of float32 images ``(C, H, W)`` in [-1, 1] and labels.

    Raises:
        ValueError: an argument is out of range, or the data set is none of this kind.

    Example:
        >>> from PIL import Image
        >>> from stylelayers.data import dataset_images
        >>> data = dataset_images([(Image.new("RGB", (40, 30)), 0), (Image.new("RGB", (20, 20)), 1)], resolution=16)
        >>> data.dataset[0][0].shape
        torch.Size([3, 16, 16])
    """
    if not hasattr(dataset, "__getitem__") or not isinstance(dataset, Sized):
        raise ValueError(
            "dataset_images: dataset must be a map-style data set, with len(dataset) and dataset[index], got "
            f"{'nothing' if dataset is None else type(dataset).__name__}"
        )
    check_pair("dataset_images", "dataset", dataset)
    return options.make_module(paired_source("dataset_images", dataset, class_names or (), options), "dataset_images")


def paired_source(caller: str, dataset: Any, class_names: Sequence[str], options: ImageOptions) -> Source:
    """The source of a data set of pairs, with targets of the kind that `options` ask for."""
    if options.labels == NONE:
        return Source(pictures=dataset, paired=True)
    if options.labels == VECTORS:
        length = len(as_vector(caller, dataset[0][1]))
        names = checked_class_names(class_names, length, caller)
        return Source(pictures=dataset, paired=True, num_labels=length, vectors=True, class_names=names)
    targets = _class_targets(caller, dataset)
    count = max(int(targets.max()) + 1, len(class_names))
    names = checked_class_names(class_names, count, caller)
    return Source(pictures=dataset, paired=True, labels=targets, num_labels=count, class_names=names)


def check_pair(caller: str, name: str, dataset: Any) -> None:
    """Check that a data set has an item, which is a pair."""
    if len(dataset) == 0:
        raise ValueError(f"{caller}: {name} must hold at least 1 image, got an empty one")
    item = dataset[0]
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        came = f"{len(item)} values" if isinstance(item, (tuple, list)) else type(item).__name__
        raise ValueError(f"{caller}: {name} must be of pairs (image, target), got an item of {came}")


def is_class(target: Any) -> bool:
    """Whether a target is the number of a class."""
    if isinstance(target, Tensor) and target.ndim == 0 and not target.is_floating_point():
        target = target.item()
    return isinstance(target, Integral) and not isinstance(target, bool) and int(target) >= 0


def as_vector(caller: str, target: Any) -> Tensor:
    """A target as a row of float32 numbers."""
    try:
        vector = torch.as_tensor(target).float()
    except (TypeError, ValueError, RuntimeError):
        vector = torch.zeros(())
    if vector.ndim != 1 or not len(vector) or not vector.isfinite().all():
        raise ValueError(f"{caller}: labels='vectors' needs targets that are rows of finite numbers, got {target!r}")
    return vector


def _class_targets(caller: str, dataset: Any) -> Tensor:
    targets = getattr(dataset, "targets", None)
    known = isinstance(targets, (list, tuple, Tensor)) and len(targets) == len(dataset)
    if not known or getattr(dataset, "target_transform", None) is not None:
        targets = [dataset[index][1] for index in range(len(dataset))]
    odd = next((index for index, target in enumerate(cast(Any, targets)) if not is_class(target)), None)
    if odd is not None:
        raise ValueError(
            f"{caller}: labels={CLASSES!r} needs targets that are class numbers from 0 on, got "
            f"{cast(Any, targets)[odd]!r} for image {odd}"
        )
    return torch.tensor([int(target) for target in cast(Any, targets)])
