"""The LightningModule: one training step of a GAN with two optimisers and lazy penalties."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from .._random_state import random_states, start_random_state
from .._ranks import average_over_ranks
from ..augment import AdaptiveAugment
from ..models import Discriminator, Generator, MappingNetwork
from .averaging import AveragedGenerator
from .clipping import clip_gradients
from .critic import AugmentedDiscriminator
from .distributed import average_gradients, without_reducer
from .guard import NonFiniteGuard
from .loss import StyleGAN2Loss
from .network_calls import NetworkCalls
from .optimizers import OptimizerFactory, at_rest, keeping_settings, lazy_optimizer, mean_interval
from .optimizers import freeze as frozen_names
from .precision import at_least_float32_in
from .saved_state import check_belongs, identity, resumed_tensors, widen_scalars
from .steps import Loss, Part, accumulate, due_steps, split

__all__ = ["GAN", "lazy_optimizer"]

DIVERSITY_INTERVAL = 10  # iterations


class GAN(LightningModule):
    """Trains a generator against a discriminator, by manual optimisation.

    One iteration is a generator step and a discriminator step on the same generated images, without their graph. Now
    and then each is followed by a step of penalties, multiplied by their interval, for which the optimiser's learning
    rate and betas are corrected (arXiv:1912.04958, appendix B); see :class:`StyleGAN2Loss`.

    Args:
        generator, discriminator: the networks; they must agree on resolution, channels and labels.
        loss: the objective.
        generator_optimizer, discriminator_optimizer: make an optimiser from parameters; a ``functools.partial``
            with ``lr`` where a penalty is on.
        average_half_life, average_rampup: of the averaged generator, in images; see :class:`AveragedGenerator`.
        compile: compile the networks' calls, both penalties included; see :class:`NetworkCalls`.
        micro_batches: equal parts of a batch, whose gradients are added up; memory is that of one part. Statistics of
            a batch (minibatch standard deviation, the means of path lengths and of w) are those of the parts.
        freeze: names of what is not trained; see :func:`freeze`.
        max_skipped_steps: steps in a row with gradients that are not finite, after which training stops.
        max_grad_norm: longer gradients of a network are shortened to this norm before each of its steps, over all its
            parameters, micro-batches and processes; None for never. Logged as ``gradients/<network>``, and
            ``gradients/<network>_penalties`` of steps of penalties alone: the norms before.
        augment: changes every image that the discriminator sees, real or generated, in its own steps, in the
            generator's and in R1, whose gradient is with respect to the images before; see :mod:`stylelayers.augment`.

    Attributes:
        critic: the discriminator behind the augmentation: what losses and penalties call.
        images_seen: real images that training has used, over all ranks; in the checkpoint.
        iterations: iterations done; in the checkpoint.
        guard: counts the steps that were skipped because of gradients that were not finite; in the checkpoint.
        average: the averaged generator is ``average.module``.
        frozen: names of the parameters that are not trained.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        loss: StyleGAN2Loss,
        generator_optimizer: OptimizerFactory,
        discriminator_optimizer: OptimizerFactory,
        *,
        average_half_life: float = 10_000,
        average_rampup: float | None = 0.05,
        compile: bool = False,
        micro_batches: int = 1,
        freeze: Sequence[str] = (),
        max_skipped_steps: int = 20,
        max_grad_norm: float | None = None,
        augment: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        _check_agreement(generator, discriminator)
        if not isinstance(micro_batches, int) or micro_batches < 1:
            raise ValueError(f"model.micro_batches must be an int of at least 1, got {micro_batches!r}")
        if max_grad_norm is not None and not (isinstance(max_grad_norm, (int, float)) and max_grad_norm > 0):
            raise ValueError(f"model.max_grad_norm must be above 0, or null for no clipping, got {max_grad_norm!r}")
        self.generator, self.discriminator, self.loss = generator, discriminator, loss
        self.augment = augment
        # a tuple, as its parts are submodules already
        self._critic = () if augment is None else (AugmentedDiscriminator(discriminator, augment),)
        loss.path_length_penalty.decay = 1 - (1 - loss.path_length_decay) ** (1 / micro_batches)
        self.generator_optimizer = lazy_optimizer(generator_optimizer, mean_interval(loss.generator_penalties))
        self.discriminator_optimizer = lazy_optimizer(
            discriminator_optimizer, mean_interval(loss.discriminator_penalties)
        )
        self.frozen = frozen_names(self, freeze)
        self.configure_optimizers()  # a wrong argument of an optimiser shows here rather than when training starts
        self.average = AveragedGenerator(generator, half_life=average_half_life, rampup=average_rampup)
        self.compiles, self.micro_batches, self.max_grad_norm = compile, micro_batches, max_grad_norm
        self.guard = NonFiniteGuard(max_skipped_steps)
        self.images_seen = 0
        self.iterations = 0
        self._latest: dict[str, Tensor] = {}
        self._random_states: list[dict[str, Any]] = []

    @property
    def critic(self) -> Discriminator:
        return cast(Discriminator, self._critic[0]) if self._critic else self.discriminator  # both are called alike

    def configure_optimizers(self) -> list[Optimizer]:
        factories = {"generator": self.generator_optimizer, "discriminator": self.discriminator_optimizer}
        return [keeping_settings(factory(self._trained(network))) for network, factory in factories.items()]

    def setup(self, stage: str) -> None:
        self.name_classes(getattr(getattr(self.trainer, "datamodule", None), "class_names", ()))

    def name_classes(self, names: Sequence[str]) -> None:
        """Call the classes as the data do; the generator, its average and their files have the names."""
        if names and len(names) == self.generator.num_labels:
            self.generator.class_names = self.average.module.class_names = tuple(names)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> GAN:
        """Move or convert all parts, of which some stay in float32 at least; see :mod:`.precision`."""
        mappings = (module for module in self.modules() if isinstance(module, MappingNetwork))
        wide = (*mappings, self.average, self.loss, self.augment)
        return cast(GAN, super()._apply(at_least_float32_in(wide, fn), recurse))

    def on_fit_start(self) -> None:
        if self.compiles:
            self.loss.calls = NetworkCalls(compile_for=self.device)
        batch = getattr(getattr(self.trainer, "datamodule", None), "batch_size", None)
        self.loss.resolve(self.generator.resolution, batch and batch * self.trainer.world_size)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        images, labels = batch
        with without_reducer(self.trainer):
            parts = self.iterate(images, labels, cast(list[Any], self.optimizers()), self.manual_backward)
        self._observe(images, parts)
        self._agree()
        self.iterations += 1
        self.images_seen += len(images) * self.trainer.world_size
        self.average.update(self.generator, len(images) * self.trainer.world_size, self.images_seen)
        self.log_dict({**self._latest, "progress/images": float(self.images_seen)})

    def iterate(
        self, images: Tensor, labels: Tensor, optimizers: list[Any], backward: Callable[[Tensor], object]
    ) -> list[Part]:
        """The steps that are due at ``self.iterations``; counters, average and log are left to the caller."""
        parts = split(images, labels if self.generator.num_labels else None, self.micro_batches)
        generator_step, discriminator_step = (
            partial(self._step, network, optimizer, backward, parts)
            for network, optimizer in zip(("generator", "discriminator"), optimizers, strict=True)
        )
        with at_rest(self._trained("discriminator")):
            for losses in due_steps(self.loss.generator_loss, self.loss.generator_penalties, self.iterations):
                generator_step(losses)
        with at_rest(self._trained("generator")):
            for losses in due_steps(self.loss.discriminator_loss, self.loss.discriminator_penalties, self.iterations):
                discriminator_step(losses)
        return parts

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["images_seen"], checkpoint["iterations"] = self.images_seen, self.iterations
        checkpoint["skipped_steps"], checkpoint["random_states"] = self.guard.skipped, random_states()
        checkpoint["automatic"], checkpoint["average_given"] = self.loss.automatic, sorted(self.average.given)
        checkpoint.update(identity(self))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        widen_scalars(checkpoint, self)
        check_belongs(checkpoint, self, "the checkpoint")
        checkpoint["state_dict"] = resumed_tensors(checkpoint["state_dict"], self)
        if any(tensor.dtype == torch.float64 for tensor in checkpoint["state_dict"].values()):
            self.trainer.precision_plugin.convert_module(self)  # Lightning converts after loading, which would round
        self.images_seen, self.iterations = checkpoint["images_seen"], checkpoint["iterations"]
        self.guard.skipped = checkpoint.get("skipped_steps", 0)  # absent from files of earlier versions
        self._random_states = checkpoint.get("random_states", [])
        self.loss.restore(checkpoint.get("automatic", {}))
        self.average.given = frozenset(checkpoint.get("average_given", ()))

    def on_train_start(self) -> None:
        start_random_state(self._random_states, self.global_rank, self.trainer.world_size, self.iterations)
        self._random_states = []

    def _trained(self, network: str) -> list[nn.Parameter]:
        named = getattr(self, network).named_parameters(prefix=network)
        return [parameter for name, parameter in named if name not in self.frozen]

    def _step(
        self,
        network: str,
        optimizer: Any,
        backward: Callable[[Tensor], object],
        parts: Sequence[Part],
        losses: Sequence[Loss],
    ) -> None:
        """One step of an optimiser; what is logged of a penalty is that of its latest step."""
        optimizer.zero_grad()
        loss, logged = accumulate(losses, self.generator, self.critic, parts, backward)
        self._latest.update(logged)
        if self._is_shared():
            average_gradients(optimizer)
        scaler = self._scaler()
        if scaler is None and not self.guard.allows(optimizer, loss, names=self):
            return
        if self.max_grad_norm is not None:
            name = f"gradients/{network}" + ("" if f"loss/{network}" in logged else "_penalties")
            scale = 1.0 if scaler is None else scaler.get_scale()
            self._latest[name] = clip_gradients(optimizer, self.max_grad_norm, scale=scale)
        optimizer.step()

    def _observe(self, images: Tensor, parts: Sequence[Part]) -> None:
        """What an iteration shows beyond its losses: how the augmentation fares, how much the images differ."""
        if isinstance(self.augment, AdaptiveAugment):
            self.augment.update(torch.cat([cast(Tensor, part.real_logits) for part in parts]))
            self._latest |= {"augment/p": self.augment.p.clone(), "augment/sign": self.augment.sign.clone()}
        if self.iterations % DIVERSITY_INTERVAL == 0:
            fakes = torch.cat([cast(Tensor, part.fakes) for part in parts])
            self._latest["samples/diversity"] = _spread(fakes) / _spread(images).clamp(min=1e-8)

    def _agree(self) -> None:
        """Have the same mean of w, of which each process moved its own by its own batch, and the same log."""
        if self._is_shared():
            w_mean = self.generator.mapping.w_mean
            average_over_ranks([*([] if w_mean is None else [w_mean]), *self._latest.values()])

    def _is_shared(self) -> bool:
        """Whether other processes train the same model; a rehearsal, without a trainer, is each one's own."""
        return self._trainer is not None and self.trainer.world_size > 1

    def _scaler(self) -> Any:
        """The float16 gradient scaler, if there is one; it looks for what is not finite, and needs to see it."""
        return None if self._trainer is None else getattr(self.trainer.precision_plugin, "scaler", None)


def _spread(images: Tensor) -> Tensor:
    """How much the images of a batch differ: the deviation of a pixel over the batch, averaged."""
    return images.detach().float().std(0, correction=0).mean()


def _check_agreement(generator: Generator, discriminator: Discriminator) -> None:
    for name in ("resolution", "image_channels", "num_labels"):
        ours, theirs = getattr(generator, name), getattr(discriminator, name)
        if ours != theirs:
            raise ValueError(
                f"GAN: generator and discriminator must have the same {name}, got {ours} and {theirs}; "
                f"set model.generator.{name} and model.discriminator.{name} alike"
            )
