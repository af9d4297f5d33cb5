"""Pre-flight: what it says, what it refuses, and that training does not notice it."""

from __future__ import annotations

import gc
import random
import re
import weakref
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from lightning import Callback, Trainer
from rich.filesize import decimal
from torch import Tensor
from torch.utils.data import Dataset

from stylelayers.data import ImageDataModule
from stylelayers.training import GAN, LatestCheckpoint, StopAfterImages
from stylelayers.training.run import Preflight
from stylelayers.training.run.preflight import checkpoint_bytes, seconds_left
from stylelayers.training.run.rehearsal import amortize, rehearse
from stylelayers.training.steps import MicroBatch
from tests.training.tiny import BATCH, fit, tiny_data, tiny_gan

GIB = 2**30


class Noisy(Dataset[tuple[Tensor, int]]):
    """Images that take from every source of random numbers, and count their reads."""

    def __init__(self, value: float = 0.0) -> None:
        self.value, self.reads = value, 0

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        self.reads += 1
        shift = random.random() + float(np.random.rand())
        return (torch.rand(1, 8, 8) * 0.1 + 0.01 * shift + self.value).float(), 0


class Inside(Callback):
    """Calls a function with trainer and model where callbacks are called when training starts."""

    def __init__(self, call: Callable[[Trainer, GAN], object]) -> None:
        self.call = call

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self.call(trainer, pl_module)


def free_disk(monkeypatch: pytest.MonkeyPatch, free: int) -> list[Path]:
    """Have every disk so many bytes free; the folders that are asked about."""
    asked = list[Path]()

    def usage(path: Path) -> SimpleNamespace:
        asked.append(path)
        return SimpleNamespace(free=free)

    monkeypatch.setattr("shutil.disk_usage", usage)
    return asked


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().out.splitlines()
    return str(line)


# Training does not notice ------------------------------------------------------------------------------------------


def everything(trainer: Trainer, model: GAN) -> tuple[dict[str, Tensor], list[Any]]:
    """Weights and buffers, copied; flags, optimizers, gradients, counters and random numbers."""
    tensors = {name: value.clone() for name, value in model.state_dict().items()}
    flags = [(part.training, [p.requires_grad for p in part.parameters(False)]) for part in model.modules()]
    optimizers = [str(optimizer.state_dict()) for optimizer in trainer.optimizers]
    gradients = [parameter.grad for parameter in model.parameters()]
    counters = model.iterations, model.images_seen, model.guard.skipped, model.guard.in_a_row, dict(model.logged)
    numbers = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()
    return tensors, [flags, optimizers, gradients, counters, numbers, model._trainer is trainer]


def test_nothing_is_changed(tmp_path: Path) -> None:
    states, data = list[Any](), Noisy()

    def note(trainer: Trainer, model: GAN) -> None:
        states.append(everything(trainer, model))

    fit(
        tiny_gan(),
        1,
        *(Inside(note), Preflight(tmp_path), Inside(note)),
        data=ImageDataModule(cast(Any, data), batch_size=BATCH),
    )
    assert data.reads == 1 + len(data) + BATCH  # when the module was made, for the rehearsal, and for one iteration
    (tensors, rest), (tensors_after, rest_after) = states
    torch.testing.assert_close(tensors, tensors_after, rtol=0.0, atol=0.0)
    assert rest == rest_after


def trained(*callbacks: Callback) -> GAN:
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)
    model = tiny_gan(r1_interval=2, path_length_interval=3)
    fit(model, 7, *callbacks, data=ImageDataModule(cast(Any, Noisy()), batch_size=BATCH))
    return model


def test_a_run_with_it_is_the_run_without(tmp_path: Path) -> None:
    with_it, without = trained(Preflight(tmp_path)), trained()
    torch.testing.assert_close(dict(with_it.state_dict()), dict(without.state_dict()), rtol=0.0, atol=0.0)


def test_the_copy_shares_nothing_that_it_trains_and_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, iterate = list[tuple[weakref.ref[GAN], int, bool]](), GAN.iterate

    def spy(model: GAN, *arguments: Any) -> list[MicroBatch]:
        seen.append((weakref.ref(model), model.iterations, model._trainer is None))
        return iterate(model, *arguments)

    monkeypatch.setattr(GAN, "iterate", spy)

    def check(trainer: Trainer, model: GAN) -> None:
        own = {parameter.data_ptr() for parameter in model.parameters()}
        gc.disable()
        try:
            rehearse(trainer, model)
        finally:
            gc.enable()
        assert [(iteration, loose) for _, iteration, loose in seen] == [(0, True), (1, True), (4, True), (0, True)]
        assert {reference() for reference, *_ in seen} == {None}
        assert own == {parameter.data_ptr() for parameter in model.parameters()}

    fit(tiny_gan(), 1, Inside(check))
    assert len(seen) == 5


# What it says ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("loss", "penalties"),
    [
        ({}, "path length and R1 run"),
        ({"path_length_weight": 0.0}, "R1 runs"),
        ({"r1_gamma": 0.0}, "path length runs"),
        ({"r2_gamma": 1.0, "gradient_penalty_weight": 10.0}, "path length, gradient penalty, R1 and R2 run"),
        ({"r1_gamma": 0.0, "path_length_weight": 0.0}, "no penalty runs"),
    ],
)
def test_one_line_says_penalties_memory_speed_and_disk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    loss: dict[str, Any],
    penalties: str,
) -> None:
    asked = free_disk(monkeypatch, 60 * GIB)
    monkeypatch.setattr("stylelayers.training.run.preflight.rehearse", lambda trainer, model: (0.05, int(1.1 * GIB)))
    model = tiny_gan(**loss)
    fit(model, 1, Preflight(tmp_path / "new" / "run"), StopAfterImages(80 * 60 * 5), LatestCheckpoint(tmp_path, keep=2))
    needed = decimal(3 * checkpoint_bytes(model))
    assert line_of(capsys) == (
        f"pre-flight: {penalties}; peak memory 1.2 GB; about 80 images/s, 5 min to the end; "
        f"disk {needed} of 64.4 GB free"
    )
    assert asked == [tmp_path]  # the nearest folder that exists


def test_a_real_rehearsal_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit(tiny_gan(), 1, Preflight(tmp_path))
    found = re.fullmatch(
        r"pre-flight: path length and R1 run; peak memory (\S+) ([MG]B); about (\S+) images/s", line_of(capsys)
    )
    assert found, "no limit and no checkpoints: neither time nor disk"
    assert 50 * 2**20 < float(found[1]) * {"MB": 10**6, "GB": 10**9}[found[2]] < 64 * GIB
    assert 1 < float(found[3]) < 100_000


def test_other_processes_are_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strategy = SimpleNamespace(reduce_boolean_decision=lambda decision: decision)
    trainer = cast(Trainer, SimpleNamespace(is_global_zero=False, strategy=strategy, callbacks=[]))
    Preflight(tmp_path).on_train_start(trainer, tiny_gan())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([], 100.0),
        ([4], 100 + 10 / 4),
        ([1], 110.0),
        ([4, 16], 100 + 10 / 4 + 7 / 16),
        ([16, 4], 100 + 10 / 16 + 7 / 4),
        ([8, 4], 100 + 10 / 8 + 7 / 4),
        ([3, 4], 100 + 10 / 3 + 7 / 4),
        ([4, 4], 100 + 17 / 4),
        ([1, 16], 110 + 7 / 16),
        ([16, 1], 107 + 10 / 16),
        ([1, 1], 117.0),
        ([4, 6, 16], 100 + 10 / 4 + 7 / 6 + 5 / 16),
    ],
)
def test_penalties_are_spread_over_their_intervals(intervals: list[int], expected: float) -> None:
    def seconds(iteration: int) -> float:
        costs = (10, 7, 5)[: len(intervals)]
        return 100 + sum(cost for cost, every in zip(costs, intervals, strict=True) if iteration % every == 0)

    assert amortize(seconds, intervals) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "max_images", "expected"),
    [
        ({}, None, None),
        ({"max_time": timedelta(minutes=3)}, None, 180.0),
        ({}, 10 * BATCH, 20.0),
        ({"max_steps": 37}, None, 32.0),  # 2 steps an iteration, and 1/4 + 1/16
        ({"max_epochs": 3}, None, 12.0),  # of two batches
        ({"max_epochs": 3, "limit_train_batches": 1}, None, 6.0),
        ({"max_epochs": 3, "max_steps": 37, "max_time": timedelta(minutes=3)}, 10 * BATCH, 12.0),
        ({"max_epochs": 30, "max_steps": 999}, 10 * BATCH, 20.0),
    ],
)
def test_the_first_limit_ends_training(options: dict[str, Any], max_images: int | None, expected: float | None) -> None:
    left = list[float | None]()
    inside = Inside(lambda trainer, model: left.append(seconds_left(trainer, model, 2.0, BATCH)))
    fit(tiny_gan(), 1, inside, StopAfterImages(max_images), **options)
    assert left == [None if expected is None else pytest.approx(expected, abs=0.5)]


def test_what_is_done_already_is_not_left(tmp_path: Path) -> None:
    fit(tiny_gan(), 3, LatestCheckpoint(tmp_path), max_time=timedelta(hours=1))
    for options, max_images, expected in (
        ({"max_epochs": 3}, None, [4.0]),  # the second epoch was ended
        ({}, 10 * BATCH, [14.0]),
        ({"max_steps": 8}, None, []),  # three iterations with two penalties: there is nothing to start
        ({"max_steps": 8 + 37}, None, [32.0]),
    ):
        left = list[float | None]()

        def note(trainer: Trainer, model: GAN, left: list[float | None] = left) -> None:
            left.append(seconds_left(trainer, model, 2.0, BATCH))

        fit(
            tiny_gan(),
            1,
            *(Inside(note), StopAfterImages(max_images)),
            resume=tmp_path / "checkpoints" / "last.ckpt",
            **cast(dict[str, Any], options),
        )
        assert left == expected, options


# Disk --------------------------------------------------------------------------------------------------------------


def test_the_size_of_a_checkpoint_is_that_of_its_file(tmp_path: Path) -> None:
    model = tiny_gan()
    fit(model, 1, LatestCheckpoint(tmp_path))
    held = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    moments = [
        value
        for optimizer in held["optimizer_states"]
        for state in optimizer["state"].values()
        for name, value in state.items()
        if name != "step"
    ]
    assert checkpoint_bytes(model) == sum(value.nbytes for value in [*held["state_dict"].values(), *moments])


@pytest.mark.parametrize("monitor", [None, "loss/generator"])
@pytest.mark.parametrize("present", [0, 5000])
def test_a_full_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, monitor: str | None, present: int
) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(bytes(present))
    model = tiny_gan()
    needed = (2 + 1 + (monitor is not None)) * checkpoint_bytes(model) - present
    checkpoints = LatestCheckpoint(tmp_path, keep=2, monitor=monitor)
    free_disk(monkeypatch, needed - 1)
    with pytest.raises(
        ValueError, match=r"output=.* free, and the checkpoints need .* kB.*callbacks\.checkpoint\.keep"
    ):
        fit(model, 1, Preflight(tmp_path), checkpoints)
    assert model.iterations == 0
    free_disk(monkeypatch, needed)
    fit(model, 1, Preflight(tmp_path), checkpoints)
    assert model.iterations == 1


# Losses and memory -------------------------------------------------------------------------------------------------


def refused(tmp_path: Path, message: str, model: GAN, value: float = 0.0) -> BaseException:
    """The error of a pre-flight whose images are about `value`; nothing was trained."""
    data = ImageDataModule(cast(Any, Noisy()), batch_size=BATCH)
    cast(Noisy, data.dataset).value = value
    with pytest.raises(ValueError, match=message) as error:
        fit(model, 1, Preflight(tmp_path), data=data)
    assert (model.iterations, model.guard.skipped) == (0, 0)
    return error.value


@pytest.mark.filterwarnings("ignore:step skipped")
def test_a_loss_that_is_not_finite_is_named(tmp_path: Path) -> None:
    names = r"pre-flight: loss/discriminator.* not finite before training .*model\.\*_optimizer\.lr.*precision=32-true"
    refused(tmp_path, names, tiny_gan(), value=float("nan"))


@pytest.mark.filterwarnings("ignore:step skipped")
def test_a_gradient_that_is_not_finite_is_enough(tmp_path: Path) -> None:
    model = tiny_gan()
    model.guard.max_skipped_steps = 1  # training itself would stop at once
    synthesize: Any = model.calls._synthesize  # type: ignore[misc]
    model.calls._synthesize = lambda *given: (lambda x: x + (x - x.detach()).sqrt())(synthesize(*given))  # type: ignore
    refused(tmp_path, r"pre-flight: a gradient not finite", model)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB"),
        MemoryError("Unable to allocate 9 GiB for an array"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_too_little_memory_names_what_to_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(GAN, "iterate", fail)
    keys = r"data\.batch_size .*model\.generator\.channel_max.*loss\.path_length_batch_shrink.*allocate"
    assert refused(tmp_path, keys, tiny_gan()).__cause__ is error


def test_memory_that_no_machine_has_is_refused(tmp_path: Path) -> None:
    model = tiny_gan()
    iterate = GAN.iterate

    def greedy(scratch: GAN, *arguments: Any) -> None:
        torch.empty(2**60, dtype=torch.uint8)
        iterate(scratch, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GAN, "iterate", greedy)
        refused(tmp_path, r"pre-flight: too little memory", model)


@pytest.mark.parametrize("images", [10**12, 10**18])
def test_so_is_a_batch_that_no_memory_holds(images: int, tmp_path: Path) -> None:
    data = tiny_data()
    data.batch_size = images
    with pytest.raises(ValueError, match=r"too little memory .*lower data\.batch_size"):
        fit(tiny_gan(), 1, Preflight(tmp_path), data=data)


def test_other_errors_stay_what_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(GAN, "iterate", fail)
    with pytest.raises(RuntimeError, match=r"^shapes do not match$"):
        fit(tiny_gan(), 1, Preflight(tmp_path))


def test_all_processes_stop_when_one_fails(tmp_path: Path) -> None:
    strategy = SimpleNamespace(reduce_boolean_decision=lambda decision: False)
    trainer = cast(Trainer, SimpleNamespace(is_global_zero=True, strategy=strategy, callbacks=[]))
    with pytest.raises(ValueError, match="pre-flight: another process failed"):
        Preflight(tmp_path).on_train_start(trainer, tiny_gan())
