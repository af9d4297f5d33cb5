"""Pictures and files of a run for the loggers that can take them.

TensorBoard, MLflow and every logger with Lightning's ``log_image``, such as that of W&B, take pictures; W&B and MLflow
take files. Other loggers are passed over. Neither package is imported before a logger of its own takes something.
"""

import os
import warnings
from functools import partial, singledispatch
from pathlib import Path
from typing import Any
from weakref import WeakSet

import numpy as np
from lightning import Trainer
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from PIL import Image

_MOST_PIXELS = 1024  # along a side; the files in the run's folder have them all
_failed: WeakSet[Logger] = WeakSet()


def send_picture(trainer: Trainer, path: str | os.PathLike[str], *, name: str, step: int) -> None:
    """Send a picture to every logger of the first process that takes pictures.

    A picture of more than 1,024 pixels along a side is reduced by a whole factor. A logger that fails is warned of
    once, and training goes on.

    Args:
        trainer: has the loggers.
        path: of the picture's file.
        name: of the series of pictures, such as ``samples/grid``.
        step: iterations, as with all numbers that are logged.
    """
    if trainer.is_global_zero and trainer.loggers:
        picture = _shown(Path(path))
        for logger in trainer.loggers:
            _attempt(logger, f"the picture {path}", partial(_take_picture, logger, picture, name, step))


def send_generator(trainer: Trainer, path: str | os.PathLike[str], *, alias: str) -> None:
    """Send a generator's file to every logger of the first process that takes files; failures as in `send_picture`.

    Args:
        trainer: has the loggers.
        path: of the generator's file.
        alias: ``"latest"`` or ``"best"``, of this version of the artifact where there are versions (W&B).
    """
    if trainer.is_global_zero:
        for logger in trainer.loggers:
            _attempt(logger, f"the file {path}", partial(_take_file, logger, Path(path), alias))


@singledispatch
def _take_picture(logger: Logger, picture: Image.Image, name: str, step: int) -> None:
    log_image = getattr(logger, "log_image", None)
    if log_image is not None:
        log_image(key=name, images=[picture], step=step)


@_take_picture.register
def _(logger: TensorBoardLogger, picture: Image.Image, name: str, step: int) -> None:
    logger.experiment.add_image(name, np.asarray(picture), step, dataformats="HWC")
    logger.experiment.flush()  # or it waits for two minutes


@_take_picture.register
def _(logger: MLFlowLogger, picture: Image.Image, name: str, step: int) -> None:
    logger.experiment.log_image(logger.run_id, picture, key=name, step=step)


@singledispatch
def _take_file(logger: Logger, path: Path, alias: str) -> None:
    """Pass over loggers that take no files."""


@_take_file.register
def _(logger: WandbLogger, path: Path, alias: str) -> None:
    import wandb

    artifact = wandb.Artifact(f"generator-{logger.version}", type="model")
    artifact.add_file(str(path))
    logger.experiment.log_artifact(artifact, aliases=[alias])


@_take_file.register
def _(logger: MLFlowLogger, path: Path, alias: str) -> None:
    logger.experiment.log_artifact(logger.run_id, str(path))


def _attempt(logger: Logger, what: str, send: Any) -> None:
    """Call `send`; warn of the logger's first failure."""
    try:
        send()
    except Exception as error:  # of a network, a server, a disk or a logger of the user's
        if logger not in _failed:
            _failed.add(logger)
            warnings.warn(
                f"{type(logger).__name__} did not take {what} ({type(error).__name__}: {error}); training goes on, and "
                f"further failures of it are not told",
                stacklevel=3,
            )


def _shown(path: Path) -> Image.Image:
    """The picture in RGB or RGBA, reduced if it is large."""
    with Image.open(path) as picture:
        shown = picture.convert("RGBA" if "A" in picture.getbands() else "RGB")
    factor = -(-max(shown.size) // _MOST_PIXELS)
    return shown.reduce(factor) if factor > 1 else shown
