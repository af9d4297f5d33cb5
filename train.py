"""Train a GAN from a Hydra configuration: ``python train.py --help``."""

from __future__ import annotations

import logging
import math
import os
import re
import shlex
import sys
import warnings
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from hydra.utils import instantiate
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import Timer
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from stylelayers.training import GAN, ImageDataModule, StopOnSignal
from stylelayers.training.checks import check_objective, check_run
from stylelayers.training.errors import CONFIGURATION_ERRORS, PreflightError, explain, keys_of
from stylelayers.training.guard import DivergedError
from stylelayers.training.resuming import check_resumable, find_checkpoint
from stylelayers.training.values import check_values

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
    check_values(cfg)
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = instantiate(cfg.data, _convert_="all")
    cfg.model.generator.num_labels = cfg.model.discriminator.num_labels = data.num_labels
    model = instantiate(cfg.model, _convert_="all")
    if cfg.resume is not None:
        checkpoint = find_checkpoint(cfg.resume, cfg.output)
        cfg.resume = None if checkpoint is None else str(checkpoint)
    if cfg.resume is not None:
        check_resumable(cfg.resume, model)
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
    output = Path(cfg.output)
    if trainer.is_global_zero:
        output.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(cfg, output / "config.yaml", resolve=True)
        _keep_earlier_metrics(output / "metrics.csv")
    trainer.fit(model, datamodule=data, ckpt_path=cfg.resume)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def run(cfg: DictConfig) -> dict[str, float] | float:
    """One run as Hydra starts it; says at its end where everything is, also if it ended before its time.

    Returns:
        The metrics, or the one that `cfg.objective` names, which a sweep minimises.
    """
    precision, multirun = cfg.trainer.precision, HydraConfig.get().mode == RunMode.MULTIRUN
    try:
        parts = build(cfg)
        check_run(*parts, multirun=multirun, precision=precision)
        check_objective(cfg.objective, parts[0])
    except CONFIGURATION_ERRORS as error:
        sys.exit(f"train.py: {explain(error)}")
    closing = closing_lines(cfg, HydraConfig.get().overrides.task)
    try:
        metrics = fit(cfg, *parts)
    except (PreflightError, DivergedError, OSError) as error:
        if isinstance(error, DivergedError) and multirun and cfg.objective is not None:
            return _worst(error)
        sys.exit(f"train.py: {explain(error)}" + _where_to_resume(cfg, closing))
    except Exception:
        print(_where_to_resume(cfg, closing).lstrip(), file=sys.stderr)
        raise
    if parts[0].is_global_zero:  # the others, as they would be killed for an error, end without
        print(closing)
        _exit_if_interrupted(parts[0])
    return metrics if cfg.objective is None else metrics.get(cfg.objective, math.inf)


def _worst(error: DivergedError) -> float:
    """The value of a sweep's run that diverged; the sweep goes on."""
    print(f"train.py: {explain(error)}; the run counts as infinitely bad", file=sys.stderr)
    return math.inf


def closing_lines(cfg: DictConfig, overrides: list[str]) -> str:
    """Where pictures, generator and checkpoint are, and the command that goes on for as long again."""
    output = Path(os.path.relpath(cfg.output))
    changed = {"resume": _quoted(output / "checkpoints" / "last.ckpt"), **_doubled_limits(cfg)}
    kept = [override for override in overrides if override.lstrip("+").partition("=")[0] not in changed]
    kept += [f"{key}={value}" for key, value in changed.items()]
    return (
        f"pictures:   {output / 'samples'} (the last: last.png)\n"
        f"generator:  {output / 'generator.safetensors'}\n"
        f"checkpoint: {output / 'checkpoints' / 'last.ckpt'}; to resume: {shlex.join(['python', 'train.py', *kept])}"
    )


def _where_to_resume(cfg: DictConfig, closing: str) -> str:
    """The last closing line, if there is a checkpoint to go on from."""
    checkpoint = Path(cfg.output) / "checkpoints" / "last.ckpt"
    return "\n" + closing.splitlines()[-1] if checkpoint.is_file() else ""


def _exit_if_interrupted(trainer: Trainer) -> None:
    """With the exit code that shells give to a process that a signal ended."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, StopOnSignal) and callback.received is not None:
            sys.exit(128 + callback.received)


def _doubled_limits(cfg: DictConfig) -> dict[str, str]:
    """Twice each limit of training that is set."""
    limits = {}
    for key in ("trainer.max_epochs", "trainer.max_steps", "callbacks.stop.max_images"):
        limit = OmegaConf.select(cfg, key)
        if limit is not None and limit > 0:
            limits[key] = str(2 * limit)
    if cfg.trainer.max_time is not None:
        seconds = 2 * int(Timer(duration=cfg.trainer.max_time).time_remaining() or 0)
        days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
        limits["trainer.max_time"] = f"{days:02d}:{hours:02d}:{minutes:02d}:{seconds % 60:02d}"
    return limits


def _keep_earlier_metrics(path: Path) -> None:
    """Put a resumed run's metrics aside, which the logger would replace."""
    if path.exists():
        parts = len(list(path.parent.glob("metrics.*.csv")))
        path.rename(path.with_suffix(f".{parts}.csv"))


def _quoted(path: Path) -> str:
    """The path as Hydra's grammar wants it: quoted if it holds what the grammar gives a meaning."""
    text = str(path)
    return text if re.fullmatch(r"[\w./-]+", text) else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quieten() -> None:
    """Leave out Lightning's remarks that do not concern GAN training on small in-memory data."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for remark in ("many workers", "number of training batches", "treespec", "in eval mode", "exists and is not empty"):
        warnings.filterwarnings("ignore", f".*{remark}.*")


def _is_follower() -> bool:
    """Whether torchrun, SLURM or the user started this process beside a first one, which writes all the files."""
    return any(int(os.environ.get(name, 0)) > 0 for name in ("RANK", "SLURM_PROCID", "NODE_RANK"))


def main() -> None:
    """Run Hydra, and turn what it refuses into one line."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    if _is_follower() and not any(argument.startswith("hydra.run.dir=") for argument in sys.argv):
        sys.argv += ["hydra.run.dir=.", "hydra.output_subdir=null"]  # a dated folder would be one of its own
    try:
        run()
    except (HydraException, OmegaConfBaseException) as error:
        with hydra.initialize_config_dir(CONFIGS, version_base="1.3"):
            known = list(keys_of(hydra.compose("train")))
        sys.exit(f"train.py: {explain(error, known)}")


if __name__ == "__main__":
    main()
