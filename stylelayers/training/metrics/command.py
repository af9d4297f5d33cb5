"""The quality of saved generators from the command line: ``python -m stylelayers.training.metrics RUN``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...checkpoints import load_generator
from ...models import Generator
from ..data import ImageDataModule, digits, image_folder
from .evaluation import METRICS, evaluate
from .feature_space import FEATURES, RESIZE_FILTERS

__all__ = ["data_for", "main"]


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the report of every generator, or write them as JSON lines."""
    options = _parser().parse_args(arguments)
    try:
        for path in options.path:
            generator = load_generator(path, device=options.device)
            report = evaluate(
                generator,
                data_for(path, options.data, generator),
                features=options.features,
                metrics=options.metrics,
                samples=options.samples,
                truncation_psi=options.truncation_psi,
                resize_filter=options.resize_filter,
                seed=options.seed,
            )
            print(json.dumps({"path": path, **report.as_dict()}) if options.json else f"{path}\n{report}")
    except ValueError as error:
        sys.exit(f"metrics: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m stylelayers.training.metrics", description=__doc__)
    parser.add_argument("path", nargs="+", help="generator files or folders of runs")
    parser.add_argument("--data", help="digits, or a folder of images; default: those of the run")
    parser.add_argument("--features", default="auto", help=f"auto, {', '.join(FEATURES)}")
    parser.add_argument("--metrics", nargs="+", choices=METRICS, help="default: all but path_length")
    parser.add_argument("--samples", type=int, help="default: as many as real images, at most 10,000")
    parser.add_argument("--truncation-psi", type=float, default=1.0)
    parser.add_argument("--resize-filter", default="tensorflow", choices=RESIZE_FILTERS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="one line of JSON a generator")
    return parser


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
