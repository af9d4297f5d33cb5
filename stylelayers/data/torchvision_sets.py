"""torchvision's data sets by their names.

A set gets those arguments that its signature has; a class that takes a loader of image files gets the package's own,
so that transparency, EXIF and 16 bits are read as in :func:`stylelayers.data.image_folder`.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torchvision
from PIL import Image

from .._checks import check_choice
from ..images.reading import open_picture
from .listing import expand_root
from .module import ImageDataModule
from .options import ImageOptions, takes_image_options
from .pairs import is_class, paired_source
from .source import CLASSES, Source

_UNSAFE = ("LSUN", "LSUNClass")  # unpickle a cache in the working folder
_CLASSES = [name for name in torchvision.datasets.__all__ if inspect.isclass(getattr(torchvision.datasets, name))]
_CLASS_ATTRIBUTES = ("classes", "categories", "class_to_idx")
_NUMERALS = ("SEMEION", "SVHN", "USPS")  # sets of digits that list no names of classes


@takes_image_options
def torchvision_dataset(
    name: str = "CIFAR10",
    root: str | Path = "data",
    *,
    split: str = "train",
    download: bool = True,
    arguments: Mapping[str, Any] | None = None,
    options: ImageOptions,
) -> ImageDataModule:
    """A data set of torchvision, downloaded to ``root`` if it is not there yet.

    The processes of a ``torchrun`` would all download at once: download with a single one before.

    Args:
        name: class in ``torchvision.datasets`` whose items are pairs of an image and a target: ``CIFAR10``, ``MNIST``,
            ``SVHN``, ``Food101``, ...; not ``LSUN``, which unpickles files of the working folder.
        root: folder of the files.
        split: the set's ``split`` or ``image_set``, mostly ``"train"`` or ``"test"``; ``"train"`` for a set without.
        download: fetch missing files; if False, or if the set cannot be downloaded, they must be there.
        arguments: other arguments of the class, such as ``{"split": "letters"}`` for ``EMNIST``.
        **options: the arguments of :class:`ImageOptions`, by their names. ``labels="classes"`` takes the class of an
            image with torchvision's names; of a set that lists no classes, all targets are read once here.
            ``"vectors"`` takes targets that are rows of numbers, such as the 40 attributes of ``CelebA``.

    Returns:
        A data module of pairs of float32 images ``(C, H, W)`` in [-1, 1] and labels.

    Raises:
        ValueError: an argument is out of range or none of the class's, the files cannot be downloaded or read, or
            the targets are of another kind than ``labels``.

    Example:
        >>> from stylelayers.data import torchvision_dataset
        >>> data = torchvision_dataset("CIFAR10", "data", labels="classes", batch_size=64)  # doctest: +SKIP
    """
    check_choice("torchvision_dataset", "name", name, sorted({*_CLASSES} - {*_UNSAFE}))
    folder = expand_root("torchvision_dataset", root, "the folder that holds, or will hold, the files of the data set")
    chosen = _constructor_arguments(name, str(folder), split, download, arguments or {})
    dataset = _load(name, chosen, f"{'download' if download else 'find'} split {split!r} in {str(folder)!r}")
    return options.make_module(_open_set(dataset, name, split, options), "torchvision_dataset")


def _constructor_arguments(
    name: str, root: str, split: str, download: bool, arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """Merge our arguments, as far as the class has them, with the user's, all of which it must have."""
    parameters = _list_parameters(getattr(torchvision.datasets, name))
    switch = next((each for each in ("train", "split", "image_set") if each in parameters), None)
    if switch in (None, "train"):  # torchvision checks the names of the others
        check_choice("torchvision_dataset", "split", split, ("train", "test") if switch else ("train",))
    own = {"root": root, "download": download, "loader": open_picture}
    own = {each: value for each, value in own.items() if each in parameters}
    if switch:
        own[switch] = split == "train" if switch == "train" else split
    others = [each for each in parameters if each not in own]
    required = [each for each in others if parameters[each].default is inspect.Parameter.empty]
    if not set(required) <= set(arguments) <= set(others):
        raise ValueError(
            f"torchvision_dataset: arguments must be among {', '.join(others)} for {name}"
            f"{', with ' + ' and '.join(required) if required else ''}, got {dict(arguments)!r}"
        )
    return {**own, **arguments}


def _list_parameters(dataset_class: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a class, and those of its bases as far as it passes ``**kwargs`` on to them."""
    found: dict[str, inspect.Parameter] = {}
    for each in inspect.getmro(dataset_class) if inspect.isclass(dataset_class) else [dataset_class]:
        parameters = inspect.signature(each).parameters
        found = {**parameters, **found}
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters.values()):
            break
    return {name: parameter for name, parameter in found.items() if parameter.kind is not parameter.VAR_KEYWORD}


def _load(name: str, arguments: Mapping[str, Any], attempt: str) -> Any:
    """Build torchvision's data set; whatever its network or file readers raise becomes a ValueError."""
    try:
        source = getattr(torchvision.datasets, name)(**arguments)
        first = source[0]
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"torchvision_dataset: root must hold the files of {name}, but torchvision could not {attempt}: {reason}; "
            f"without a network, put the files of torchvision.datasets.{name} there by hand"
        ) from error
    if not (isinstance(first, tuple) and len(first) == 2 and isinstance(first[0], Image.Image)):
        raise ValueError(f"torchvision_dataset: name must be of a set of pairs (image, target), got {name!r}")
    return source


def _open_set(dataset: Any, name: str, split: str, options: ImageOptions) -> Source:
    """The source of a set, whose classes are counted and named as torchvision does.

    Raises:
        ValueError: targets of another kind than the labels that are asked for.
    """
    if options.labels != CLASSES:
        return paired_source("torchvision_dataset", dataset, (), options)
    if "unlabeled" in split or not is_class(dataset[0][1]):
        raise ValueError(
            f"torchvision_dataset: labels must not be {CLASSES!r} for split {split!r} of {name}, whose targets are no "
            "classes"
        )
    listed: Any = next(filter(None, (getattr(dataset, each, None) for each in _CLASS_ATTRIBUTES)), None)
    if listed is None:
        source = paired_source("torchvision_dataset", dataset, (), options)
        named = [str(number) for number in range(source.num_labels)] if name in _NUMERALS else ()
        return replace(source, class_names=named)
    if isinstance(listed, Mapping):
        listed = sorted(listed, key=listed.__getitem__)
    names = [each if isinstance(each, str) else ", ".join(each) for each in listed]
    unique = names if len(set(names)) == len(names) else ()
    return Source(pictures=dataset, paired=True, num_labels=len(names), class_names=unique)
