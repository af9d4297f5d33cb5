"""The data to compare a saved generator with.

The ``config.yaml`` of a run may come from anywhere, and Hydra would call whatever it names. It is therefore read as
plain data, and its ``data`` section must be a call of one of the package's data sets with plain arguments.
"""

import inspect
import os
import reprlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from .._kinds import ConversionError, convert_value, describe_type
from ..checkpoints.run_configuration import CONFIGURATION, read_configuration
from ..data import ImageDataModule, digits, huggingface_dataset, image_archive, image_folder, torchvision_dataset
from ..data.archive_labels import LABELS
from ..data.huggingface_files import names_files
from ..data.listing import class_folders, class_name, list_folder
from ..data.options import AUTO
from ..models import StyleGenerator
from ..models.class_names import quoted

_DATA_SETS: dict[str, Callable[..., ImageDataModule]] = {
    f"stylelayers.data.{build.__name__}": build
    for build in (digits, huggingface_dataset, image_archive, image_folder, torchvision_dataset)
}
_EARLY_TARGETS = {target.replace(".data.", ".training.data."): target for target in _DATA_SETS}
_SECTION = "data"
_WAY_OUT = "name a folder of images with data (--data), or have the file's own data built with trust=True (--trust)"
_PLAIN = (str, int, float, type(None))


def data_for(
    path: str | Path, data: str | Path | None, generator: StyleGenerator, *, trust: bool = False
) -> ImageDataModule:
    """Real images of the generator's size and channels to compare it with.

    Args:
        path: of the generator.
        data: ``"digits"``, or a folder or zip archive of images; None for the data that the run at `path` was trained
            on. Images have labels if the sub-folders are the generator's classes, by name or, if it knows no names, by
            number, or if the archive has labels.
        generator: gives size and channels.
        trust: build whatever the run's ``config.yaml`` names as its data, as ``train.py`` does; also accept the file
            in the folder above a generator file.

    Returns:
        The data module.

    Raises:
        ValueError: no data are given and there is no ``config.yaml`` of a run, it names something else than data of
            this package, or the data cannot be read.

    Example:
        >>> from stylelayers.checkpoints import load_generator
        >>> from stylelayers.metrics import data_for
        >>> data = data_for("runs/RUN", None, load_generator("runs/RUN"))  # doctest: +SKIP
    """
    if data is None and trust:
        return _build_by_hydra(_find_configuration(Path(path), trust))
    if generator.image_channels > 4:
        raise ValueError(f"data_for: generator must have 1 to 4 image_channels, got {generator.image_channels}")
    sizes: dict[str, Any] = {"resolution": generator.resolution, "image_channels": generator.image_channels}
    if data is None:
        return _build_data_of_run(_find_configuration(Path(path), trust), sizes)
    if str(data) == "digits":
        return digits(**sizes)
    folder = Path(os.path.expanduser(data))
    if not str(data).strip() or not folder.exists():
        raise ValueError(
            f"data_for: data must be digits, or a folder or zip archive of images, got {str(data)!r}, which does not "
            "exist"
        )
    if folder.is_file() or (folder / LABELS).is_file():
        return image_archive(folder, labels=generator.label_kind, **sizes)
    labels = generator.label_kind == "classes" and _has_the_classes(folder, generator)
    return image_folder(folder, labels=labels, **sizes)


def _has_the_classes(folder: Path, generator: StyleGenerator) -> bool:
    """Whether the sub-folders with images are the generator's classes; warn if not."""
    listing = list_folder(folder)
    found = [class_name(name) for name in class_folders(listing.images)]
    loose = any("/" not in name for name in listing.images)
    known = list(generator.class_names)
    fits = not loose and (found == known if known else len(found) == generator.num_labels)
    if not fits and len(listing.images):
        named = f" ({quoted(known)})" if known else ""
        warnings.warn(
            f"data: {str(folder)!r} has not one sub-folder of images for each of the generator's "
            f"{generator.num_labels} classes{named}: compared without labels",
            stacklevel=3,
        )
    return fits


def _find_configuration(path: Path, trust: bool) -> Path:
    """The configuration of the run that a folder, one of its generators or one of its checkpoints belongs to."""
    folder = path if path.is_dir() else path.absolute().parent
    above = folder.parent / CONFIGURATION
    if (folder / CONFIGURATION).is_file():
        return folder / CONFIGURATION
    if path.is_dir() or not above.is_file():
        raise ValueError(
            f"data_for: data must be digits, or a folder or zip archive of images, since {str(path)!r} is not in the "
            "folder of a run"
        )
    if folder.name != "checkpoints" and not trust:
        raise ValueError(f"{str(above)!r} lies a folder above {str(path)!r} and may be of anything; {_WAY_OUT}")
    return above


def _read_configuration(file: Path) -> dict[str, Any]:
    """The sections of a configuration, with today's target of the data."""
    configuration = read_configuration(file)
    section = configuration.get(_SECTION)
    if isinstance(section, dict) and isinstance(target := section.get("_target_"), str):
        section["_target_"] = _EARLY_TARGETS.get(target, target)
    return configuration


def _build_data_of_run(file: Path, sizes: Mapping[str, Any]) -> ImageDataModule:
    try:
        section = _read_configuration(file).get(_SECTION)
    except ValueError as error:
        raise ValueError(f"{str(file)!r} has no readable data: {error}; {_WAY_OUT}") from None
    build, arguments = _parse_call(section, str(file))
    for name, ours in sizes.items():
        theirs = arguments.get(name, ours)
        if theirs not in _spellings(ours) and not (name == "image_channels" and theirs == AUTO):
            raise ValueError(
                f"{str(file)!r} is of another generator: {_SECTION}.{name} is {reprlib.repr(theirs)}, "
                f"the generator has {ours}"
            )
    try:
        _check_kinds(build, arguments)
        return build(**{**_restrict_loading(build, arguments), **sizes})
    except (ValueError, TypeError, OSError) as error:
        raise ValueError(f"the data of {str(file)!r} cannot be read: {error}; if they have moved, {_WAY_OUT}") from None


def _check_kinds(build: Callable[..., ImageDataModule], arguments: Mapping[str, Any]) -> None:
    """Raise a ValueError for a value that ``train.py`` would refuse, such as text for true or false."""
    kinds = get_type_hints(build)
    for name, value in arguments.items():
        try:
            convert_value(value, kinds[name])
        except ConversionError:
            raise ValueError(
                f"{_SECTION}.{name} must be {describe_type(kinds[name])}, got {reprlib.repr(value)}"
            ) from None


def _spellings(size: int | tuple[int, int]) -> list[Any]:
    """A size as a configuration may have it: a pair as a list, or as one number for both sides."""
    if isinstance(size, int):
        return [size]
    return [size, list(size), *(size[:1] if size[0] == size[1] else ())]


def _parse_call(section: object, file: str) -> tuple[Callable[..., ImageDataModule], dict[str, Any]]:
    """The data set that a section names, and its arguments.

    Raises:
        ValueError: another target, or anything but plain arguments; it is named.
    """
    if not isinstance(section, Mapping) or not isinstance(target := section.get("_target_"), str):
        raise ValueError(f"{file!r} must have data with a _target_, got {type(section).__name__}; {_WAY_OUT}")
    arguments = {str(name): value for name, value in section.items() if name != "_target_"}
    refused = [f"{key}: {named}" for key, named in _find_targets(section, _SECTION) if named not in _DATA_SETS]
    if not refused:
        known = inspect.signature(_DATA_SETS[target]).parameters
        odd = (name for name, value in arguments.items() if name not in known or not _is_plain(value))
        refused = [f"{_SECTION}.{name}: {reprlib.repr(arguments[name])}" for name in odd]
        refused += [f"{_SECTION}.{name}: {reprlib.repr(arguments[name])}" for name in _elsewhere(target, arguments)]
    if refused:
        raise ValueError(f"{file!r} is not run, as it names more than data of stylelayers ({refused[0]}); {_WAY_OUT}")
    return _DATA_SETS[target], arguments


def _elsewhere(target: str, arguments: Mapping[str, Any]) -> list[str]:
    """The arguments that have data fetched from the Hugging Face hub, or copied to a folder of the file's choice."""
    if _DATA_SETS[target] is not huggingface_dataset:
        return []
    name = arguments.get("name")
    local = isinstance(name, str) and names_files(name)
    files = str(arguments.get("data_files"))
    return [
        *([] if local else ["name"]),
        *(["data_files"] if "://" in files else []),
        *(["cache_dir"] if arguments.get("cache_dir") is not None else []),
    ]


def _find_targets(value: object, key: str) -> Iterator[tuple[str, str]]:
    """Keys and names of all targets in a value, the outer ones first."""
    parts: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        if "_target_" in value:
            target = value["_target_"]
            yield f"{key}._target_", target if isinstance(target, str) else reprlib.repr(target)
        parts = ((name, part) for name, part in value.items() if name != "_target_")
    elif isinstance(value, list):
        parts = enumerate(value)
    for name, part in parts:
        yield from _find_targets(part, f"{key}.{name}")


def _is_plain(value: object) -> bool:
    """Whether it is a number, text without an interpolation, or a list or mapping of such."""
    if isinstance(value, Mapping):
        return all(_is_plain(part) for pair in value.items() for part in pair)
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN) and "${" not in str(value)


def _restrict_loading(build: Callable[..., ImageDataModule], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments, without downloads and with at most one worker process per CPU."""
    restricted = dict(arguments)
    if isinstance(workers := restricted.get("num_workers"), int):
        restricted["num_workers"] = min(workers, os.cpu_count() or 1)
    return {**restricted, "download": False} if "download" in inspect.signature(build).parameters else restricted


def _build_by_hydra(file: Path) -> ImageDataModule:
    from hydra.errors import HydraException
    from hydra.utils import instantiate
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        data = instantiate(OmegaConf.create(_read_configuration(file)).get(_SECTION), _convert_="all")
    except (ValueError, TypeError, HydraException, OmegaConfBaseException) as error:
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__
        raise ValueError(f"the data of {str(file)!r} cannot be built: {' '.join(str(reason).split())}") from error
    if not isinstance(data, ImageDataModule):
        raise ValueError(f"the data of {str(file)!r} must be an ImageDataModule, got {type(data).__name__}")
    return data
