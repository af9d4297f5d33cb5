"""Gradient clipping: every step by the norm of its network, whatever the precision, the parts and the processes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from stylelayers.training import GAN
from stylelayers.training.optimizers import clip_gradients
from tests.training.processes import in_processes
from tests.training.tiny import fit, tiny_gan


def optimizer_of(*gradients: Tensor | None) -> Optimizer:
    parameters = [nn.Parameter(torch.zeros_like(g if g is not None else torch.zeros(1))) for g in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = None if gradient is None else gradient.clone()
    return SGD([{"params": parameters[:1]}, {"params": parameters[1:]}], lr=1.0)


def gradients_of(optimizer: Optimizer) -> list[Tensor]:
    return [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


@pytest.mark.parametrize("scale", [1.0, 65536.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("max_norm", "expected"), [(1.0, 1.0), (5.0, 5.0), (20.0, 10.0)])
def test_all_gradients_together_are_a_vector_of_at_most_the_norm(
    max_norm: float, expected: float, dtype: torch.dtype, scale: float
) -> None:
    parts = [torch.tensor([6.0, 0.0], dtype=dtype), None, torch.tensor([[0.0], [-8.0]], dtype=dtype)]
    optimizer = optimizer_of(*(None if part is None else part * scale for part in parts))
    norm = clip_gradients(optimizer, max_norm, scale=scale)
    assert norm.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert norm.item() == pytest.approx(10)
    first, second = (gradient.double() / scale for gradient in gradients_of(optimizer))
    factor = expected / 10
    torch.testing.assert_close(first, torch.tensor([6.0, 0.0]).double() * factor, rtol=1e-2, atol=0.0)
    torch.testing.assert_close(second, torch.tensor([[0.0], [-8.0]]).double() * factor, rtol=1e-2, atol=0.0)


def test_the_norm_of_half_precision_is_that_of_float32() -> None:
    gradients = torch.full((3, 1000), 0.01, dtype=torch.bfloat16)
    expected = gradients.float().norm().item()
    assert clip_gradients(optimizer_of(*gradients), 1.0).item() == pytest.approx(expected, rel=1e-6)


class Norms(SGD):
    """Notes the norm that each step sees."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, lr=lr)
        self.seen: list[float] = []

    def step(self, closure: Any = None) -> Any:
        self.seen.append(float(torch.cat([g.flatten() for g in gradients_of(self)]).norm()))
        return super().step(closure)


def gan(max_grad_norm: float | None, micro_batches: int = 1) -> GAN:
    torch.manual_seed(0)
    plain, optimizer = tiny_gan(r1_interval=2, path_length_interval=2), partial(Norms, lr=0.01)
    networks = (plain.generator, plain.discriminator, plain.loss)
    return GAN(*networks, optimizer, optimizer, micro_batches=micro_batches, max_grad_norm=max_grad_norm)


def steps(model: GAN, iterations: int = 2, **options: Any) -> tuple[list[float], dict[str, float]]:
    """The norms that the steps of both networks saw, and what was logged of norms."""
    trainer = fit(model, iterations, **options)
    logged = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("gradients/")}
    return [norm for optimizer in trainer.optimizers for norm in cast(Norms, optimizer).seen], logged


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_every_step_is_clipped_and_its_norm_before_is_logged(micro_batches: int, precision: Any) -> None:
    free, nothing = steps(gan(None, micro_batches), precision=precision)
    assert nothing == {}
    limit = min(free) / 2
    held, logged = steps(gan(limit, micro_batches), precision=precision)
    assert len(held) == 6  # two main steps a network, and a penalty of each
    assert held == pytest.approx([limit] * 6, rel=1e-3)
    networks = ("gradients/generator", "gradients/discriminator")
    assert logged.keys() == {*networks, *(f"{name}_penalties" for name in networks)}
    assert min(logged.values()) > 1.5 * limit


def test_gradients_that_are_short_enough_are_left_alone() -> None:
    free, _ = steps(gan(None))
    held, logged = steps(gan(2 * max(free)))
    assert held == free
    assert logged["gradients/generator"] == pytest.approx(free[2])
    assert logged["gradients/discriminator_penalties"] == pytest.approx(free[4])


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan"), "much"])
def test_a_norm_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"^GAN: max_grad_norm must be a number above 0, got"):
        gan(wrong)


def shared(rank: int, count: int, folder: Path) -> None:
    model = gan(0.01)
    held, logged = steps(model, devices=count)
    torch.save({"held": held, "logged": logged, "state": model.generator.state_dict()}, folder / f"{rank}.pt")


@pytest.mark.filterwarnings("ignore")
def test_processes_clip_alike(tmp_path: Path) -> None:
    in_processes(2, shared, tmp_path)
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert (first["held"], first["logged"]) == (second["held"], second["logged"])
    assert first["held"] == pytest.approx([0.01] * 6, rel=1e-3)
    assert all(torch.equal(tensor, second["state"][name]) for name, tensor in first["state"].items())
