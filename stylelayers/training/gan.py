"""The LightningModule: a GAN of two optimizers, its averaged generator and its state in a checkpoint."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from .._checks import check_ints, check_number
from .._random_state import gather_random_states, resume_random_state
from .._ranks import average_over_ranks
from ..augment import AdaptiveAugment, FadingBlur
from ..models import AliasFreeGenerator, Discriminator, MappingNetwork, StyleGenerator
from .averaging import AveragedGenerator
from .distributed import without_reducer
from .guard import NonFiniteGuard
from .iteration import Iteration
from .loss import ALIAS_FREE_GAMMA_PER_PIXEL, GAMMA_PER_PIXEL, StyleGAN2Loss
from .network_calls import NetworkCalls
from .optimizers import OptimizerFactory, freeze_parameters, keep_own_settings, lazy_optimizer
from .precision import at_least_float32_in
from .saved_state import check_belongs, identity, resumed_tensors, widen_scalars
from .steps import MicroBatch, mean_lazy_interval

DIVERSITY_INTERVAL = 10  # iterations


class GAN(LightningModule):
    """Trains a generator against a discriminator, by manual optimization.

    An iteration takes the steps of the loss that are due: one of the generator and one of the discriminator, on the
    same generated images, and once per interval a step of lazy penalties, for which the optimizer's learning rate and
    betas are corrected (arXiv:1912.04958, appendix B).

    Args:
        generator: a :class:`stylelayers.Generator` or another network of styles.
        discriminator: of the same resolution, channels and labels.
        loss: a :class:`StyleGAN2Loss`, which lists the steps.
        generator_optimizer, discriminator_optimizer: make an optimizer from parameters; a ``functools.partial``
            with ``lr`` where the network has lazy penalties.
        average_half_life, average_rampup: of the averaged generator, in images; see :class:`AveragedGenerator`.
        compile: compile the networks' calls, penalties included; where no compiler works there is a warning, and the
            calls are eager.
        micro_batches: equal parts of a batch, whose gradients are added up; only one is in memory at a time. Batch
            statistics (minibatch standard deviation, means of path lengths and of w) are those of the parts.
        freeze: whole names of modules or parameters that are not trained, such as ``generator.mapping``.
        max_skipped_steps: steps in a row with gradients that are not finite, after which training stops.
        max_grad_norm: the gradient of a network, taken as one vector, is clipped to this norm before each of its
            steps; None for no clipping. The norm before is logged as ``gradients/<network>``, and as
            ``gradients/<network>_penalties`` for steps of penalties alone.
        augment: augments all images that the discriminator sees, real or generated, in its own steps, in the
            generator's and in penalties, which differentiate through it; see :mod:`stylelayers.augment`.
        blur_sigma: standard deviation in pixels of a Gaussian blur of the same images, before they are augmented, at
            the beginning of training; 0 for none.
        blur_images: images after which the blur has faded to nothing; see :class:`stylelayers.augment.FadingBlur`.

    Attributes:
        images_seen: real images that training has used, over all ranks.
        iterations: iterations done.
        skipped_steps: steps skipped because of gradients that were not finite.
        average: the averaged generator is ``average.module``.
        frozen: names of the parameters that are not trained.
        logged: the latest value of each tensor that the steps log.

    Raises:
        ValueError: networks that do not agree, arguments out of range, unknown names to freeze, or an optimizer without
            ``lr`` for lazy penalties.

    Example:
        >>> from functools import partial
        >>> import torch
        >>> from stylelayers import Discriminator, Generator
        >>> from stylelayers.training import GAN, StyleGAN2Loss
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
        >>> discriminator = Discriminator(8, channel_base=16)
        >>> adam = partial(torch.optim.Adam, lr=0.002, betas=(0.0, 0.99))
        >>> gan = GAN(generator, discriminator, StyleGAN2Loss(), adam, adam)
        >>> [step.name for step in gan.loss.steps]
        ['generator', 'path length', 'discriminator', 'R1']
    """

    def __init__(
        self,
        generator: StyleGenerator,
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
        blur_sigma: float = 0.0,
        blur_images: float = 200_000,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        _check_agreement(generator, discriminator)
        check_ints("GAN", micro_batches=micro_batches)
        optional = {"average_rampup": average_rampup, "max_grad_norm": max_grad_norm}
        given = {name: value for name, value in optional.items() if value is not None}
        check_number("GAN", above=0, average_half_life=average_half_life, **given)
        self.generator, self.discriminator, self.loss, self.augment = generator, discriminator, loss, augment
        blur = FadingBlur(blur_sigma, images=blur_images)
        self.blur = blur if blur_sigma else None
        self.calls = self._make_calls()
        loss.divide_decay(micro_batches)
        self.generator_optimizer, self.discriminator_optimizer = (
            lazy_optimizer(optimizer, mean_lazy_interval(loss.steps, network))
            for network, optimizer in (("generator", generator_optimizer), ("discriminator", discriminator_optimizer))
        )
        self.frozen = freeze_parameters(self, freeze)
        self.configure_optimizers()  # a wrong argument of an optimizer shows here rather than when training starts
        self.average = AveragedGenerator(generator, half_life=average_half_life, rampup=average_rampup)
        self.compiles, self.micro_batches, self.max_grad_norm = compile, micro_batches, max_grad_norm
        self.guard = NonFiniteGuard(max_skipped_steps)
        self.images_seen = self.iterations = 0
        self.logged: dict[str, Tensor] = {}
        self._random_states: list[dict[str, Any]] = []

    @property
    def skipped_steps(self) -> int:
        return self.guard.skipped

    def configure_optimizers(self) -> list[Optimizer]:
        factories = {"generator": self.generator_optimizer, "discriminator": self.discriminator_optimizer}
        return [
            keep_own_settings(factory([parameter for _, parameter in self._trained(network)]))
            for network, factory in factories.items()
        ]

    def setup(self, stage: str) -> None:
        data = getattr(self.trainer, "datamodule", None)
        self.name_classes(getattr(data, "class_names", ()), getattr(data, "label_kind", None))

    def name_classes(self, names: Sequence[str], label_kind: str | None = None) -> None:
        """Give the generator and its average, and so their files, the names and the kind of the data's labels."""
        if names and len(names) == self.generator.num_labels:
            self.generator.class_names = self.average.module.class_names = tuple(names)
        if label_kind is not None and (label_kind == "none") == (not self.generator.num_labels):
            self.generator.label_kind = self.average.module.label_kind = label_kind

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "GAN":
        """Move or convert all parts, of which some stay in float32 at least; see :mod:`.precision`."""
        mappings = (module for module in self.modules() if isinstance(module, MappingNetwork))
        kept = (self.average, self.loss, self.augment, self.blur)
        wide = (*mappings, *self.generator.synthesis.float32_parts(), *kept)
        return cast(GAN, super()._apply(at_least_float32_in(wide, fn), recurse))  # type: ignore[no-untyped-call]

    def on_fit_start(self) -> None:
        if self.compiles:
            self.calls = self._make_calls(compile_for=self.device)
        batch = getattr(getattr(self.trainer, "datamodule", None), "batch_size", None)
        is_alias_free = isinstance(self.generator, AliasFreeGenerator)
        self.loss.set_automatic_gammas(
            self.generator.resolution,
            batch and batch * self.trainer.world_size,
            per_pixel=ALIAS_FREE_GAMMA_PER_PIXEL if is_alias_free else GAMMA_PER_PIXEL,
        )

    def on_train_start(self) -> None:
        resume_random_state(self._random_states, self.global_rank, self.trainer.world_size, self.iterations)
        self._random_states = []

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        images, labels = batch
        with without_reducer(self.trainer):
            micro_batches = self.iterate(images, labels, cast(list[Any], self.optimizers()), self.manual_backward)
        self._log_images(images, micro_batches)
        self._average_over_ranks()
        self.iterations += 1
        self.images_seen += len(images) * self.trainer.world_size
        self.average.update(self.generator, len(images) * self.trainer.world_size, self.images_seen)
        self.log_dict({**self.logged, "progress/images": float(self.images_seen)})

    def iterate(
        self, images: Tensor, labels: Tensor, optimizers: list[Any], backward: Callable[[Tensor], object]
    ) -> list[MicroBatch]:
        """Take the steps that are due at ``self.iterations``; counters, average and log are left to the caller."""
        networks = ("generator", "discriminator")
        if self.blur is not None:
            self.blur.fade(self.images_seen)
            self.logged["blur/sigma"] = self.blur.sigma.clone()
        iteration = Iteration(
            self.iterations,
            self.calls,
            optimizers=dict(zip(networks, optimizers, strict=True)),
            parameters={network: self._trained(network) for network in networks},
            backward=backward,
            guard=self.guard,
            max_grad_norm=self.max_grad_norm,
            scaler=self._gradient_scaler(),
            over_ranks=self._has_other_ranks(),
        )
        known_labels = labels if self.generator.num_labels else None
        micro_batches = iteration.run(self.loss.steps, images, known_labels, self.micro_batches)
        self.logged |= iteration.logged
        return micro_batches

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["images_seen"], checkpoint["iterations"] = self.images_seen, self.iterations
        checkpoint["skipped_steps"], checkpoint["random_states"] = self.skipped_steps, gather_random_states()
        checkpoint["automatic"], checkpoint["average_given"] = self.loss.automatic, sorted(self.average.given)
        checkpoint.update(identity(self))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        widen_scalars(checkpoint, self)
        check_belongs(checkpoint, self, "that is loaded")
        checkpoint["state_dict"] = resumed_tensors(checkpoint["state_dict"], self)
        if any(tensor.dtype == torch.float64 for tensor in checkpoint["state_dict"].values()):
            self.trainer.precision_plugin.convert_module(self)  # Lightning converts after loading, which would round
        self.images_seen, self.iterations = checkpoint["images_seen"], checkpoint["iterations"]
        self.guard.skipped = checkpoint.get("skipped_steps", 0)  # absent from files of earlier versions
        self._random_states = checkpoint.get("random_states", [])
        self.loss.restore_automatic_gammas(checkpoint.get("automatic", {}))
        self.average.given = frozenset(checkpoint.get("average_given", ()))

    def _make_calls(self, **options: Any) -> NetworkCalls:
        """Calls of the networks, whose discriminator sees images that are blurred and then augmented."""
        changes = [change for change in (self.blur, self.augment) if change is not None]
        seen = nn.Sequential(*changes) if len(changes) > 1 else next(iter(changes), None)
        return NetworkCalls(self.generator, self.discriminator, seen, **options)

    def _trained(self, network: str) -> list[tuple[str, nn.Parameter]]:
        named = getattr(self, network).named_parameters(prefix=network)
        return [(name, parameter) for name, parameter in named if name not in self.frozen]

    def _log_images(self, images: Tensor, micro_batches: Sequence[MicroBatch]) -> None:
        """Adapt the augmentation to the discriminator's logits; log it, and how much the images differ."""
        if isinstance(self.augment, AdaptiveAugment):
            self.augment.update(torch.cat([cast(Tensor, part.real_logits) for part in micro_batches]))
            self.logged |= {"augment/p": self.augment.p.clone(), "augment/sign": self.augment.sign.clone()}
        if self.iterations % DIVERSITY_INTERVAL == 0:
            fakes = torch.cat([cast(Tensor, part.fakes) for part in micro_batches])
            ratio = _mean_pixel_deviation(fakes) / _mean_pixel_deviation(images).clamp(min=1e-8)
            self.logged["samples/diversity"] = ratio

    def _average_over_ranks(self) -> None:
        """Average running statistics and logs over ranks."""
        if self._has_other_ranks():
            average_over_ranks([*self.generator.running_statistics(), *self.logged.values()])

    def _has_other_ranks(self) -> bool:
        """Whether other ranks train the same model; a rehearsal, without a trainer, is each one's own."""
        return self._trainer is not None and self.trainer.world_size > 1

    def _gradient_scaler(self) -> Any:
        """The float16 gradient scaler, if there is one; it skips steps by itself."""
        return None if self._trainer is None else getattr(self.trainer.precision_plugin, "scaler", None)


def _mean_pixel_deviation(images: Tensor) -> Tensor:
    """The standard deviation of a pixel over the batch, averaged."""
    return images.detach().float().std(0, correction=0).mean()


def _check_agreement(generator: StyleGenerator, discriminator: Discriminator) -> None:
    for name in ("resolution", "image_channels", "num_labels"):
        ours, theirs = getattr(generator, name), getattr(discriminator, name)
        if ours != theirs:
            raise ValueError(f"GAN: generator and discriminator must have the same {name}, got {ours} and {theirs}")
