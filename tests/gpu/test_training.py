"""Training on a CUDA device: iterations as on the CPU, without waiting for it, in every precision, and resumed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from stylelayers.augment import GROUPS, AdaptiveAugment, AugmentPipeline
from stylelayers.checkpoints import load_networks
from stylelayers.training import GAN, LatestCheckpoint
from tests.conftest import GPU
from tests.gpu.drawing import DrawnOnTheCPU
from tests.modes import near
from tests.training.tiny import BATCH, LABELS, fit, tiny_gan

pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("ignore:.*(eval mode|isinstance|ckpt_path)")]
ACCELERATOR: dict[str, Any] = {"accelerator": "gpu" if GPU.type == "cuda" else "cpu"}
LOSSES: dict[str, dict[str, Any]] = {
    "every penalty": {"r1_interval": 2, "r2_gamma": 1.0, "path_length_interval": 2},
    "relativistic": {"adversarial": "relativistic", "r1_interval": 1, "r2_gamma": 1.0},
    "WGAN-GP": {"adversarial": "wasserstein", "r1_gamma": 0.0, "gradient_penalty_weight": 10.0},
}
SGD = partial(torch.optim.SGD, lr=0.01)  # Adam turns rounding of a small gradient into a whole step
ADAM = partial(torch.optim.Adam, lr=0.002, betas=(0.0, 0.99), eps=1e-4)  # float16 has no smaller eps


def gan(optimizer: Any = SGD, **loss: Any) -> GAN:
    torch.manual_seed(0)
    augment = AdaptiveAugment(AugmentPipeline(tuple(GROUPS)), p=0.3, interval=2)
    return tiny_gan(labels=LABELS, optimizer=optimizer, augment=augment, **loss)


def iterate(model: GAN, optimizers: Any, count: int, dtype: torch.dtype = torch.float32) -> None:
    """Iterations without a trainer, of which the first has every penalty."""
    for iteration in range(count):
        images = torch.rand(BATCH, 1, 8, 8, generator=torch.Generator().manual_seed(iteration)) * 2 - 1
        labels = torch.arange(BATCH) % LABELS
        parts = model.iterate(images.to(model.device, dtype), labels.to(model.device), optimizers, Tensor.backward)
        model._log_images(images.to(model.device, dtype), parts)
        model.iterations += 1
        model.average.update(model.generator, BATCH, model.iterations * BATCH)


@pytest.mark.parametrize("loss", LOSSES)
def test_iterations_are_those_of_the_cpu(loss: str) -> None:
    found = []
    for device in (torch.device("cpu"), GPU):
        model = gan(**LOSSES[loss]).to(device, torch.float64)
        with DrawnOnTheCPU():
            iterate(model, model.configure_optimizers(), 4, torch.float64)
        assert model.skipped_steps == 0
        found.append([tensor.detach().cpu() for tensor in (*model.state_dict().values(), *model.logged.values())])
    near(found[1], found[0], 1e-6)


@contextmanager
def no_waiting() -> Iterator[None]:
    """An operation for which the host waits for the CUDA device is an error."""
    if GPU.type != "cuda":
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_only_the_guard_waits_for_the_device(loss: str, fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model = gan(partial(ADAM, fused=fused), **LOSSES[loss]).to(GPU)
    optimizers = model.configure_optimizers()
    iterate(model, optimizers, 2)  # constants are copied to the device once
    monkeypatch.setattr(model.guard, "allows", lambda *_: True)
    images, labels = torch.rand(BATCH, 1, 8, 8).to(GPU), torch.arange(BATCH).to(GPU) % LABELS
    with no_waiting():
        parts = model.iterate(images, labels, optimizers, Tensor.backward)
        model._log_images(images, parts)
        model.average.update(model.generator, BATCH, 3 * BATCH)
    assert {*model.logged} >= {"loss/generator", "augment/p"}


@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed", "bf16-true", "16-mixed", "16-true"])
def test_every_precision_trains(precision: Any) -> None:
    check_training(gan(ADAM, **LOSSES["every penalty"]), precision)


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_compiled_networks_train(precision: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if GPU.type != "cuda":
        monkeypatch.setattr(torch, "compile", partial(_without_inductor, torch.compile))
    torch._dynamo.reset()
    model = tiny_gan(labels=LABELS, optimizer=ADAM, **LOSSES["every penalty"])
    model.compiles = True
    check_training(model, precision)
    assert model.calls.compiled


def check_training(model: GAN, precision: Any) -> None:
    if GPU.type != "cuda" and precision.startswith("16"):
        pytest.skip("float16 needs a GPU")
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    trainer = fit(model, 4, precision=precision, **ACCELERATOR)
    assert trainer.strategy.root_device.type == GPU.type
    assert [name for name, value in trainer.callback_metrics.items() if not value.isfinite()] == []
    assert model.skipped_steps == 0
    assert any(not torch.equal(before[name], p.cpu().to(before[name].dtype)) for name, p in model.named_parameters())


def _without_inductor(make: Any, function: Any, *, options: Any = None, **rest: Any) -> Any:
    return make(function, backend="aot_eager", **rest)


def test_a_resumed_run_is_the_uninterrupted_one_but_for_rounding(tmp_path: Path) -> None:
    def part(iterations: int, name: str, resume: Path | None = None) -> list[Tensor]:
        model = gan(**LOSSES["every penalty"])
        fit(model, iterations, LatestCheckpoint(tmp_path / name), resume=resume, **ACCELERATOR)
        return [tensor.cpu() for tensor in model.state_dict().values()]

    whole = part(4, "whole")
    part(2, "parts")
    near(part(2, "parts", tmp_path / "parts" / "checkpoints" / "last.ckpt"), whole, 1e-3)


@pytest.mark.parametrize("first", ["cpu", "gpu"])
def test_a_run_goes_on_on_another_device(first: str, tmp_path: Path) -> None:
    places: list[dict[str, Any]] = [{"accelerator": "cpu"}, ACCELERATOR]
    before, after = places if first == "cpu" else places[::-1]
    fit(gan(ADAM), 2, LatestCheckpoint(tmp_path), **before)
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    assert load_networks(checkpoint).discriminator is not None
    model = gan(ADAM)
    fit(model, 2, resume=checkpoint, **after)
    assert model.iterations == 4
    assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
