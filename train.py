"""Train a GAN from a Hydra configuration: ``python train.py --help``."""

from __future__ import annotations

import logging
import math
import os
import signal
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NoReturn, cast

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from hydra.utils import instantiate
from lightning import Trainer, seed_everything
from omegaconf import DictConfig, OmegaConf
from torch.multiprocessing import ProcessRaisedException

from stylelayers.data import ImageDataModule
from stylelayers.training import GAN, StopOnSignal
from stylelayers.training.guard import DivergedError
from stylelayers.training.run.changes import changed_settings
from stylelayers.training.run.checks import check_objective, check_run
from stylelayers.training.run.command_line import at_home, one_line, refusal
from stylelayers.training.run.ending import closing_lines, limit_reached, only_of_files
from stylelayers.training.run.errors import CONFIGURATION_ERRORS, PreflightError, explain, explain_process
from stylelayers.training.run.folders import TakenError, claimed, discard, discard_made, is_follower
from stylelayers.training.run.resuming import check_resumable, find_checkpoint
from stylelayers.training.run.trainer_arguments import check_trainer_arguments
from stylelayers.training.run.transfer import initialize
from stylelayers.training.run.values import check_values

CONFIGS = str(Path(__file__).parent / "configs")


def train(cfg: DictConfig) -> dict[str, float]:
    """Build everything that `cfg` names, fit, and return the last value of each metric.

    Raises:
        ValueError, TypeError, HydraException, OmegaConfBaseException: a configuration that cannot be trained.
    """
    return fit(cfg, *build(cfg))


def build(cfg: DictConfig) -> tuple[Trainer, GAN, ImageDataModule]:
    """The trainer, the model and the data of a configuration; nothing is trained or written."""
    _quieten()
    check_trainer_arguments(cfg.trainer)
    check_values(cfg)
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = instantiate(cfg.data, _convert_="all")
    cfg.model.generator.num_labels = cfg.model.discriminator.num_labels = data.num_labels
    checkpoint = None if cfg.resume is None else find_checkpoint(cfg.resume, cfg.output)
    model = instantiate(cfg.model, _convert_="all")
    if checkpoint is None and cfg.initialize_from is not None:
        initialize(model, cfg.initialize_from, strict=cfg.initialize_strict, class_names=data.class_names)
    model.name_classes(data.class_names)
    if checkpoint is not None:
        check_resumable(checkpoint, model)
        cfg.resume = str(checkpoint)
    elif cfg.resume is not None and not is_follower():
        print(f"resume=auto: {cfg.output} holds no checkpoint yet, a new run begins there")
    trainer: Trainer = instantiate(
        cfg.trainer,
        callbacks=_made(cfg, "callbacks"),
        logger=_made(cfg, "logger"),
        _convert_="all",
    )
    return trainer, model, data


def _made(cfg: DictConfig, group: str) -> list[Any]:
    """What the members of a group make; none of those that are null."""
    return [made for made in instantiate(cfg.get(group) or {}, _convert_="all").values() if made is not None]


def fit(cfg: DictConfig, trainer: Trainer, model: GAN, data: ImageDataModule) -> dict[str, float]:
    """Train what `build` made; the run's folder gets the composed configuration first."""
    checkpoint = None if cfg.resume == "auto" else cfg.resume
    reached = limit_reached(trainer, checkpoint)
    if reached is not None:
        print(reached)
        return {}
    if trainer.is_global_zero and checkpoint is not None:
        for line in changed_settings(cfg, Path(checkpoint)):
            print(_printable(line))
    folder = claimed(Path(cfg.output), OmegaConf.to_yaml(cfg, resolve=True), resume=cfg.resume)
    with folder if trainer.is_global_zero else nullcontext():
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def run(cfg: DictConfig) -> dict[str, float] | float:
    """One run as Hydra starts it; says at its end where everything is, also if it ended before its time.

    Returns:
        The metrics, or the one that `cfg.objective` names, which a sweep minimises.
    """
    precision, multirun = cfg.trainer.precision, HydraConfig.get().mode == RunMode.MULTIRUN
    direction = _direction()
    folder = None if is_follower() else Path(HydraConfig.get().runtime.output_dir)
    try:
        parts = build(cfg)
        check_run(*parts, multirun=multirun, precision=precision)
        check_objective(cfg.objective, *parts, direction=direction)
    except CONFIGURATION_ERRORS as error:
        _end(f"train.py: {explain(error)}", folder)
    closing = closing_lines(cfg, HydraConfig.get().overrides.task)
    try:
        metrics = fit(cfg, *parts)
    except (TakenError, PreflightError) as error:
        _end(f"train.py: {explain(error)}", folder)
    except (DivergedError, OSError) as error:
        if isinstance(error, DivergedError) and multirun and cfg.objective is not None:
            return _worst(error, direction)
        sys.exit(f"train.py: {explain(error)}" + _where_to_resume(cfg, closing))
    except ProcessRaisedException as error:  # of a strategy that forks
        sys.exit(f"train.py: {explain_process(error)}" + _where_to_resume(cfg, closing))
    except (SystemExit, KeyboardInterrupt):  # Lightning's, after a second Ctrl-C, or such a one at the very end
        print(_where_to_resume(cfg, closing).lstrip(), file=sys.stderr)
        sys.exit(128 + (_signal(parts[0]) or signal.SIGINT))
    except Exception:
        print(_where_to_resume(cfg, closing).lstrip(), file=sys.stderr)
        _exit_if_interrupted(parts[0])  # the signal ended a compiler too, say, and that is the error
        raise
    if parts[0].is_global_zero:  # the others, as they would be killed for an error, end without
        print(only_of_files(closing, cfg.output))
        _exit_if_interrupted(parts[0])
    if not metrics and folder is not None:
        discard(folder)
    return metrics if cfg.objective is None else metrics.get(cfg.objective, math.inf)


def _end(line: str, folder: Path | None) -> NoReturn:
    """Of a run that is refused: nothing is left of it."""
    if folder is not None:
        discard(folder)
    sys.exit(line)


def _direction() -> str:
    """Of a sweep by Optuna: ``minimize`` or ``maximize``."""
    direction = OmegaConf.select(cast(Any, HydraConfig.get()), "sweeper.direction")
    name = getattr(direction, "name", direction)
    return name if isinstance(name, str) else ""


def _worst(error: DivergedError, direction: str) -> float:
    """The value of a sweep's run that diverged; the sweep goes on."""
    print(f"train.py: {explain(error)}; the run counts as infinitely bad", file=sys.stderr)
    return -math.inf if direction == "maximize" else math.inf


def _where_to_resume(cfg: DictConfig, closing: str) -> str:
    """The last closing line, if there is a checkpoint to go on from."""
    checkpoint = Path(cfg.output) / "checkpoints" / "last.ckpt"
    return "\n" + closing.splitlines()[-1] if checkpoint.is_file() else ""


def _exit_if_interrupted(trainer: Trainer) -> None:
    """With the exit code that shells give to a process that a signal ended."""
    if number := _signal(trainer):
        sys.exit(128 + number)


def _signal(trainer: Trainer) -> int | None:
    """The signal that ended training."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    return next((callback.received for callback in callbacks if isinstance(callback, StopOnSignal)), None)


def _printable(text: str) -> str:
    """With ``?`` for what the terminal's or the file's encoding does not have."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)


def _quieten() -> None:
    """Leave out Lightning's remarks that do not concern GAN training on small in-memory data."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for remark in (
        *("many workers", "number of training batches", "treespec", "in eval mode", "exists and is not empty"),
        "callbacks used to create the checkpoint need to be provided",  # settings are the configuration's
        "your dataloader is not resumable",  # the order of images goes on where it was
    ):
        warnings.filterwarnings("ignore", f"(?s).*{remark}.*")


def main() -> None:
    """Run Hydra, and turn what it refuses into one line."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    warnings.formatwarning = one_line
    sys.argv[1:] = at_home(sys.argv[1:])
    if is_follower() and not any(argument.startswith("hydra.run.dir=") for argument in sys.argv):
        sys.argv += ["hydra.run.dir=.", "hydra.output_subdir=null"]  # a dated folder would be one of its own
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except Exception as error:
        line = refusal(error, sys.argv[1:], CONFIGS)
        if line is None:
            raise
        discard_made()
        sys.exit(f"train.py: {line}")


if __name__ == "__main__":
    main()
