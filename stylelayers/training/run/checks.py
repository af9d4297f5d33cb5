"""Checks that the parts of a run fit together, once they are built and before anything is trained or written."""

import math

from lightning import Trainer
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies import DDPStrategy

from ...data import ImageDataModule
from ..callbacks import Schedules
from ..gan import GAN
from ..precision import HALF, vanishing_eps
from .logged import check_choices, check_direction, check_name, logged_names
from .program import program_name


def check_run(
    trainer: Trainer,
    model: GAN,
    data: ImageDataModule,
    *,
    multirun: bool,
    precision: str | int | None = None,
) -> None:
    """Raise a ValueError that names the key for parts that do not fit together.

    Args:
        trainer, model, data: the parts of a run.
        multirun: whether Hydra trains several configurations in this process, one after the other.
        precision: as configured, since a trainer on CPUs turns ``16-mixed`` into ``bf16-mixed``; None for the
            trainer's.
    """
    _check_images(model, data)
    _check_parts(model, data)
    _check_groups(model, data)
    _check_penalties(model)
    _check_schedules(trainer, model)
    _check_precision(trainer, model, str(trainer.precision if precision is None else precision))
    _check_processes(trainer, multirun)
    _check_limits(trainer, data)
    check_choices(trainer, model, data)


def check_optimized_metric(
    metric: str | None,
    trainer: Trainer,
    model: GAN | None = None,
    data: ImageDataModule | None = None,
    *,
    direction: str = "",
) -> None:
    """Raise a ValueError for an ``optimized_metric`` that is not measured or, with model and data, not logged.

    A sweep's `direction`, ``"minimize"`` or ``"maximize"``, must be that of better quality.
    """
    if metric is not None:
        if direction:
            check_direction("hydra.sweeper.direction", "optimized_metric", metric, direction)
        known = {metric} if model is None or data is None else logged_names(trainer, model, data)
        check_name("optimized_metric", metric, trainer, known)


def _check_images(model: GAN, data: ImageDataModule) -> None:
    networks = model.generator
    for key, argument, ours, theirs in (
        ("data.resolution", "resolution", tuple(data.resolution), tuple(networks.resolution)),
        ("data.image_channels", "image_channels", data.image_channels, networks.image_channels),
        ("data.labels", "num_labels", data.num_labels, networks.num_labels),
    ):
        if ours != theirs:
            gives = f"vectors of {ours}" if data.label_kind == "vectors" else f"{ours} classes"
            what = f"{key} gives {gives}" if key == "data.labels" else f"{key} is {ours}"
            raise ValueError(
                f"{what}, but the networks are made for {theirs}; change it, or set model.generator.{argument} and "
                f"model.discriminator.{argument} alike"
            )


def _check_parts(model: GAN, data: ImageDataModule) -> None:
    if data.batch_size % model.micro_batches:
        raise ValueError(
            f"model.micro_batches must divide data.batch_size={data.batch_size} into equal parts, got "
            f"{model.micro_batches}"
        )


def _check_groups(model: GAN, data: ImageDataModule) -> None:
    """Check the groups of the minibatch standard deviation, which is constant for a group of one image."""
    if not model.discriminator.mbstd_num_channels:
        return
    parts = model.micro_batches
    for key, images in (
        ("data.batch_size" + (f" / model.micro_batches={parts}" if parts > 1 else ""), data.batch_size // parts),
        ("model.discriminator.mbstd_group_size", model.discriminator.mbstd_group_size),
    ):
        if images < 2:
            raise ValueError(
                f"{key} must be at least 2 images for the discriminator's group statistics, which compare images and "
                f"are constant with {images}; raise it, or do without them: model.discriminator.mbstd_num_channels=0"
            )
    _check_groups_of_a_class(model, data)


def _check_groups_of_a_class(model: GAN, data: ImageDataModule) -> None:
    """A group of one class has no effect unless the discriminator compares its images, and no others, in one call."""
    images, size, parts = data.images_per_class, model.discriminator.mbstd_group_size, model.micro_batches
    if images > 1 and parts > 1:
        raise ValueError(
            f"data.images_per_class must be 1 with model.micro_batches={parts}, whose parts cut groups, got {images}"
        )
    if images > 1 and images % size:
        raise ValueError(
            f"data.images_per_class must be a multiple of model.discriminator.mbstd_group_size={size}, or its groups "
            f"mix classes, got {images}"
        )


def _check_penalties(model: GAN) -> None:
    loss = model.loss
    penalties = [term.name for step in loss.steps if step.network == "discriminator" for term in step.penalties]
    if loss.adversarial == "wasserstein" and set(penalties) <= {"mismatch"}:
        raise ValueError(
            "loss.adversarial=wasserstein needs a penalty, without which the discriminator grows without bound; set "
            "loss.gradient_penalty_weight=10, or loss.r1_gamma"
        )
    if loss.has("gradient_penalty_weight") and (loss.has("r1_gamma") or loss.has("r2_gamma")):
        raise ValueError(
            "loss.gradient_penalty_weight wants gradients of norm 1, and loss.r1_gamma and loss.r2_gamma want them to "
            "be 0; set loss.r1_gamma=0 loss.r2_gamma=0, or loss.gradient_penalty_weight=0"
        )
    if loss.has("mismatch_weight") and not model.discriminator.num_labels:
        raise ValueError(
            "loss.mismatch_weight compares labels, and training has none; set data.labels, or loss.mismatch_weight=0"
        )


def _check_schedules(trainer: Trainer, model: GAN) -> None:
    for callback in getattr(trainer, "callbacks", []):
        if isinstance(callback, Schedules):
            callback.check(model)


def _check_precision(trainer: Trainer, model: GAN, precision: str) -> None:
    if precision.startswith("16") and isinstance(trainer.accelerator, CPUAccelerator):
        raise ValueError(
            f"trainer.precision={precision} needs a GPU, and training is on CPUs; use trainer.precision=bf16-mixed or "
            f"32-true"
        )
    if precision in HALF and model.loss.r1_form == "finite_difference":
        raise ValueError(
            f"loss.r1_form=finite_difference needs logits in float32, and trainer.precision={precision} rounds them; "
            f"use loss.r1_form=exact, or trainer.precision={precision.replace('true', 'mixed')}"
        )
    eps = precision in HALF and vanishing_eps(model.configure_optimizers(), HALF[precision])
    if eps:
        raise ValueError(
            f"trainer.precision={precision} rounds the eps of {eps:g}, which gradients are divided by, to 0; "
            f"set model.generator_optimizer.eps and model.discriminator_optimizer.eps to 1e-4, or use 16-mixed"
        )


def _check_processes(trainer: Trainer, multirun: bool) -> None:
    """Every process must hold the whole model; Lightning would start a sweep's processes with the sweep's command."""
    if trainer.world_size > 1 and type(trainer.strategy) is not DDPStrategy:
        raise ValueError(
            f"trainer.strategy must be auto or one of the ddp strategies, whose processes all hold the whole networks, "
            f"got {type(trainer.strategy).__name__}"
        )
    if getattr(trainer.strategy, "_start_method", None) in ("spawn", "forkserver"):
        raise ValueError(
            f"trainer.strategy: ddp_spawn would hand the whole run to its processes as a pickle, which data, callbacks "
            f"and loggers need not survive; use auto or ddp, which start {program_name()} in each of them"
        )
    environment = getattr(trainer.strategy.launcher, "cluster_environment", None)
    if multirun and trainer.world_size > 1 and environment and not environment.creates_processes_externally:
        raise ValueError(
            f"trainer.devices: {trainer.world_size} processes cannot be started for each run of a sweep (-m), since "
            f"each of them would train the sweep; use trainer.devices=1, torchrun, or single runs"
        )


def _check_limits(trainer: Trainer, data: ImageDataModule) -> None:
    """A limit of 0 is a limit that is reached; a fraction must be at least one batch."""
    batches, limit = len(data.train_dataloader()), getattr(trainer, "limit_train_batches", 1.0)
    if isinstance(limit, float) and 0 < limit * batches < 1:
        raise ValueError(
            f"trainer.limit_train_batches={limit:g} of {batches} batches is less than one; set a number of batches, or "
            f"at least {math.ceil(1000 / batches) / 1000:g}"
        )
