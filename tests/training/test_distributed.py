"""Several processes on CPUs: together they are one process with their batches joined, and they agree on everything."""

from __future__ import annotations

import errno
import itertools
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Callback, Trainer
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.data import TensorDataset

from stylelayers import Discriminator, Generator
from stylelayers.data import ImageDataModule
from stylelayers.training import GAN, GeneratorFile, LatestCheckpoint, StyleGAN2Loss
from stylelayers.training.run import Preflight
from tests.training.processes import in_processes
from tests.training.tiny import LABELS, fit

BATCH = 12  # of all processes
MEANS = ("loss/generator", "loss/discriminator", "logits/real", "penalty/r1", "penalty/path_length", "path_length/mean")
pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's, and the steps that are meant to be skipped


class JoinedRandomness(TorchFunctionMode):
    """Numbers drawn by process r of `count` are samples r, r + count, ... of those that a single one draws."""

    def __init__(self, rank: int, count: int) -> None:
        super().__init__()
        self.rank, self.count, self.calls = rank, count, itertools.count()
        self.batches = (BATCH // count, BATCH // 2 // count)  # of the adversarial losses and of path lengths

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.randn_like:
            func, args, kwargs = torch.randn, args[0].shape, {"dtype": args[0].dtype}
        if func not in (torch.randn, torch.rand, torch.randint) or "generator" in kwargs:
            return func(*args, **kwargs)
        bounds, shape = (args[:2], args[2]) if func is torch.randint else ((), args)
        place = next(place for place, size in enumerate(shape) if size in self.batches)
        joined = [*shape[:place], shape[place] * self.count, *shape[place + 1 :]]
        source = torch.Generator().manual_seed(next(self.calls))
        drawn = func(*bounds, joined, generator=source, **kwargs).movedim(place, 0)
        return drawn[self.rank :: self.count].movedim(0, place)


class Interleaved(Callback):
    """Deals the consecutive parts of a batch, one a process of two, out to every other place."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, *_: Any) -> None:
        for tensor in batch:
            tensor.copy_(tensor.unflatten(0, (2, -1)).transpose(0, 1).flatten(0, 1))


class Poison(Callback):
    """Makes the images of one process NaN, once."""

    def on_train_batch_start(self, trainer: Trainer, pl_module: Any, batch: Any, *_: Any) -> None:
        if (trainer.global_rank, pl_module.iterations) == (1, 2):
            batch[0].fill_(float("nan"))


def gan(learning_rate: float = 0.002, **loss: Any) -> GAN:
    """Two groups of six images a batch, in order: one a process, or those at even and at odd places."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"num_labels": LABELS, "image_channels": 1, "channel_base": 32}
    generator = Generator(8, z_dim=4, w_dim=4, mapping_layers=2, **sizes)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise.strength"):
            torch.nn.init.constant_(parameter, 0.1)
    discriminator = Discriminator(8, label_layers=2, mbstd_group_size=BATCH // 2, **sizes)
    optimizer = partial(torch.optim.Adam, lr=learning_rate, betas=(0.0, 0.99))
    loss = {"r1_interval": 3, "path_length_interval": 2, **loss}
    return GAN(generator, discriminator, StyleGAN2Loss(**loss), optimizer, optimizer)


def run(rank: int, count: int, folder: Path, iterations: int, *callbacks: Any, **options: Any) -> GAN:
    """Train by this process and the others; what it has in the end goes to ``folder/<rank>.pt``."""
    images = torch.rand(5 * BATCH, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    images = images.to(torch.float64 if options.get("precision") == "64-true" else torch.float32)
    dataset = TensorDataset(images.float(), torch.arange(len(images)) % LABELS)
    data = ImageDataModule(dataset, batch_size=BATCH // count, num_labels=LABELS)
    model = gan(**options.pop("loss", {}))
    model.compiles = options.pop("compiles", False)
    trainer = fit(model, iterations, *callbacks, data=data, **{"devices": count, **options})
    state = {"model": model.state_dict(), "skipped": model.guard.skipped, "seen": model.images_seen}
    state |= {"metrics": dict(trainer.callback_metrics), "strategy": type(trainer.strategy).__name__}
    folder.mkdir(exist_ok=True)
    torch.save({**state, "draw": torch.empty(4).uniform_()}, folder / f"{rank}.pt")
    return model


def results(folder: Path, count: int = 2) -> list[dict[str, Any]]:
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(count)]


def assert_equal(actual: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    torch.testing.assert_close(actual, expected, rtol=0.0, atol=0.0)


def different(first: dict[str, Any], second: dict[str, Any]) -> list[str]:
    """Names of tensors that are not the same bit for bit."""
    return [name for name, value in first["model"].items() if not torch.equal(value, second["model"][name])]


# Two processes are one ----------------------------------------------------------------------------------------------


def joined(rank: int, count: int, folder: Path, options: dict[str, Any]) -> None:
    with JoinedRandomness(rank, count):
        run(rank, count, folder, 20, *([Interleaved()] if count == 1 else []), **options)


@pytest.mark.parametrize(
    ("strategy", "precision", "tolerance", "r1_form"),
    [
        ("auto", "32-true", 1e-5, "exact"),
        ("auto", "64-true", 1e-11, "exact"),
        ("ddp_find_unused_parameters_true", "32-true", 1e-5, "exact"),
        ("auto", "64-true", 1e-9, "finite_difference"),
    ],
)
def test_two_processes_with_half_the_batch_are_one(
    strategy: str, precision: str, tolerance: float, r1_form: str, tmp_path: Path
) -> None:
    """Parameters, averages, means of w and of path lengths, and metrics, with both penalties on."""
    options: dict[str, Any] = {"precision": precision, "loss": {"r1_form": r1_form}}
    in_processes(1, joined, tmp_path / "one", options)
    in_processes(2, joined, tmp_path / "two", {**options, "strategy": strategy})
    (one,), (first, second) = results(tmp_path / "one", 1), results(tmp_path / "two")
    assert (one["strategy"], first["strategy"]) == ("SingleDeviceStrategy", "DDPStrategy")
    assert different(first, second) == []
    assert one["seen"] == first["seen"] == 20 * BATCH
    torch.testing.assert_close(first["model"], one["model"], rtol=tolerance, atol=tolerance)
    for name in MEANS:
        torch.testing.assert_close(first["metrics"][name], one["metrics"][name], rtol=1e-4, atol=1e-5)
    assert first["model"]["loss.path_length_penalty.mean"] > 0
    assert first["model"]["generator.mapping.w_mean"].abs().max() > 0


def lonely(rank: int, count: int, folder: Path) -> None:
    """A deliberate fault: nothing is averaged."""
    pytest.MonkeyPatch().setattr("stylelayers.training.iteration.average_gradients", lambda optimizer: None)
    run(rank, count, folder, 2)


def test_without_averaged_gradients_the_processes_go_apart(tmp_path: Path) -> None:
    in_processes(2, lonely, tmp_path)
    assert len(different(*results(tmp_path))) > 20


def eager_and_compiled(rank: int, count: int, folder: Path) -> None:
    without_code = partial(torch.compile, backend="aot_eager", fullgraph=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "compile", lambda function, **_: without_code(function))
        run(rank, count, folder / "compiled", 4, compiles=True)
    torch.manual_seed(0)  # the order of images
    run(rank, count, folder / "eager", 4)


@pytest.mark.slow
def test_two_processes_take_the_same_steps_compiled(tmp_path: Path) -> None:
    in_processes(2, eager_and_compiled, tmp_path)
    first, second = results(tmp_path / "compiled")
    assert different(first, second) == []
    torch.testing.assert_close(first["model"], results(tmp_path / "eager")[0]["model"], rtol=1e-4, atol=1e-5)


# What they agree on, and what not -----------------------------------------------------------------------------------


def with_files(rank: int, count: int, folder: Path) -> None:
    run(rank, count, folder, 5, Preflight(folder), Poison(), LatestCheckpoint(folder), GeneratorFile(folder))


def test_processes_agree_on_all_but_their_random_numbers(tmp_path: Path) -> None:
    """Also on the steps that are skipped since the images of one of them are NaN."""
    in_processes(2, with_files, tmp_path)
    first, second = results(tmp_path)
    assert different(first, second) == []
    assert all(value.isfinite().all() for value in first["model"].values())
    assert_equal(first["metrics"], second["metrics"])
    assert first["skipped"] == second["skipped"] == 1  # the discriminator's
    assert not torch.equal(first["draw"], second["draw"])
    checkpoint = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert_equal(dict(checkpoint["state_dict"]), first["model"])
    assert len(checkpoint["random_states"]) == 2
    written = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert written == ["0.pt", "1.pt", "generator.safetensors", "last.ckpt"]


def resumable(rank: int, count: int, folder: Path, iterations: int, resume: Path | None) -> None:
    run(rank, count, folder, iterations, LatestCheckpoint(folder), resume=resume)


@pytest.mark.parametrize(("before", "after"), [(2, 2), (2, 1), (1, 2)])
def test_a_run_goes_on_with_as_many_processes_or_others(before: int, after: int, tmp_path: Path) -> None:
    in_processes(before, resumable, tmp_path / "a", 3, None)
    resume = tmp_path / "a" / "checkpoints" / "last.ckpt"
    in_processes(after, resumable, tmp_path / "b", 3, resume)
    in_processes(before, resumable, tmp_path / "whole", 6, None)
    ended, whole = results(tmp_path / "b", after), results(tmp_path / "whole", before)
    assert ended[0]["seen"] == whole[0]["seen"] == 6 * BATCH  # the same images, with as many a batch of all
    assert different(ended[0], ended[-1]) == []
    if before == after:  # bit for bit, each with its own random numbers
        for ours, theirs in zip(ended, whole, strict=True):
            assert different(ours, theirs) == []
            assert torch.equal(ours["draw"], theirs["draw"])
    else:
        saved = results(tmp_path / "a", before)
        draws = [tuple(state["draw"].tolist()) for state in (*ended, *saved, *whole)]
        assert len(set(draws)) == len(draws)  # new random numbers for all


# What goes wrong ----------------------------------------------------------------------------------------------------


def with_full_disk(rank: int, count: int, folder: Path, when: tuple[int, ...]) -> None:
    def fill_the_disk(self: Any, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        torch.save(checkpoint, path)
        if checkpoint["iterations"] in when:
            raise OSError(errno.ENOSPC, "No space left on device")

    pytest.MonkeyPatch().setattr("lightning.fabric.plugins.TorchCheckpointIO.save_checkpoint", fill_the_disk)
    run(rank, count, folder, 4, LatestCheckpoint(folder, every_minutes=1e-9))


def test_a_full_disk_costs_a_checkpoint_and_not_the_run(tmp_path: Path) -> None:
    in_processes(2, with_full_disk, tmp_path, (2, 3))
    files = {path.name: torch.load(path, weights_only=True) for path in (tmp_path / "checkpoints").iterdir()}
    assert {name: held["iterations"] for name, held in files.items()} == {
        "last.ckpt": 4,
        "last-1.ckpt": 4,
        "last-2.ckpt": 1,
    }
    assert different(*results(tmp_path)) == []


def test_a_full_disk_at_the_end_is_an_error_of_all(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="No space left on device"):
        in_processes(2, with_full_disk, tmp_path, (4,))


def with_a_failing_rehearsal(rank: int, count: int, folder: Path) -> None:
    if rank == 1:
        pytest.MonkeyPatch().setattr(GAN, "iterate", out_of_memory)
    try:
        run(rank, count, folder, 2, Preflight(folder))
    except ValueError as error:
        folder.joinpath(f"{rank}.txt").write_text(str(error))


def out_of_memory(*_: Any) -> None:
    raise MemoryError("not enough")


def test_all_stop_before_training_if_the_rehearsal_of_one_fails(tmp_path: Path) -> None:
    in_processes(2, with_a_failing_rehearsal, tmp_path)
    said = [(tmp_path / f"{rank}.txt").read_text() for rank in range(2)]
    assert said[0] == "pre-flight: another process failed, and says why"
    assert "too little memory" in said[1]
