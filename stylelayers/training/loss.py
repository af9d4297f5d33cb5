"""StyleGAN2's loss: adversarial losses, lazy penalties and style mixing.

Sources: lazy regularization and path length (arXiv:1912.04958, sections 3.1 and 3.2), R1 and R2 (arXiv:1801.04406),
gradient penalty (arXiv:1704.00028), mismatch (arXiv:1605.05396, section 4.1).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from .. import losses
from .._checks import check_choice, check_ints, check_number
from ..losses.finite_difference import SIGMA
from .network_calls import NetworkCalls
from .steps import LossAndLogs, MicroBatch, Penalty, Step, Term, penalty
from .style_mixing import mix_styles

ADVERSARIAL_LOSSES: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "nonsaturating": (losses.nonsaturating_loss, losses.logistic_loss),
    "hinge": (losses.hinge_generator_loss, losses.hinge_discriminator_loss),
    "wasserstein": (losses.wasserstein_generator_loss, losses.wasserstein_discriminator_loss),
    "relativistic": (losses.relativistic_generator_loss, losses.relativistic_discriminator_loss),
}
_OF_DIFFERENCES = ("wasserstein", "relativistic")  # losses that all logits can rise or fall together without changing
R1_FORMS = ("exact", "finite_difference")
GAMMA_PER_PIXEL = 0.0002  # of "auto", times pixels / batch
ALIAS_FREE_GAMMA_PER_PIXEL = 1 / 1024  # 0.5 at 128x128, 2 at 256x256, 8 at 512x512, 32 at 1024x1024 for a batch of 32


@dataclass(kw_only=True, eq=False, repr=False)
class StyleGAN2Loss(nn.Module):
    """The steps of both networks; its state is the running mean of path lengths (arXiv:1912.04958, section 3).

    A penalty of interval 1 is part of its network's step. With a longer interval it is a step of its own, which is
    due once per interval, its weight times the interval (lazy regularization). A dataclass, so that the settings of a
    penalty stand beside it: a new penalty is its settings and one method. A subclass may add some.

    Args:
        adversarial: ``"nonsaturating"``, ``"hinge"``, ``"wasserstein"`` or ``"relativistic"``, which pairs every
            generated image with a real one (arXiv:2501.05441).
        style_mixing: probability that a sample takes its later styles from a second latent.
        r1_gamma: weight of R1, on real images, which enters as ``gamma / 2``; 0 for none. ``"auto"`` is
            0.0002 * pixels / images per batch over all ranks, or pixels / 1024 / images beside an alias-free generator,
            set by :meth:`set_automatic_gammas`.
        r2_gamma: the same for R2, on generated images.
        r1_interval: iterations from one step of R1 and R2 to the next.
        r1_form: how R1 and R2 are computed: ``"exact"``, by second derivatives, or ``"finite_difference"``, see
            :func:`stylelayers.losses.finite_difference_penalty`.
        r1_sigma: of finite differences, in units of images in [-1, 1]; None for 0.003.
        gradient_penalty_weight: weight of the penalty of WGAN-GP, usually 10; 0 for none.
        gradient_penalty_interval: iterations from one of its steps to the next.
        mismatch_weight: weight of the mismatch of real images and labels, for a discriminator that knows its classes
            well; 0 for none. It needs labels, and two images per micro-batch.
        mismatch_interval: iterations from one of its steps to the next.
        path_length_weight: weight of the path-length penalty; 0 for none.
        path_length_interval: iterations from one of its steps to the next.
        path_length_decay: weight of a batch in the running mean of lengths, in (0, 1].
        path_length_batch_shrink: the penalty sees one in so many samples of a batch.

    Attributes:
        steps: the optimizer steps of an iteration, in order.
        automatic: the values of the gammas that are ``"auto"``, None until they are known.

    Raises:
        ValueError: a value out of range.

    Example:
        >>> from stylelayers.training import StyleGAN2Loss
        >>> loss = StyleGAN2Loss(path_length_weight=0.0)
        >>> [penalty.name for penalty in loss.penalties]
        ['R1']
    """

    adversarial: str = "nonsaturating"
    style_mixing: float = 0.9

    def __post_init__(self) -> None:
        super().__init__()
        check_choice(type(self).__name__, "adversarial", self.adversarial, ADVERSARIAL_LOSSES)
        check_number(type(self).__name__, least=0, most=1, style_mixing=self.style_mixing)
        check_number(type(self).__name__, above=0, most=1, path_length_decay=self.path_length_decay)
        check_ints(type(self).__name__, path_length_batch_shrink=self.path_length_batch_shrink)
        self._check_r1()
        gammas = ("r1_gamma", "r2_gamma")
        self.automatic: dict[str, float | None] = {name: None for name in gammas if getattr(self, name) == "auto"}
        for name in self.automatic:
            setattr(self, name, math.nan)
        self.path_length_penalty = losses.PathLengthPenalty(self.path_length_decay)
        self.steps = self._build_steps()

    @property
    def penalties(self) -> tuple[Term, ...]:
        """Enabled penalties, in the order of their steps."""
        return tuple(term for step in self.steps for term in step.penalties)

    def has(self, weight: str) -> bool:
        """Whether the penalty of a weight, such as ``"r1_gamma"``, is enabled."""
        return weight in self._enabled

    def set_weight(self, name: str, value: float) -> None:
        """Change the weight of an enabled penalty; a ValueError for any other."""
        check_choice(type(self).__name__, "enabled penalties", name, sorted(self._enabled))
        setattr(self, name, value)

    def divide_decay(self, micro_batches: int) -> None:
        """Let each of the micro-batches of a batch move the running mean of lengths, together as one batch would."""
        self.path_length_penalty.decay = 1 - (1 - self.path_length_decay) ** (1 / micro_batches)

    def set_automatic_gammas(
        self, resolution: tuple[int, int], batch_size: int | None, *, per_pixel: float = GAMMA_PER_PIXEL
    ) -> None:
        """Give the gammas that are ``"auto"`` their value, unless they have one.

        Args:
            resolution: of the images.
            batch_size: images per iteration, over all ranks; None if it is not known.
            per_pixel: gamma for one pixel and one image per iteration.
        """
        unknown = [name for name, value in self.automatic.items() if value is None]
        if batch_size is None:
            if unknown:
                raise ValueError(f"StyleGAN2Loss: {unknown[0]}='auto' needs a data module with a batch_size")
            return
        gamma = per_pixel * resolution[0] * resolution[1] / batch_size
        self.restore_automatic_gammas(dict.fromkeys(unknown, gamma))
        for name, value in self.automatic.items():
            if value is not None and not math.isclose(value, gamma):
                rank_zero_warn(
                    f"StyleGAN2Loss: {name}='auto' stays the {value:.4g} that training began with; for {batch_size} "
                    f"images per iteration it would be {gamma:.4g}: set a number to change it"
                )

    def restore_automatic_gammas(self, automatic: Mapping[str, float | None]) -> None:
        """Take the values of an earlier run for the gammas that are ``"auto"``."""
        for name in self.automatic.keys() & automatic.keys():
            if automatic[name] is not None:
                self.automatic[name] = automatic[name]
                setattr(self, name, automatic[name])

    # Adversarial losses

    def generator_loss(self, calls: NetworkCalls, batch: MicroBatch) -> LossAndLogs:
        """On new images, which `batch` keeps."""
        criterion = ADVERSARIAL_LOSSES[self.adversarial][0]
        fakes = calls.synthesize(self.sample_styles(calls, len(batch.images), batch.labels))
        batch.fakes = fakes.detach()
        logits = calls.discriminate(fakes, batch.labels)
        if self.adversarial == "relativistic":
            loss = criterion(calls.discriminate(batch.images, batch.labels), logits)
        else:
            loss = criterion(logits)
        return loss, {"loss/generator": loss}

    def discriminator_loss(self, calls: NetworkCalls, batch: MicroBatch) -> LossAndLogs:
        """On real images, whose logits `batch` keeps, and generated ones.

        Where the loss sees differences alone, logits are kept and logged relative to the mean of both kinds.
        """
        criterion = ADVERSARIAL_LOSSES[self.adversarial][1]
        real, fake = calls.discriminate_both(batch.images, cast(Tensor, batch.fakes), batch.labels)
        loss = criterion(real, fake)
        if self.adversarial in _OF_DIFFERENCES:
            level = (real.mean() + fake.mean()).detach() / 2
            real, fake = real - level, fake - level
        batch.real_logits = real.detach()
        return loss, {"loss/discriminator": loss, "logits/real": real.mean(), "logits/fake": fake.mean()}

    # Penalties

    path_length_weight: float = 2.0
    path_length_interval: int = 4
    path_length_decay: float = 0.01
    path_length_batch_shrink: int = 2

    @penalty(
        "path length",
        network="generator",
        weight="path_length_weight",
        interval="path_length_interval",
        logs=["path_length/mean"],
    )
    def path_length(self, calls: NetworkCalls, batch: MicroBatch) -> tuple[Tensor, ...]:
        count = max(1, len(batch.images) // self.path_length_batch_shrink)
        styles = self.sample_styles(calls, count, None if batch.labels is None else batch.labels[:count])
        lengths = calls.path_lengths(styles)
        return self.path_length_penalty(lengths), lengths.mean()

    r1_gamma: float | str = 1.0
    r2_gamma: float | str = 0.0
    r1_interval: int = 16
    r1_form: str = "exact"
    r1_sigma: float | None = None

    @penalty("R1", network="discriminator", weight="r1_gamma", interval="r1_interval", logs=["r1/gradient_square_norm"])
    def r1(self, calls: NetworkCalls, batch: MicroBatch) -> tuple[Tensor, ...]:
        norm = self._square_gradient_norm(calls, batch.images, batch.labels)
        return norm / 2, norm

    @penalty("R2", network="discriminator", weight="r2_gamma", interval="r1_interval", logs=["r2/gradient_square_norm"])
    def r2(self, calls: NetworkCalls, batch: MicroBatch) -> tuple[Tensor, ...]:
        norm = self._square_gradient_norm(calls, cast(Tensor, batch.fakes), batch.labels)
        return norm / 2, norm

    def _square_gradient_norm(self, calls: NetworkCalls, images: Tensor, labels: Tensor | None) -> Tensor:
        if self.r1_form == "exact":
            return calls.penalize_gradient("r1", images, labels)
        return calls.penalize_difference(images, labels, sigma=SIGMA if self.r1_sigma is None else self.r1_sigma)

    gradient_penalty_weight: float = 0.0
    gradient_penalty_interval: int = 1

    @penalty(
        "gradient penalty",
        network="discriminator",
        weight="gradient_penalty_weight",
        interval="gradient_penalty_interval",
    )
    def gradient_penalty(self, calls: NetworkCalls, batch: MicroBatch) -> tuple[Tensor, ...]:
        between = losses.interpolates(batch.images, cast(Tensor, batch.fakes))
        return (calls.penalize_gradient("gradient_penalty", between, batch.labels),)

    mismatch_weight: float = 0.0
    mismatch_interval: int = 4

    @penalty("mismatch", network="discriminator", weight="mismatch_weight", interval="mismatch_interval")
    def mismatch(self, calls: NetworkCalls, batch: MicroBatch) -> tuple[Tensor, ...]:
        """Real images with their labels against the same with other images' labels, which may be equal by chance."""
        count = len(batch.images)
        if batch.labels is None or count < 2:
            came = "no labels" if batch.labels is None else f"{count} image"
            raise ValueError(f"{type(self).__name__}: mismatch_weight needs labels of at least two images, got {came}")
        others = batch.labels.roll(int(torch.randint(1, count, ())), 0)
        own, other = calls.discriminate_both(batch.images, batch.images, batch.labels, others)
        return (losses.relativistic_discriminator_loss(own, other),)

    def sample_styles(self, calls: NetworkCalls, count: int, labels: Tensor | None) -> Tensor:
        """Mixed styles ``(count, num_ws, w_dim)`` of new latents."""
        mapping = calls.generator.mapping
        z = torch.randn(2, count, mapping.z_dim, device=next(mapping.parameters()).device)
        return mix_styles(mapping, z[0], z[1], labels, self.style_mixing)

    def _build_steps(self) -> list[Step]:
        """Per network: its loss with the penalties of interval 1, then a step for each longer interval."""
        members = {name: member for kind in reversed(type(self).__mro__) for name, member in vars(kind).items()}
        marked = [(method, method.penalty) for method in members.values() if hasattr(method, "penalty")]
        for _, mark in marked:
            self._check_penalty(mark)
        enabled = [(method, mark) for method, mark in marked if getattr(self, mark.weight)]
        self._enabled = frozenset(mark.weight for _, mark in enabled)
        logits = ("logits/real", "logits/fake")
        steps = []
        for main in (
            Term("generator", self.generator_loss, ("loss/generator",)),
            Term("discriminator", self.discriminator_loss, ("loss/discriminator", *logits)),
        ):
            terms = {1: [main]}
            for method, mark in enabled:
                if mark.network == main.name:
                    term = Term(mark.name, partial(self._weigh, method, mark), mark.logs)
                    terms.setdefault(getattr(self, mark.interval), []).append(term)
            steps += [Step(" and ".join(t.name for t in ts), main.name, tuple(ts), n) for n, ts in terms.items()]
        return steps

    def _check_r1(self) -> None:
        check_choice(type(self).__name__, "r1_form", self.r1_form, R1_FORMS)
        if self.r1_sigma is None:
            return
        check_number(type(self).__name__, above=0, r1_sigma=self.r1_sigma)
        if self.r1_form == "exact":
            raise ValueError(
                f"{type(self).__name__}: r1_sigma must be None unless r1_form is 'finite_difference', got "
                f"{self.r1_sigma}"
            )

    def _check_penalty(self, mark: Penalty) -> None:
        check_ints(type(self).__name__, **{mark.interval: getattr(self, mark.interval)})
        if mark.weight not in self.automatic:
            check_number(type(self).__name__, least=0, **{mark.weight: getattr(self, mark.weight)})

    def _weigh(self, method: Any, mark: Penalty, calls: NetworkCalls, batch: MicroBatch) -> LossAndLogs:
        value, *others = method(self, calls, batch)
        weighted = value * (getattr(self, mark.weight) * getattr(self, mark.interval))
        return weighted, dict(zip(mark.logs, (weighted, *others), strict=True))
