"""Build the trainer, the model and the data of a configuration, and fit."""

import logging
import sys
import warnings
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

from hydra.utils import instantiate
from lightning import Trainer, seed_everything
from omegaconf import DictConfig, OmegaConf

from ...data import ImageDataModule
from ...data.options import AUTO
from ..gan import GAN
from .changes import changed_settings
from .ending import limit_reached
from .folders import claimed, is_follower
from .loggers import followed
from .resuming import check_resumable, find_checkpoint
from .trainer_arguments import check_trainer_arguments
from .transfer import initialize
from .values import check_values

_IRRELEVANT_WARNINGS = (
    *("many workers", "number of training batches", "treespec", "in eval mode", "exists and is not empty"),
    "callbacks used to create the checkpoint need to be provided",  # settings are the configuration's
    "your dataloader is not resumable",  # the order of images goes on from the checkpoint
)


def build(cfg: DictConfig) -> tuple[Trainer, GAN, ImageDataModule]:
    """Build the trainer, the model and the data of a configuration; nothing is trained or written.

    `cfg` gets the data's number of labels as ``num_labels`` of the networks, and the checkpoint's path as ``resume``.

    Raises:
        ValueError, TypeError, HydraException, OmegaConfBaseException: a configuration that cannot be trained.
    """
    _quieten_lightning()
    check_trainer_arguments(cfg.trainer)
    networks = _follow_data(cfg)
    check_values(cfg)
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = instantiate(cfg.data, _convert_="all")
    for network in networks:
        network.image_channels = data.image_channels
    cfg.model.generator.num_labels = cfg.model.discriminator.num_labels = data.num_labels
    model = _build_model(cfg, data)
    members = {group: _build_members(cfg, group) for group in ("callbacks", "logger")}
    trainer: Trainer = instantiate(cfg.trainer, **members, _convert_="all")
    return trainer, model, data


def train(cfg: DictConfig) -> dict[str, float]:
    """Build everything that `cfg` names, fit, and return the last value of each metric.

    Raises:
        ValueError, TypeError, HydraException, OmegaConfBaseException: a configuration that cannot be trained.
    """
    return fit(cfg, *build(cfg))


def fit(cfg: DictConfig, trainer: Trainer, model: GAN, data: ImageDataModule) -> dict[str, float]:
    """Train what `build` made and return the last value of each metric; empty if a limit is reached already.

    The run's folder and its loggers get the composed configuration before training starts.
    """
    checkpoint = None if cfg.resume == "auto" else cfg.resume
    reached = limit_reached(trainer, checkpoint)
    if reached is not None:
        print(reached)
        return {}
    if trainer.is_global_zero and checkpoint is not None:
        for line in changed_settings(cfg, Path(checkpoint)):
            print(_printable(line))
    with ExitStack() as around:
        if trainer.is_global_zero:
            folder, config = Path(cfg.output), cast(dict[str, Any], OmegaConf.to_container(cfg, resolve=True))
            around.enter_context(claimed(folder, OmegaConf.to_yaml(cfg, resolve=True), resume=cfg.resume))
            around.enter_context(followed(trainer.loggers, folder, config))
        trainer.fit(model, datamodule=data, ckpt_path=checkpoint)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _build_model(cfg: DictConfig, data: ImageDataModule) -> GAN:
    """The model, with the networks of ``initialize_from``; compared with the checkpoint that it will go on from."""
    checkpoint = None if cfg.resume is None else find_checkpoint(cfg.resume, cfg.output)
    model: GAN = instantiate(cfg.model, _convert_="all")
    if checkpoint is None and cfg.initialize_from is not None:
        initialize(
            model,
            cfg.initialize_from,
            strict=cfg.initialize_strict,
            class_names=data.class_names,
            label_kind=data.label_kind,
        )
    model.name_classes(data.class_names, data.label_kind)
    if checkpoint is not None:
        check_resumable(checkpoint, model)
        cfg.resume = str(checkpoint)
    elif cfg.resume is not None and not is_follower():
        print(f"resume=auto: {cfg.output} holds no checkpoint yet, a new run begins there")
    return model


def _follow_data(cfg: DictConfig) -> list[DictConfig]:
    """The networks whose channels are as many as the images turn out to have; any number stands there until then."""
    networks = [cfg.model.generator, cfg.model.discriminator]
    followers = [network for network in networks if network.get("image_channels") == AUTO]
    for network in followers:
        network.image_channels = 3
    return followers


def _build_members(cfg: DictConfig, group: str) -> list[Any]:
    """The objects of a group, without members that are null."""
    members = instantiate(cfg.get(group) or {}, _convert_="all").values()
    return [member for member in members if member is not None]


def _quieten_lightning() -> None:
    """Leave out remarks that do not concern GAN training on data in memory."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for remark in _IRRELEVANT_WARNINGS:
        warnings.filterwarnings("ignore", f"(?s).*{remark}.*")


def _printable(text: str) -> str:
    """With ``?`` for characters that the encoding of the output lacks."""
    encoding = sys.stdout.encoding or "utf-8"
    return text.encode(encoding, errors="replace").decode(encoding)
