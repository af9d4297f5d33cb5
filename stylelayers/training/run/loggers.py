"""Runs of W&B and MLflow beside a run's folder: how they start, are continued by a resumed run, and end."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import singledispatch
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from ..._checks import check_ints
from ..._extras import needs_extra
from ..._whole_files import whole_file
from ..distributed import PreflightError
from .changes import dotted
from .folders import is_follower
from .sweeps import is_sweep

_NUMBERS = "logger_runs.json"  # in a run's folder: the numbers of its runs at W&B and MLflow
_LOCAL = "sqlite:///mlflow.db"  # where `mlflow ui` looks if it is told nothing


def wandb_logger(
    folder: str | os.PathLike[str],
    *,
    project: str = "stylelayers",
    name: str | None = None,
    entity: str | None = None,
    group: str | None = None,
    tags: Sequence[str] = (),
    offline: bool = False,
    resume: str | os.PathLike[str] | None = None,
) -> WandbLogger:
    """Lightning's logger for Weights & Biases, which goes on in the W&B run of a resumed run.

    Args:
        folder: the run's folder, which gets W&B's own files.
        project, entity: of W&B; the entity, a user or team, is by default that of the login.
        name: of the run; None for the folder's.
        group: of runs; None for none, and for a sweep's folder in a sweep.
        tags: of the run.
        offline: write files alone, which ``wandb sync`` uploads later.
        resume: checkpoint that the run goes on from; None begins a W&B run of its own.

    Raises:
        ModuleNotFoundError: wandb is missing.
        ValueError: nobody is logged in. The terminal is not asked.
    """
    with needs_extra("logger=wandb", "wandb"):
        import wandb
    online = not offline and wandb.setup().settings.mode == "online"
    if online and not is_follower() and not wandb.login(prompt=False, verify=False):
        raise ValueError(
            "wandb_logger: offline must be true without a login to W&B; or log in (wandb login), or set WANDB_API_KEY"
        )
    return WandbLogger(
        name=name or _name(Path(folder)),
        project=project,
        save_dir=Path(folder),
        id=_number(WandbLogger, Path(folder), resume),
        offline=offline,
        entity=entity,
        group=group or (Path(folder).absolute().parent.name if _in_sweep() else None),
        tags=list(tags),
    )


def mlflow_logger(
    folder: str | os.PathLike[str],
    *,
    experiment: str = "stylelayers",
    name: str | None = None,
    tracking_uri: str | None = None,
    tags: Mapping[str, str] | None = None,
    max_retries: int = 3,
    resume: str | os.PathLike[str] | None = None,
) -> MLFlowLogger:
    """Lightning's logger for MLflow, which goes on in the MLflow run of a resumed run.

    Numbers are sent in the background, so that training does not wait for a server.

    Args:
        folder: the run's folder.
        experiment: of MLflow, made if it does not exist.
        name: of the run; None for the folder's.
        tracking_uri: address of a server or database; None for ``MLFLOW_TRACKING_URI`` or, without that,
            ``mlflow.db`` in the working directory.
        tags: of the run.
        max_retries: of a request that fails, at least 0; the waiting time doubles from 2 seconds. The environment's
            ``MLFLOW_HTTP_REQUEST_MAX_RETRIES`` comes first.
        resume: checkpoint that the run goes on from; None begins an MLflow run of its own.

    Raises:
        ModuleNotFoundError: mlflow is missing.
    """
    check_ints("mlflow_logger", 0, max_retries=max_retries)
    with needs_extra("logger=mlflow", "mlflow"):
        import mlflow  # noqa: F401
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", str(max_retries))
    return MLFlowLogger(
        experiment_name=experiment,
        run_name=name or _name(Path(folder)),
        tracking_uri=tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or _LOCAL,
        tags=dict(tags or {}),
        run_id=_number(MLFlowLogger, Path(folder), resume),
        synchronous=False,
    )


@contextmanager
def followed(loggers: Sequence[Logger], folder: Path, config: Mapping[str, Any]) -> Iterator[None]:
    """Start the loggers' runs with the configuration, note their numbers in the folder, and end them afterwards.

    Args:
        loggers: of the first process.
        folder: of the run; it exists.
        config: the whole configuration, resolved. CSV files and TensorBoard do without, beside ``config.yaml``.

    Raises:
        PreflightError: a logger does not start, for example without a network.
    """
    failed = True
    try:
        for logger in loggers:
            try:
                _begin(logger, folder, config)
            except Exception as error:
                reason = " ".join(str(error).split())
                raise PreflightError(f"{type(logger).__name__} did not start ({reason})") from error
        _note([logger for logger in loggers if isinstance(logger, (WandbLogger, MLFlowLogger))], folder)
        yield
        failed = False
    finally:
        for logger in loggers:
            _end(logger, failed)


@singledispatch
def _begin(logger: Logger, folder: Path, config: Mapping[str, Any]) -> None:
    logger.log_hyperparams(dict(config))


@_begin.register(CSVLogger)
@_begin.register(TensorBoardLogger)
def _(logger: Logger, folder: Path, config: Mapping[str, Any]) -> None:
    """Leave the configuration to the file in the folder."""


@_begin.register
def _(logger: MLFlowLogger, folder: Path, config: Mapping[str, Any]) -> None:
    """Send the parameters that MLflow lacks, for it allows no change of others, and the file, which is up to date."""
    known = logger.experiment.get_run(logger.run_id).data.params
    logger.log_hyperparams({key: value for key, value in dotted(config) if key not in known})
    logger.experiment.log_artifact(logger.run_id, str(folder / "config.yaml"))
    logger.experiment.update_run(logger.run_id, status="RUNNING")


@singledispatch
def _end(logger: Logger, failed: bool) -> None:
    """Leave other loggers to the trainer."""


@_end.register
def _(logger: WandbLogger, failed: bool) -> None:
    """End the run in this process, or the next one of a sweep would go on in it."""
    if logger._experiment is not None:
        logger.experiment.finish(exit_code=int(failed))


def _name(folder: Path) -> str:
    """The folder's name; in a sweep that of the sweep and the run's number."""
    folder = folder.absolute()
    return f"{folder.parent.name}/{folder.name}" if _in_sweep() else folder.name


def _number(kind: type[Logger], folder: Path, resume: str | os.PathLike[str] | None) -> str | None:
    """The number of the run to go on in: the folder's own or, outside of a sweep, that of the checkpoint's folder."""
    if resume is None:
        return None
    stays = str(resume) == "auto" or (folder / _NUMBERS).is_file() or _in_sweep()
    return _numbers((folder if stays else Path(resume).absolute().parent.parent) / _NUMBERS).get(kind.__name__)


def _note(loggers: Sequence[Logger], folder: Path) -> None:
    if loggers:
        numbers = {**_numbers(folder / _NUMBERS), **{type(logger).__name__: logger.version for logger in loggers}}
        with whole_file(folder / _NUMBERS) as unfinished:
            unfinished.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")


def _numbers(file: Path) -> dict[str, str]:
    """The numbers in a file, by the loggers' classes; none if there is none that can be read."""
    try:
        numbers: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return numbers


def _in_sweep() -> bool:
    return HydraConfig.initialized() and is_sweep()
