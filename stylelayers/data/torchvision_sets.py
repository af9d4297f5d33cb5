"""torchvision's data sets by their names.

Arguments go to a set by its signature: whatever its constructor calls its split, and to those that take a loader of
image files the package's own, which composites transparency over white and obeys EXIF.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torchvision
from PIL import Image

from .._checks import check_choice
from ..images.reading import open_picture
from .listing import expand_root
from .module import ImageDataModule, check_loader
from .transforms import ImageTransform, TransformedImages, check_image_arguments

__all__ = ["torchvision_dataset"]

_UNPICKLING = ("LSUN", "LSUNClass")  # whatever lies in the working folder under the name of their cache
_NAMES = sorted(
    name
    for name in torchvision.datasets.__all__
    if inspect.isclass(getattr(torchvision.datasets, name)) and name not in _UNPICKLING
)
_NUMERALS = ("SEMEION", "SVHN", "USPS")  # whose classes have no names but the numbers that they show
_Parameters = Mapping[str, inspect.Parameter]


def torchvision_dataset(
    name: str = "CIFAR10",
    root: str | Path = "data",
    *,
    split: str = "train",
    download: bool = True,
    arguments: Mapping[str, Any] | None = None,
    resolution: int | Sequence[int] = 32,
    image_channels: int = 3,
    labels: bool = False,
    resize: str = "crop",
    horizontal_flip: bool = False,
    batch_size: int = 32,
    num_workers: int = 0,
) -> ImageDataModule:
    """A data set of torchvision, downloaded to ``root`` if it is not there yet.

    The processes of a ``torchrun`` would all download at once: download with a single one before.

    Args:
        name: class in ``torchvision.datasets`` whose items are pairs of an image and a target: ``CIFAR10``, ``MNIST``,
            ``SVHN``, ``Food101``, ... All but ``LSUN``, which unpickles files of the working folder.
        root: folder of the files.
        split: the set's ``split`` or ``image_set``, mostly ``"train"`` or ``"test"``; ``"train"`` for a set without.
        download: fetch missing files; if False, or if the set cannot be downloaded, they must be there.
        arguments: other arguments of the class, such as ``{"split": "letters"}`` for ``EMNIST``.
        resolution: side in pixels, or ``(height, width)``.
        image_channels: 1 (grey) or 3 (RGB).
        labels: return the class of an image as its label, with torchvision's names; if False, training is
            unconditional. Of a set that lists no classes, all targets are read once here.
        resize: ``"crop"`` covers the target and keeps the centre, ``"fit"`` adds black bars, ``"stretch"``
            changes the aspect ratio.
        horizontal_flip: mirror an image with probability 0.5 whenever it is read.
        batch_size: images per batch and process.
        num_workers: processes that load images; 0 loads them in the training process.

    Raises:
        ValueError: an argument is out of range or none of the class's, the files cannot be downloaded or read, or
            the targets are no classes (``labels=True``).
    """
    size = check_image_arguments("torchvision_dataset", resolution, image_channels, resize)
    check_loader("torchvision_dataset", batch_size, num_workers)
    check_choice("torchvision_dataset", "name", name, _NAMES)
    folder = expand_root("torchvision_dataset", root, "the folder that holds, or will hold, the files of the data set")
    dataset_class = getattr(torchvision.datasets, name)
    parameters = _list_parameters(dataset_class)
    own = {"root": str(folder), "download": download, "loader": open_picture, **_split_argument(parameters, split)}
    own = {argument: value for argument, value in own.items() if argument in parameters}
    _check_arguments(name, parameters, own, arguments or {})
    source = _load(name, folder, split, dataset_class, {**own, **(arguments or {})})
    num_labels, names = _find_classes(source, name, split) if labels else (0, ())
    transform = ImageTransform(size, image_channels, resize=resize, horizontal_flip=horizontal_flip)
    return ImageDataModule(
        TransformedImages(source, transform, labels=labels),
        batch_size=batch_size,
        num_workers=num_workers,
        num_labels=num_labels,
        class_names=names,
    )


def _list_parameters(dataset_class: Callable[..., Any]) -> _Parameters:
    """The arguments of a class, with those of its bases as far as it hands ``**kwargs`` on to them."""
    found: dict[str, inspect.Parameter] = {}
    for each in inspect.getmro(dataset_class) if inspect.isclass(dataset_class) else [dataset_class]:
        parameters = inspect.signature(each).parameters
        found = {**parameters, **found}
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values()):
            break
    return {name: parameter for name, parameter in found.items() if parameter.kind is not parameter.VAR_KEYWORD}


def _split_argument(parameters: _Parameters, split: str) -> dict[str, Any]:
    """The split as the class takes it; torchvision checks the names of those that it calls so."""
    argument = next((name for name in ("train", "split", "image_set") if name in parameters), None)
    if argument in ("split", "image_set"):
        return {argument: split}
    check_choice("torchvision_dataset", "split", split, ("train", "test") if argument else ("train",))
    return {"train": split == "train"}


def _check_arguments(name: str, parameters: _Parameters, own: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    free = [each for each in parameters if each not in own]
    needed = [each for each in free if parameters[each].default is inspect.Parameter.empty]
    if not set(needed) <= set(arguments) <= set(free):
        raise ValueError(
            f"torchvision_dataset: arguments must be among {', '.join(free)} for {name}"
            f"{', with ' + ' and '.join(needed) if needed else ''}, got {dict(arguments)!r}"
        )


def _load(name: str, folder: Path, split: str, dataset_class: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Build torchvision's data set; whatever its network or file readers raise becomes a ValueError."""
    try:
        source = dataset_class(**arguments)
        first = source[0] if len(source) else (Image.new("L", (1, 1)), 0)
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"torchvision_dataset: root must hold the files of {name}, but torchvision could not "
            f"{'download' if arguments.get('download') else 'find'} split {split!r} in {str(folder)!r}: {reason}; "
            f"without a network, put the files of torchvision.datasets.{name} there by hand"
        ) from error
    if not (isinstance(first, tuple) and len(first) == 2 and isinstance(first[0], Image.Image)):
        raise ValueError(f"torchvision_dataset: name must be of a set of pairs (image, target), got {name}")
    return source


def _find_classes(source: Any, name: str, split: str) -> tuple[int, Sequence[str]]:
    """The number of classes, and their names if torchvision knows them.

    Raises:
        ValueError: targets that are not classes numbered from 0.
    """
    if "unlabeled" in split or not _is_class(source[0][1]):
        raise ValueError(
            f"torchvision_dataset: labels must be False for split {split!r} of {name}, whose targets are no classes"
        )
    listed = next(filter(None, (getattr(source, name, None) for name in ("classes", "categories", "class_to_idx"))), [])
    if isinstance(listed, Mapping):
        listed = sorted(listed, key=listed.__getitem__)
    if listed:
        names = [text if isinstance(text, str) else ", ".join(text) for text in listed]
        return len(names), names if len(set(names)) == len(names) else ()
    count = 1 + max(int(source[index][1]) for index in range(len(source)))
    return count, [str(number) for number in range(count)] if name in _NUMERALS else ()


def _is_class(target: Any) -> bool:
    try:
        return not isinstance(target, (bool, float, str)) and int(target) == target >= 0
    except (TypeError, ValueError, RuntimeError):
        return False
