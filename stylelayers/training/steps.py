"""The optimizer steps of an iteration: what each minimizes, for which network, and how often."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from .network_calls import NetworkCalls

LossAndLogs = tuple[Tensor, dict[str, Tensor]]  # the value to minimize, and what to log by its name


@dataclass
class MicroBatch:
    """Images of a batch that share one graph.

    Attributes:
        images, labels: real ones; labels are None in unconditional training.
        fakes: generated images, set by the generator's step, without their graph.
        real_logits: set by the discriminator's step, without their graph; above 0 where the discriminator takes an
            image for real.
    """

    images: Tensor
    labels: Tensor | None
    fakes: Tensor | None = None
    real_logits: Tensor | None = None


@dataclass(frozen=True)
class Term:
    """One loss or penalty.

    Attributes:
        name: as messages have it, such as ``"R1"``.
        compute: returns the value to minimize and the tensors to log, by name.
        logs: these names.
    """

    name: str
    compute: Callable[[NetworkCalls, MicroBatch], LossAndLogs]
    logs: tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """One step of the optimizer of ``network``, ``"generator"`` or ``"discriminator"``, on the sum of its losses.

    It is due in the iterations that `interval` divides. An adversarial loss is due in every iteration, and comes
    first in its step; a step of a longer interval has penalties alone.
    """

    name: str
    network: str
    losses: tuple[Term, ...]
    interval: int = 1

    @property
    def penalties(self) -> tuple[Term, ...]:
        return self.losses if self.interval > 1 else self.losses[1:]


@dataclass(frozen=True)
class Penalty:
    """The arguments of :func:`penalty`; `weight` and `interval` are names of attributes of the loss."""

    name: str
    network: str
    weight: str
    interval: str
    logs: tuple[str, ...]


def penalty(name: str, *, network: str, weight: str, interval: str, logs: Iterable[str] = ()) -> Callable[[Any], Any]:
    """Mark a method of a loss as a penalty: it gets a place in the steps, and is logged and reported by its name.

    The method takes :class:`NetworkCalls` and a :class:`MicroBatch`, and returns the value, without its weight, and
    one tensor for each name in `logs`. The weighted value is logged as ``penalty/<name>``.

    Args:
        name: as messages have it, such as ``"path length"``.
        network: whose step it is part of.
        weight, interval: the attributes of the loss that hold the weight, 0 for a penalty that is off, and the
            iterations from one step of the penalty to the next.
        logs: names of what else the method returns.
    """

    def mark(method: Any) -> Any:
        logged = (f"penalty/{name.lower().replace(' ', '_')}", *logs)
        method.penalty = Penalty(name, network, weight, interval, logged)
        return method

    return mark


def mean_lazy_interval(steps: Iterable[Step], network: str) -> float | None:
    """Iterations from one step of penalties alone to the next, of whichever; None for a network that has none.

    Example:
        >>> steps = [Step("R1", "discriminator", (), 16), Step("R2", "discriminator", (), 16)]
        >>> mean_lazy_interval(steps, "discriminator")
        8.0
    """
    rate = sum(1 / step.interval for step in steps if step.network == network and step.interval > 1)
    return 1 / rate if rate else None
