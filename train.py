"""Train a GAN from a Hydra configuration: ``python train.py --help``."""

from __future__ import annotations

import logging
import os
import shlex
import sys
import warnings
from datetime import timedelta
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import Timer
from omegaconf import DictConfig, OmegaConf

from stylelayers.training.errors import CONFIGURATION_ERRORS, explain, keys_of

CONFIGS = str(Path(__file__).parent / "configs")


def train(cfg: DictConfig) -> dict[str, float]:
    """Build everything that `cfg` names, fit, and return the last value of each metric.

    Raises:
        ValueError, TypeError, HydraException, OmegaConfBaseException: a configuration that cannot be trained.
    """
    trainer, model, data = build(cfg)
    OmegaConf.save(cfg, Path(cfg.output) / "config.yaml", resolve=True)
    trainer.fit(model, datamodule=data, ckpt_path=cfg.resume)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def build(cfg: DictConfig) -> tuple:
    """The trainer, the model and the data of a configuration; nothing is trained or written."""
    _quieten()
    if cfg.resume is not None and not Path(cfg.resume).is_file():
        raise ValueError(f"resume must name a checkpoint such as runs/<name>/checkpoints/last.ckpt, got {cfg.resume}")
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = instantiate(cfg.data, _convert_="all")
    cfg.model.generator.num_labels = cfg.model.discriminator.num_labels = data.num_labels
    model = instantiate(cfg.model, _convert_="all")
    trainer: Trainer = instantiate(
        cfg.trainer,
        callbacks=list(instantiate(cfg.callbacks, _convert_="all").values()),
        logger=list(instantiate(cfg.logger, _convert_="all").values()),
        _convert_="all",
    )
    return trainer, model, data


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def run(cfg: DictConfig) -> dict[str, float]:
    """One run as Hydra starts it; says at its end where everything is."""
    try:
        metrics = train(cfg)
    except CONFIGURATION_ERRORS as error:
        sys.exit(f"train.py: {explain(error)}")
    if int(os.environ.get("LOCAL_RANK", 0)) == 0:
        print(closing_lines(cfg, HydraConfig.get().overrides.task))
    return metrics


def closing_lines(cfg: DictConfig, overrides: list[str]) -> str:
    """Where pictures, generator and checkpoint are, and the command that goes on for as long again."""
    output = Path(os.path.relpath(cfg.output))
    kept = [o for o in overrides if not o.startswith(("resume=", "trainer.max_time=", "callbacks.stop.max_images="))]
    kept.append(f"resume={output / 'checkpoints' / 'last.ckpt'}")
    if cfg.trainer.max_time is not None:
        kept.append(f"trainer.max_time={_doubled(cfg.trainer.max_time)}")
    if cfg.callbacks.stop.max_images is not None:
        kept.append(f"callbacks.stop.max_images={2 * cfg.callbacks.stop.max_images}")
    return (
        f"pictures:   {output / 'samples'} (the last: last.png)\n"
        f"generator:  {output / 'generator.safetensors'}\n"
        f"checkpoint: {output / 'checkpoints' / 'last.ckpt'}; to resume: {shlex.join(['python', 'train.py', *kept])}"
    )


def _doubled(max_time: str) -> str:
    seconds = 2 * Timer(duration=max_time).time_remaining() if isinstance(max_time, str) else 0
    days, rest = divmod(timedelta(seconds=seconds), timedelta(days=1))
    return f"{days:02d}:{rest.seconds // 3600:02d}:{rest.seconds // 60 % 60:02d}:{rest.seconds % 60:02d}"


def _quieten() -> None:
    """Leave out Lightning's remarks that do not concern GAN training on small in-memory data."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for text in (".*does not have many workers.*", ".*number of training batches.*", ".*isinstance.treespec.*"):
        warnings.filterwarnings("ignore", text)


def main() -> None:
    """Run Hydra, and turn what it refuses into one line."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    try:
        run()
    except CONFIGURATION_ERRORS as error:
        with hydra.initialize_config_dir(CONFIGS, version_base="1.3"):
            known = list(keys_of(hydra.compose("train")))
        sys.exit(f"train.py: {explain(error, known)}")


if __name__ == "__main__":
    main()
