"""One iteration of training: the steps that are due, each a backward pass and a step of one optimizer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from .distributed import average_gradients
from .guard import NonFiniteGuard
from .network_calls import NetworkCalls
from .optimizers import clip_gradients, without_gradients
from .steps import MicroBatch, Step


@dataclass
class Iteration:
    """Takes the steps of one iteration.

    Args:
        number: of the iteration, from 0.
        calls: the networks.
        optimizers, parameters: of each network, by its name; parameters with their names.
        backward: called with every loss; adds to the gradients.
        guard: asked before every step.
        max_grad_norm: see :class:`GAN`.
        scaler: multiplies gradients in float16 and skips steps by itself; None without one.
        over_ranks: average gradients over ranks.

    Attributes:
        logged: of the steps that were taken, means over the micro-batches.
    """

    number: int
    calls: NetworkCalls
    optimizers: Mapping[str, Any]
    parameters: Mapping[str, Sequence[tuple[str, nn.Parameter]]]
    backward: Callable[[Tensor], object]
    guard: NonFiniteGuard
    max_grad_norm: float | None = None
    scaler: Any = None
    over_ranks: bool = False
    logged: dict[str, Tensor] = field(default_factory=dict)

    def run(
        self, steps: Sequence[Step], images: Tensor, labels: Tensor | None, micro_batches: int = 1
    ) -> list[MicroBatch]:
        """Take every step that is due, on a batch in equal micro-batches, and return these.

        Raises:
            ValueError: the batch cannot be divided.
            DivergedError: see :class:`NonFiniteGuard`.
        """
        batch = _split(images, labels, micro_batches)
        for step in steps:
            if self.number % step.interval == 0:
                self._take(step, batch)
        return batch

    def _take(self, step: Step, batch: Sequence[MicroBatch]) -> None:
        optimizer = self.optimizers[step.network]
        opponent = "discriminator" if step.network == "generator" else "generator"
        with without_gradients(parameter for _, parameter in self.parameters[opponent]):
            optimizer.zero_grad()
            loss = self._accumulate_gradients(step, batch)
            if self.over_ranks:
                average_gradients(optimizer)
            if self._is_allowed(step, loss):
                self._clip(step, optimizer)
                optimizer.step()

    def _is_allowed(self, step: Step, loss: Tensor) -> bool:
        name = f"{step.name} at iteration {self.number:,}"
        return self.scaler is not None or self.guard.allows(name, self.parameters[step.network], loss)

    def _clip(self, step: Step, optimizer: Any) -> None:
        if self.max_grad_norm is not None:
            name = f"gradients/{step.network}" + ("_penalties" if step.interval > 1 else "")
            scale = 1.0 if self.scaler is None else self.scaler.get_scale()
            self.logged[name] = clip_gradients(optimizer, self.max_grad_norm, scale=scale)

    def _accumulate_gradients(self, step: Step, batch: Sequence[MicroBatch]) -> Tensor:
        """Add the gradients of all losses, one graph at a time; return the sum of their means."""
        values = []
        for loss in step.losses:
            for micro_batch in batch:
                value, logged = loss.compute(self.calls, micro_batch)
                value = _share(value, len(batch))
                self.backward(value)
                values.append(value.detach())
                self._add_to_log(logged, len(batch), first=micro_batch is batch[0])
        return sum(values[1:], values[0])

    def _add_to_log(self, values: Mapping[str, Tensor], parts: int, *, first: bool) -> None:
        for name, value in values.items():
            term = _share(value.detach(), parts)
            self.logged[name] = term if first else self.logged[name] + term


def _share(value: Tensor, parts: int) -> Tensor:
    """``value / parts``, without an operator for the usual one."""
    return value if parts == 1 else value / parts


def _split(images: Tensor, labels: Tensor | None, count: int) -> list[MicroBatch]:
    if len(images) % count:
        raise ValueError(f"GAN: micro_batches must divide the batch of {len(images)} images, got {count}")
    chunks = [None] * count if labels is None else labels.chunk(count)
    return [MicroBatch(*chunk) for chunk in zip(images.chunk(count), chunks, strict=True)]
