"""The LightningModule: one training step of a GAN with two optimisers and lazy penalties."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from ..models import Discriminator, Generator
from .averaging import AveragedGenerator
from .guard import NonFiniteGuard
from .network_calls import NetworkCalls
from .objective import StyleGAN2Objective
from .random_state import random_states, set_random_state
from .steps import Loss, Part, Penalty, accumulate, due_steps, lazy_intervals, split

__all__ = ["GAN", "lazy_optimizer"]

DIVERSITY_INTERVAL = 10  # iterations
OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]


class GAN(LightningModule):
    """Trains a generator against a discriminator, by manual optimisation.

    One iteration is a generator step and a discriminator step on the same generated images, without their graph. Now
    and then each is followed by a step of penalties, multiplied by their interval, for which the optimiser's learning
    rate and betas are corrected (arXiv:1912.04958, appendix B); see :class:`StyleGAN2Objective`.

    Args:
        generator, discriminator: the networks; they must agree on resolution, channels and labels.
        loss: the objective.
        generator_optimizer, discriminator_optimizer: make an optimiser from parameters; a ``functools.partial``
            with ``lr`` where a penalty is on.
        average_half_life, average_rampup: of the averaged generator, in images; see :class:`AveragedGenerator`.
        compile: compile the networks' calls, both penalties included; see :class:`NetworkCalls`.
        max_skipped_steps: steps in a row with gradients that are not finite, after which training stops.

    Attributes:
        images_seen: real images that training has used, over all ranks; in the checkpoint.
        iterations: iterations done; in the checkpoint.
        guard: counts the steps that were skipped because of gradients that were not finite; in the checkpoint.
        average: the averaged generator is ``average.module``.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        loss: StyleGAN2Objective,
        generator_optimizer: OptimizerFactory,
        discriminator_optimizer: OptimizerFactory,
        *,
        average_half_life: float = 10_000,
        average_rampup: float | None = 0.05,
        compile: bool = False,
        max_skipped_steps: int = 20,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        _check_agreement(generator, discriminator)
        self.generator, self.discriminator, self.loss = generator, discriminator, loss
        self.generator_optimizer = lazy_optimizer(generator_optimizer, _mean_interval(loss.generator_penalties))
        self.discriminator_optimizer = lazy_optimizer(
            discriminator_optimizer, _mean_interval(loss.discriminator_penalties)
        )
        self.configure_optimizers()  # a wrong argument of an optimiser shows here rather than when training starts
        self.average = AveragedGenerator(generator, half_life=average_half_life, rampup=average_rampup)
        self.compiles = compile
        self.guard = NonFiniteGuard(max_skipped_steps)
        self.images_seen = 0
        self.iterations = 0
        self._latest: dict[str, Tensor] = {}
        self._random_states: list[dict[str, Any]] = []

    def configure_optimizers(self) -> list[Optimizer]:
        return [
            self.generator_optimizer(self.generator.parameters()),
            self.discriminator_optimizer(self.discriminator.parameters()),
        ]

    def on_fit_start(self) -> None:
        if self.compiles:
            self.loss.calls = NetworkCalls(compile_for=self.device)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        images, labels = batch
        self.iterate(images, labels, cast(list[Any], self.optimizers()), self.manual_backward)
        self.iterations += 1
        self.images_seen += len(images) * self.trainer.world_size
        self.average.update(self.generator, len(images) * self.trainer.world_size, self.images_seen)
        self.log_dict({**self._latest, "progress/images": float(self.images_seen)})

    def iterate(
        self, images: Tensor, labels: Tensor, optimizers: list[Any], backward: Callable[[Tensor], object]
    ) -> None:
        """The steps that are due at ``self.iterations``; counters, average and log are left to the caller."""
        parts = split(images, labels if self.generator.num_labels else None, 1)
        generator_step, discriminator_step = (
            partial(self._step, optimizer, backward, parts) for optimizer in optimizers
        )
        with _only(self.generator, self.discriminator):
            for losses in due_steps(self.loss.generator_loss, self.loss.generator_penalties, self.iterations):
                generator_step(losses)
        with _only(self.discriminator, self.generator):
            for losses in due_steps(self.loss.discriminator_loss, self.loss.discriminator_penalties, self.iterations):
                discriminator_step(losses)
        if self.iterations % DIVERSITY_INTERVAL == 0:
            fakes = torch.cat([cast(Tensor, part.fakes) for part in parts])
            self._latest["samples/diversity"] = _spread(fakes) / _spread(images).clamp(min=1e-8)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["images_seen"], checkpoint["iterations"] = self.images_seen, self.iterations
        checkpoint["skipped_steps"], checkpoint["random_states"] = self.guard.skipped, random_states()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.images_seen, self.iterations = checkpoint["images_seen"], checkpoint["iterations"]
        self.guard.skipped = checkpoint.get("skipped_steps", 0)  # absent from files of earlier versions
        self._random_states = checkpoint.get("random_states", [])

    def on_train_start(self) -> None:
        if self.global_rank < len(self._random_states):
            set_random_state(self._random_states[self.global_rank])
        self._random_states = []

    def _step(
        self, optimizer: Any, backward: Callable[[Tensor], object], parts: Sequence[Part], losses: Sequence[Loss]
    ) -> None:
        """One step of an optimiser; what is logged of a penalty is that of its latest step."""
        optimizer.zero_grad()
        loss, logged = accumulate(losses, self.generator, self.discriminator, parts, backward)
        self._latest.update(logged)
        if self._scales_gradients() or self.guard.allows(optimizer, loss, names=self):
            optimizer.step()

    def _scales_gradients(self) -> bool:
        """Whether a float16 gradient scaler looks for what is not finite, and needs to see it."""
        return self._trainer is not None and getattr(self.trainer.precision_plugin, "scaler", None) is not None


class _only:
    """Gradients go to `trained`; `frozen` passes them on but keeps none. Both are thawed at the end."""

    def __init__(self, trained: nn.Module, frozen: nn.Module) -> None:
        self.trained, self.frozen = trained, frozen

    def __enter__(self) -> None:
        self.trained.requires_grad_(True)
        self.frozen.requires_grad_(False)

    def __exit__(self, *_: object) -> None:
        self.frozen.requires_grad_(True)


def lazy_optimizer(optimizer: OptimizerFactory, interval: float | None) -> OptimizerFactory:
    """Correct a partial optimiser for one penalty step in every `interval` iterations.

    With ``c = interval / (interval + 1)`` the learning rate becomes ``lr * c`` and each beta ``beta ** c``, so that
    the further steps change neither the speed nor the memory of the optimiser (arXiv:1912.04958, appendix B).

    Raises:
        ValueError: an interval for an optimiser that is no partial with ``lr``.
    """
    settings = getattr(optimizer, "keywords", {})
    changed: dict[str, Any] = {}
    if "betas" in settings:
        changed["betas"] = tuple(float(beta) for beta in settings["betas"])
    if interval is not None:
        if "lr" not in settings:
            raise ValueError("lazy_optimizer: the optimiser must be a functools.partial with lr, got one without")
        c = interval / (interval + 1)
        changed["lr"] = settings["lr"] * c
        if "betas" in changed:
            changed["betas"] = tuple(beta**c for beta in changed["betas"])
    return partial(optimizer, **changed)


def _spread(images: Tensor) -> Tensor:
    """How much the images of a batch differ: the deviation of a pixel over the batch, averaged."""
    return images.detach().float().std(0, correction=0).mean()


def _mean_interval(penalties: Iterable[Penalty]) -> float | None:
    """Iterations from one step of penalties to the next, of whichever; None if they have no steps of their own."""
    steps = sum(1 / interval for interval in lazy_intervals(penalties))
    return 1 / steps if steps else None


def _check_agreement(generator: Generator, discriminator: Discriminator) -> None:
    for name in ("resolution", "image_channels", "num_labels"):
        ours, theirs = getattr(generator, name), getattr(discriminator, name)
        if ours != theirs:
            raise ValueError(
                f"GAN: generator and discriminator must have the same {name}, got {ours} and {theirs}; "
                f"set model.generator.{name} and model.discriminator.{name} alike"
            )
