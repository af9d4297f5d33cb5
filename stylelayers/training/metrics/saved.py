"""The data to compare a saved generator with."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from ...models import Generator
from ..class_names import quoted
from ..data import ImageDataModule, digits, image_folder
from ..data.listing import class_folders, class_name, list_folder

__all__ = ["data_for"]


def data_for(path: str | Path, data: str | Path | None, generator: Generator) -> ImageDataModule:
    """The images to compare with, of the generator's size and channels.

    Args:
        path: of the generator; for a run's folder without `data`, the data that the run was trained on.
        data: ``"digits"``, or a folder of images; None for the run's. Images have labels where the sub-folders are the
            generator's classes, by their names if it knows them, else by their number.
        generator: gives size and channels.

    Raises:
        ValueError: no data were named and there is no ``config.yaml`` of a run, or the data cannot be read.
    """
    options: dict[str, Any] = {"resolution": generator.resolution, "image_channels": generator.image_channels}
    if data is None:
        return _data_of_run(Path(path))
    if str(data) == "digits":
        return digits(**options)
    return image_folder(data, labels=bool(generator.num_labels) and _has_the_classes(Path(data), generator), **options)


def _has_the_classes(folder: Path, generator: Generator) -> bool:
    """Whether the sub-folders that hold images are the generator's classes; a warning if not."""
    listing = list_folder(folder.expanduser())
    found = [class_name(name) for name in class_folders(listing.images, listing)]
    loose = any(path.parent == listing.folder for path in listing.images)
    known = list(generator.class_names)
    fits = not loose and (found == known if known else len(found) == generator.num_labels)
    if not fits and listing.images:
        named = f" ({quoted(known)})" if known else ""
        warnings.warn(
            f"data: {str(folder)!r} has not one sub-folder of images for each of the generator's "
            f"{generator.num_labels} classes{named}: compared without labels",
            stacklevel=3,
        )
    return fits


def _data_of_run(path: Path) -> ImageDataModule:
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    folders = [path, *path.absolute().parents[:2]]  # a run's folder, its generator or one of its checkpoints
    config = next((folder / "config.yaml" for folder in folders if (folder / "config.yaml").is_file()), None)
    if config is None:
        raise ValueError(
            f"data must be digits or a folder of images, since {str(path)!r} is not in the folder of a run"
        )
    data: ImageDataModule = instantiate(OmegaConf.load(config).data, _convert_="all")
    return data
