"""The data to compare a saved generator with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...models import Generator
from ..data import ImageDataModule, digits, image_folder

__all__ = ["data_for"]


def data_for(path: str | Path, data: str | Path | None, generator: Generator) -> ImageDataModule:
    """The images to compare with, of the generator's size and channels.

    Args:
        path: of the generator; for a run's folder without `data`, the data that the run was trained on.
        data: ``"digits"``, or a folder of images; None for the run's.
        generator: gives size and channels.

    Raises:
        ValueError: no data were named and there is no ``config.yaml`` of a run, or the data cannot be read.
    """
    options: dict[str, Any] = {"resolution": generator.resolution, "image_channels": generator.image_channels}
    if data is None:
        return _data_of_run(Path(path))
    if str(data) == "digits":
        return digits(**options)
    classes = generator.num_labels and sum(entry.is_dir() for entry in Path(data).iterdir()) == generator.num_labels
    return image_folder(data, labels=bool(classes), **options)


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
