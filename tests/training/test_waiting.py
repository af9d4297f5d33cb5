"""What makes the host wait for a GPU: found on any device, by what Python asks of tensors."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from stylelayers.augment import GROUPS, AdaptiveAugment, AugmentPipeline, DiffAugment
from tests.training.tiny import BATCH, LABELS, tiny_gan

WAITS = {
    *(Tensor.item, Tensor.tolist, Tensor.__bool__, Tensor.__float__, Tensor.__int__, Tensor.__index__),
    *(Tensor.cpu, Tensor.numpy, Tensor.nonzero, torch.nonzero, Tensor.masked_select, Tensor.unique),
    *(torch.tensor, torch.as_tensor, torch.from_numpy, Tensor.new_tensor),  # copies of numbers to the device
}


class Waits(TorchFunctionMode):
    """Lists the calls inside the block for which the host would wait."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        if func in WAITS:
            self.calls.append(func.__name__)
        return func(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stylelayers.augment._random_draws.number_without_sync", lambda scalar: None)


@pytest.mark.parametrize("augment", [*(AugmentPipeline(group) for group in GROUPS), DiffAugment()], ids=str)
def test_augmentations_never_wait(augment: torch.nn.Module) -> None:
    images, p = torch.randn(4, 3, 16, 16), torch.ones(())
    augment(images, p)  # constants are copied once
    with Waits() as found:
        augment(images, p)
    assert found.calls == []


@pytest.mark.parametrize("loss", [{}, {"r1_gamma": 0.0, "gradient_penalty_weight": 1.0}], ids=str)
def test_an_iteration_waits_once_a_step_to_know_that_gradients_are_finite(loss: dict[str, Any]) -> None:
    sgd = partial(torch.optim.SGD, lr=0.01)
    model = tiny_gan(labels=LABELS, optimizer=sgd, augment=AdaptiveAugment(p=0.5, interval=1), **loss)
    images, labels, optimizers = torch.rand(BATCH, 1, 8, 8), torch.arange(BATCH) % LABELS, model.configure_optimizers()
    model.iterate(images, labels, optimizers, Tensor.backward)
    with Waits() as found:
        parts = model.iterate(images, labels, optimizers, Tensor.backward)
        model._log_images(images, parts)
        model.average.update(model.generator, BATCH, BATCH)
    assert found.calls == ["item"] * len(model.loss.steps)


def test_reading_a_number_is_noticed() -> None:
    with Waits() as found:
        float(torch.ones(()))
        assert torch.ones(()) > 0
        torch.ones(2).new_tensor([1.0])
    assert found.calls == ["__float__", "__bool__", "new_tensor"]
