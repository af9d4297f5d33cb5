"""The LightningModule: one training step of a GAN with two optimisers and lazy penalties."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from ..augment import AdaptiveAugment
from ..models import Discriminator, Generator
from .averaging import AveragedGenerator
from .guard import NonFiniteGuard
from .network_calls import NetworkCalls
from .objective import StyleGAN2Objective
from .random_state import random_states, set_random_state

__all__ = ["GAN", "lazy_optimizer"]

DIVERSITY_INTERVAL = 10  # iterations
OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]


class GAN(LightningModule):
    """Trains a generator against a discriminator, by manual optimisation.

    One iteration is a generator step, a path-length step every `path_length_interval` iterations, a discriminator
    step on the same generated images, without their graph, and an R1 step every `r1_interval` iterations.
    Penalties are steps of their own, multiplied by their interval, and the optimisers' learning rate and betas are
    corrected for them (arXiv:1912.04958, appendix B).

    Args:
        generator, discriminator: the networks; they must agree on resolution, channels and labels.
        loss: the objective.
        generator_optimizer, discriminator_optimizer: make an optimiser from parameters; a ``functools.partial``
            with ``lr`` where a penalty is on.
        average_half_life, average_rampup: of the averaged generator, in images; see :class:`AveragedGenerator`.
        compile: compile the networks' calls, both penalties included; see :class:`NetworkCalls`.
        max_skipped_steps: steps in a row with gradients that are not finite, after which training stops.
        augment: changes every image that the discriminator sees, real or generated, in its own steps, in the
            generator's and in R1, whose gradient is with respect to the images before; see :mod:`stylelayers.augment`.

    Attributes:
        critic: the discriminator behind the augmentation: what losses and penalties call.
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
        augment: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        _check_agreement(generator, discriminator)
        self.generator, self.discriminator, self.loss = generator, discriminator, loss
        self.augment = augment
        self._critic = (AugmentedDiscriminator(discriminator, augment),)  # a tuple: its parts are submodules already
        self.generator_optimizer = lazy_optimizer(generator_optimizer, loss.lazy_path_length_interval)
        self.discriminator_optimizer = lazy_optimizer(discriminator_optimizer, loss.lazy_r1_interval)
        self.configure_optimizers()  # a wrong argument of an optimiser shows here rather than when training starts
        self.average = AveragedGenerator(generator, half_life=average_half_life, rampup=average_rampup)
        self.compiles = compile
        self.guard = NonFiniteGuard(max_skipped_steps)
        self.images_seen = 0
        self.iterations = 0
        self._latest: dict[str, Tensor] = {}
        self._random_states: list[dict[str, Any]] = []

    @property
    def critic(self) -> Discriminator:
        return self.discriminator if self.augment is None else cast(Discriminator, self._critic[0])  # called alike

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
        wanted = labels if self.generator.num_labels else None
        generator_step, discriminator_step = (partial(self._step, optimizer, backward) for optimizer in optimizers)
        with _only(self.generator, self.discriminator):
            fakes = self.loss.fake_images(self.generator, len(images), wanted)
            generator_step(self._generator_loss(fakes, wanted))
            if _due(self.iterations, self.loss.lazy_path_length_interval):
                generator_step(self._path_length(len(images), wanted))
        with _only(self.discriminator, self.generator):
            discriminator_step(self._discriminator_loss(images, fakes.detach(), wanted))
            if _due(self.iterations, self.loss.lazy_r1_interval):
                discriminator_step(self._r1(images, wanted))

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

    def _generator_loss(self, fakes: Tensor, labels: Tensor | None) -> Tensor:
        loss = self.loss.generator_criterion(self.loss.calls.judge(self.critic, fakes, labels))
        return self._note(loss, {"loss/generator": loss})

    def _path_length(self, batch: int, labels: Tensor | None) -> Tensor:
        penalty, length = self.loss.path_length(self.generator, batch, labels)
        return self._note(penalty, {"penalty/path_length": penalty, "path_length/mean": length})

    def _discriminator_loss(self, images: Tensor, fakes: Tensor, labels: Tensor | None) -> Tensor:
        judge = self.loss.calls.judge
        real_logits, fake_logits = judge(self.critic, images, labels), judge(self.critic, fakes, labels)
        loss = self.loss.discriminator_criterion(real_logits, fake_logits)
        values = {
            "loss/discriminator": loss,
            "logits/real": real_logits.mean(),
            "logits/fake": fake_logits.mean(),
        }
        if isinstance(self.augment, AdaptiveAugment):
            self.augment.observe(real_logits)
            values |= {"augment/p": self.augment.p, "augment/sign": self.augment.sign}
        if self.iterations % DIVERSITY_INTERVAL == 0:
            values["samples/diversity"] = _spread(fakes) / _spread(images).clamp(min=1e-8)
        return self._note(loss, values)

    def _r1(self, images: Tensor, labels: Tensor | None) -> Tensor:
        penalty, square_norm = self.loss.r1(self.critic, images, labels)
        return self._note(penalty, {"penalty/r1": penalty, "r1/gradient_square_norm": square_norm})

    def _note(self, loss: Tensor, values: dict[str, Tensor]) -> Tensor:
        """Remember values for the log, where penalties appear with the value of their latest step."""
        self._latest.update({name: value.detach() for name, value in values.items()})
        return loss

    def _step(self, optimizer: Any, backward: Callable[[Tensor], object], loss: Tensor) -> None:
        optimizer.zero_grad()
        backward(loss)
        if self._scales_gradients() or self.guard.allows(optimizer, loss, names=self):
            optimizer.step()

    def _scales_gradients(self) -> bool:
        """Whether a float16 gradient scaler looks for what is not finite, and needs to see it."""
        return self._trainer is not None and getattr(self.trainer.precision_plugin, "scaler", None) is not None


class AugmentedDiscriminator(nn.Module):
    """``discriminator(augment(images), labels)``."""

    def __init__(self, discriminator: nn.Module, augment: nn.Module | None) -> None:
        super().__init__()
        self.discriminator, self.augment = discriminator, augment

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        seen = images if self.augment is None else self.augment(images)
        return cast(Tensor, self.discriminator(seen, labels))


class _only:
    """Gradients go to `trained`; `frozen` passes them on but keeps none. Both are thawed at the end."""

    def __init__(self, trained: nn.Module, frozen: nn.Module) -> None:
        self.trained, self.frozen = trained, frozen

    def __enter__(self) -> None:
        self.trained.requires_grad_(True)
        self.frozen.requires_grad_(False)

    def __exit__(self, *_: object) -> None:
        self.frozen.requires_grad_(True)


def lazy_optimizer(optimizer: OptimizerFactory, interval: int | None) -> OptimizerFactory:
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


def _due(iteration: int, interval: int | None) -> bool:
    return interval is not None and iteration % interval == 0


def _check_agreement(generator: Generator, discriminator: Discriminator) -> None:
    for name in ("resolution", "image_channels", "num_labels"):
        ours, theirs = getattr(generator, name), getattr(discriminator, name)
        if ours != theirs:
            raise ValueError(
                f"GAN: generator and discriminator must have the same {name}, got {ours} and {theirs}; "
                f"set model.generator.{name} and model.discriminator.{name} alike"
            )
