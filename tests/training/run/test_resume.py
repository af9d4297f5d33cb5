"""Exact resume: what a run does after a checkpoint does not depend on whether it was stopped there."""

from __future__ import annotations

import errno
import os
import random
import re
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning import Callback, Trainer
from torch import Tensor, nn
from torch.utils.data import Dataset

import train
from stylelayers._random_state import gather_random_states, restore_random_state
from stylelayers.augment import AdaptiveAugment
from stylelayers.data import ImageDataModule
from stylelayers.data.order import ImageOrder
from stylelayers.training import GAN, LatestCheckpoint
from stylelayers.training.run.resuming import check_resumable, find_checkpoint
from tests.training.tiny import BATCH, LABELS, as_earlier, fit, tiny_config, tiny_gan

IMAGES = 2 * BATCH + 3  # three batches an epoch, the last of them filled up


class Flipped(Dataset[Any]):
    """Images that are changed by all three generators of random numbers."""

    def __len__(self) -> int:
        return IMAGES

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(index)) * 2 - 1
        image = image.flip(1) if random.random() < 0.5 else image
        image = image.flip(2) if np.random.rand() < 0.5 else image
        return image * torch.rand(()), index % LABELS


class State(Callback):
    """All tensors of model and optimizers at the end, and the labels and images of every batch."""

    def __init__(self) -> None:
        self.batches: list[Tensor] = []
        self.tensors: dict[str, Any] = {}

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, *_: Any) -> None:
        self.batches.append(batch[0].clone())

    def on_train_end(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self.tensors = {name: value.clone() for name, value in pl_module.state_dict().items()}
        for i, optimizer in enumerate(trainer.optimizers):
            for j, moments in optimizer.state_dict()["state"].items():
                self.tensors |= {f"{i}.{j}.{name}": torch.as_tensor(value).clone() for name, value in moments.items()}


def run(
    iterations: int,
    folder: Path,
    *,
    workers: int,
    resume: Path | None = None,
    augment: nn.Module | None = None,
    r1_form: str = "exact",
) -> State:
    """Part of a training in which every random part is on."""
    torch.manual_seed(0 if resume is None else 99)
    random.seed(0 if resume is None else 99)
    data = ImageDataModule(Flipped(), batch_size=BATCH, num_workers=workers, num_labels=LABELS)
    loss: dict[str, Any] = {"r1_interval": 3, "path_length_interval": 2, "style_mixing": 0.5, "r1_form": r1_form}
    model = tiny_gan(labels=LABELS, augment=augment, **loss)
    strengths: Any = model.generator.synthesis.blocks
    torch.nn.init.constant_(strengths[0].conv1.noise.strength, 0.1)
    state = State()
    fit(model, iterations, state, LatestCheckpoint(folder), resume=resume, data=data)
    return state


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("before", [3, 5])  # at the end of an epoch, and within one
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(before: int, workers: int, tmp_path: Path) -> None:
    whole = run(2 * before, tmp_path / "whole", workers=0)
    first = run(before, tmp_path / "parts", workers=workers)
    second = run(before, tmp_path / "parts", workers=workers, resume=tmp_path / "parts" / "checkpoints" / "last.ckpt")
    assert len(whole.batches) == 2 * before
    for ours, theirs in zip(first.batches + second.batches, whole.batches, strict=True):
        assert torch.equal(ours, theirs)
    assert second.tensors.keys() == whole.tensors.keys()
    assert [name for name, value in whole.tensors.items() if not torch.equal(second.tensors[name], value)] == []


def test_a_checkpoint_with_scalar_noise_strengths_goes_on_bit_for_bit(tmp_path: Path) -> None:
    run(3, tmp_path, workers=0)
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    earlier = as_earlier(checkpoint, tmp_path / "earlier.ckpt")
    check_resumable(earlier, tiny_gan(labels=LABELS))
    states = [run(3, tmp_path / path.stem, workers=0, resume=path) for path in (checkpoint, earlier)]
    assert states[0].tensors.keys() == states[1].tensors.keys()
    for name, value in states[0].tensors.items():
        assert torch.equal(states[1].tensors[name], value), name


@pytest.mark.parametrize("r1_form", ["exact", "finite_difference"])
def test_a_resumed_run_with_augmentation_is_the_same_bit_for_bit(r1_form: str, tmp_path: Path) -> None:
    def part(iterations: int, name: str, resume: Path | None = None) -> State:
        augment = AdaptiveAugment(p=0.5, target=0.0, interval=2, speed=20 * BATCH)
        return run(iterations, tmp_path / name, workers=0, resume=resume, augment=augment, r1_form=r1_form)

    whole = part(6, "whole")
    part(3, "parts")  # between two adjustments
    second = part(3, "parts", tmp_path / "parts" / "checkpoints" / "last.ckpt")
    assert whole.tensors["augment.p"] != 0.5
    assert [name for name, value in whole.tensors.items() if not torch.equal(second.tensors[name], value)] == []


@pytest.mark.parametrize(("iterations", "before", "after"), [(3, 4, 11), (5, 2, 4), (2, 4, 1), (1, 5, 5), (4, 11, 4)])
@pytest.mark.parametrize("processes", [1, 2])
def test_another_batch_size_goes_on_in_the_order_with_whole_batches(
    iterations: int, before: int, after: int, processes: int
) -> None:
    """Each process reads its part of every batch; together they read every place once."""
    start, length = iterations * before * processes, 3 * after * processes

    def places(rank: int) -> list[tuple[int, int]]:
        read: list[tuple[int, int]] = []
        while len(read) < length // processes:
            seen = start + processes * len(read)
            order = ImageOrder(IMAGES, after, seed=0, images_seen=partial(int, seen))
            order.num_replicas, order.rank = processes, rank
            order.num_samples = -(-IMAGES // (processes * after)) * after
            order.total_size = order.num_samples * processes
            read += list(order)
        return read[: length // processes]

    parts = [places(rank) for rank in range(processes)]
    joined = [place for i in range(0, length // processes, after) for part in parts for place in part[i : i + after]]
    assert [place for place, _ in joined] == list(range(start, start + length))
    assert all(0 <= index < IMAGES for _, index in joined)


def test_random_states_are_plain_values_and_go_on_where_they_were(tmp_path: Path) -> None:
    def draw() -> list[float]:
        return [random.random(), random.gauss(0, 1), np.random.randn(), torch.randn(()).item()]

    draw()
    torch.save(gather_random_states(), tmp_path / "states")
    expected = draw()
    (state,) = torch.load(tmp_path / "states", weights_only=True)
    restore_random_state(state)
    assert draw() == expected


def test_epochs_are_whole_shuffled_and_different() -> None:
    data = ImageDataModule(Flipped(), batch_size=BATCH, num_labels=LABELS)
    sampler: Any = data.train_dataloader().sampler
    first, second = list(sampler), list(sampler)
    assert [place for place, _ in first + second] == list(range(2 * len(sampler)))
    for epoch in (first, second):
        assert {index for _, index in epoch[:IMAGES]} == set(range(IMAGES))
        assert len(epoch) % BATCH == 0
    assert [index for _, index in first] != [index for _, index in second]


# Files -------------------------------------------------------------------------------------------------------------


def checkpoints(folder: Path, monitor: str | None = None, **options: Any) -> GAN:
    model = tiny_gan()
    fit(model, 4, LatestCheckpoint(folder, every_minutes=1e-9, monitor=monitor, **options))
    return model


def iterations(path: Path) -> int:
    return int(torch.load(path, weights_only=True)["iterations"])


def test_the_newest_few_are_kept(tmp_path: Path) -> None:
    checkpoints(tmp_path, keep=3)
    found = {path.name: iterations(path) for path in (tmp_path / "checkpoints").iterdir()}
    assert found == {"last.ckpt": 4, "last-1.ckpt": 4, "last-2.ckpt": 3}  # the last iteration, and the end


@pytest.mark.parametrize(("mode", "best"), [("min", 1), ("max", 4)])
def test_the_best_is_kept(mode: str, best: int, tmp_path: Path) -> None:
    checkpoints(tmp_path, monitor="progress/images", mode=mode)
    assert iterations(tmp_path / "checkpoints" / "best.ckpt") == best


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def flip_a_bit(path: Path) -> None:
    """In the numbers of the largest tensor, where ``torch.load`` does not see it."""
    with zipfile.ZipFile(path) as archive:
        tensors = (entry for entry in archive.infolist() if "/data/" in entry.filename)
        largest = max(tensors, key=lambda entry: entry.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + 200 + largest.file_size // 2] ^= 1
    path.write_bytes(bytes(content))
    torch.load(path, weights_only=True)


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("resume", ["auto", "{folder}", "{folder}/checkpoints/last.ckpt"])
def test_a_damaged_newest_file_is_passed_over(damage: Callable[[Path], None], resume: str, tmp_path: Path) -> None:
    checkpoints(tmp_path)
    folder = tmp_path / "checkpoints"
    damage(folder / "last.ckpt")
    with pytest.warns(UserWarning, match=r"last\.ckpt is damaged; going on from .*last-1\.ckpt"):
        assert find_checkpoint(resume.format(folder=tmp_path), tmp_path) == folder / "last-1.ckpt"
    for path in folder.glob("last-*.ckpt"):
        damage(path)
    with pytest.raises(ValueError, match=r"resume must name .*last\.ckpt, which is none or is damaged"):
        find_checkpoint(resume.format(folder=tmp_path), tmp_path)


class _Command:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("key", ["resume", "initialize_from"])
def test_code_in_a_checkpoint_is_refused_without_running(key: str, tmp_path: Path) -> None:
    sentinel, path = tmp_path / "sentinel", tmp_path / "last.ckpt"
    torch.save({"state_dict": {}, "images_seen": 0, "iterations": 0, "more": _Command(f"touch {sentinel}")}, path)
    with pytest.raises(ValueError, match=r"last\.ckpt"):
        train.train(tiny_config(tmp_path / "run", f"{key}={path}"))
    assert not sentinel.exists()
    torch.load(path, weights_only=False)  # to know that the attack is one
    assert sentinel.exists()


def test_a_file_left_between_two_names_is_the_newest(tmp_path: Path) -> None:
    checkpoints(tmp_path)
    folder = tmp_path / "checkpoints"
    shutil.copy(folder / "last.ckpt", folder / "new.ckpt")
    assert find_checkpoint("auto", tmp_path) == folder / "new.ckpt"


def test_auto_starts_afresh_where_there_is_nothing(tmp_path: Path) -> None:
    assert find_checkpoint("auto", tmp_path) is None
    with pytest.raises(ValueError, match=re.escape(f"got {tmp_path}")):
        find_checkpoint(tmp_path, tmp_path)


def test_a_full_disk_costs_a_checkpoint_and_not_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save = Trainer.save_checkpoint

    def fill_the_disk(self: Trainer, path: Any, *rest: Any, **options: Any) -> None:
        save(self, path, *rest, **options)
        if getattr(self.lightning_module, "iterations", 0) in (2, 3):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Trainer, "save_checkpoint", fill_the_disk)
    with pytest.warns(UserWarning, match="no checkpoint was written .*No space left.*training goes on"):
        checkpoints(tmp_path)
    found = {path.name: iterations(path) for path in (tmp_path / "checkpoints").iterdir()}
    assert found == {"last.ckpt": 4, "last-1.ckpt": 4, "last-2.ckpt": 1}


def test_auto_goes_on_in_the_same_folder_and_keeps_its_metrics(tmp_path: Path) -> None:
    for images in (2, 4):
        cfg = tiny_config(tmp_path / "run", "resume=auto", f"callbacks.stop.max_images={images * BATCH}")
        train.train(cfg)
    held = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert held["images_seen"] == 4 * BATCH
    assert {path.name for path in (tmp_path / "run").glob("metrics*.csv")} == {"metrics.0.csv", "metrics.csv"}


# What is not finite ------------------------------------------------------------------------------------------------


class Poison(Callback):
    """Makes the discriminator's bias NaN for the loss, at some iterations, without touching the parameter's memory."""

    def __init__(self, *when: int) -> None:
        self.when = when

    def on_train_batch_start(self, trainer: Trainer, pl_module: GAN, batch: Any, *_: Any) -> None:  # type: ignore[override]
        if pl_module.iterations in self.when:
            batch[0].fill_(float("nan"))


def test_a_step_without_finite_gradients_is_skipped_and_counted(tmp_path: Path) -> None:
    model = tiny_gan(r1_interval=2)
    with pytest.warns(
        UserWarning, match=r"step skipped: .* at iteration \d: .* of discriminator\.\S+ is not finite \(loss nan\)"
    ):
        fit(model, 5, Poison(2), LatestCheckpoint(tmp_path))
    assert (model.guard.skipped, model.guard.in_a_row) == (2, 0)  # the main step and R1
    assert all(value.isfinite().all() for value in model.state_dict().values())
    resumed = tiny_gan(r1_interval=2)
    fit(resumed, 1, resume=tmp_path / "checkpoints" / "last.ckpt")
    assert resumed.guard.skipped == 2


def test_the_step_that_is_skipped_is_named_and_no_earlier_one() -> None:
    model = tiny_gan()
    for parameter in model.generator.parameters():
        parameter.grad = torch.full_like(parameter, float("nan"))  # of a step skipped before
    for parameter in model.discriminator.parameters():
        parameter.grad = torch.full_like(parameter, float("inf"))
    named = model.discriminator.named_parameters(prefix="discriminator")
    with pytest.warns(UserWarning, match=r"step skipped: R1 at iteration 1,632: the gradient of discriminator\."):
        assert not model.guard.allows("R1 at iteration 1,632", named, torch.zeros(()))


@pytest.mark.filterwarnings("ignore:step skipped")
def test_training_stops_when_nothing_is_finite_any_more() -> None:
    model = tiny_gan()
    model.guard.max_skipped_steps = 3
    before = {name: value.clone() for name, value in model.discriminator.state_dict().items()}
    optimizer = partial(torch.optim.SGD, lr=0.0)
    model.generator_optimizer = optimizer  # type: ignore[assignment]
    with pytest.raises(RuntimeError, match=r"3 times in a row\. The weights are those before\. Resume with lower"):
        fit(model, 9, PoisonAll())
    for name, value in model.discriminator.state_dict().items():
        assert torch.equal(value, before[name])


class PoisonAll(Callback):
    """Both networks see NaN from the start."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: GAN, batch: Any, *_: Any) -> None:  # type: ignore[override]
        batch[0].fill_(float("nan"))
        pl_module.calls.synthesize = lambda ws: ws.mean() * torch.full((len(ws), 1, 8, 8), float("nan"))  # type: ignore[method-assign]
