"""Callbacks: pictures and files that a run leaves, when it ends, and what it says meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning import Callback, Trainer
from PIL import Image

from stylelayers import Generator
from stylelayers.checkpoints import describe, load_generator
from stylelayers.explore import latents_of_seeds
from stylelayers.images import save_grid
from stylelayers.models import StyleGenerator
from stylelayers.training import GAN, GeneratorFile, ImageGrid, LatestCheckpoint, StopAfterImages, Throughput
from tests.training.tiny import BATCH, fit, tiny_gan

TRAINER = cast(Trainer, SimpleNamespace(is_global_zero=True, loggers=[]))


def model_with(generator: StyleGenerator, images_seen: int = 0) -> GAN:
    """What the callbacks look at."""
    average = SimpleNamespace(module=generator.eval())
    return cast(GAN, SimpleNamespace(average=average, images_seen=images_seen, iterations=images_seen))


# Pictures ----------------------------------------------------------------------------------------------------------


def test_grids_are_named_by_the_images_seen(tmp_path: Path) -> None:
    model, grid = tiny_gan(), ImageGrid(tmp_path, every_images=3 * BATCH, rows=2, columns=3)
    fit(model, 7, grid)
    seen = ["000000000.png", "000000012.png", "000000024.png", "last.png"]
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == seen
    before, last = (Image.open(tmp_path / "samples" / name) for name in (seen[0], seen[-1]))
    assert before.tobytes() != last.tobytes()


def test_a_grid_depends_on_the_network_and_its_own_seed_alone(tmp_path: Path) -> None:
    generator = tiny_gan().generator
    files = []
    for run in (1, 2):
        torch.manual_seed(run)
        state = torch.get_rng_state()
        ImageGrid(tmp_path / str(run), rows=2, columns=3).on_train_end(TRAINER, model_with(generator))
        assert torch.equal(torch.get_rng_state(), state)
        files.append((tmp_path / str(run) / "samples" / "last.png").read_bytes())
    assert files[0] == files[1]
    ImageGrid(tmp_path, rows=2, columns=3, seed=1).on_train_end(TRAINER, model_with(generator))
    assert (tmp_path / "samples" / "last.png").read_bytes() != files[0]


def test_a_grid_shows_its_latents_row_by_row_without_a_gap(tmp_path: Path) -> None:
    generator = Generator((8, 12), z_dim=4, w_dim=4, channel_base=32, mapping_layers=2)
    generator(torch.randn(64, 4))  # moves the mean of w
    grid = ImageGrid(tmp_path, rows=5, columns=8, truncation_psi=0.5, seed=7)
    grid.on_train_start(TRAINER, model_with(generator, images_seen=123))
    z = latents_of_seeds(range(7 * 40, 8 * 40), 4)
    with torch.no_grad():
        images = generator(z, truncation_psi=0.5, noise="const").clamp(-1, 1)
    expected = images.unflatten(0, (5, 8)).permute(0, 3, 1, 4, 2).flatten(2, 3).flatten(0, 1)  # (5 * 8, 8 * 12, 3)
    picture = Image.open(tmp_path / "samples" / "000000123.png")
    assert picture.size == (8 * 12, 5 * 8)
    shown = torch.tensor(list(picture.convert("RGB").tobytes())).view(5 * 8, 8 * 12, 3)
    torch.testing.assert_close(shown / 127.5 - 1, expected, atol=0.6 / 127.5, rtol=0.0)


def test_classes_run_along_the_columns(tmp_path: Path) -> None:
    generator, given = tiny_gan(labels=3).generator, list[torch.Tensor]()
    generator.mapping.register_forward_pre_hook(lambda _, inputs: given.append(inputs[1]))
    ImageGrid(tmp_path, rows=8, columns=5).on_train_end(TRAINER, model_with(generator))
    assert torch.cat(given).view(8, 5).tolist() == [[0, 1, 2, 0, 1]] * 8


@pytest.mark.parametrize(("channels", "kept"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (4, [0, 1, 2])])
def test_grids_of_any_channels_span_black_to_white(tmp_path: Path, channels: int, kept: list[int]) -> None:
    levels = torch.tensor([-1.0, 0.0, 1.0, 9.0])[:channels]
    path = save_grid(levels.view(1, -1, 1, 1).expand(2, -1, 4, 4), tmp_path / "new" / "x.png", columns=1)
    assert [file.name for file in path.parent.iterdir()] == ["x.png"]
    picture = Image.open(path)
    assert picture.size == (4, 8)
    assert picture.convert("RGB").getpixel((0, 7)) == tuple((0, 128, 255)[channel] for channel in kept)


# Files -------------------------------------------------------------------------------------------------------------


def test_the_checkpoint_is_whole_and_holds_the_run(tmp_path: Path) -> None:
    model = tiny_gan()
    fit(model, 2, LatestCheckpoint(tmp_path))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]
    held = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert (held["images_seen"], held["iterations"]) == (2 * BATCH, 2)
    assert set(held["state_dict"]) == set(model.state_dict())
    assert [len(state["state"]) for state in held["optimizer_states"]] == [
        len(list(network.parameters())) for network in (model.generator, model.discriminator)
    ]


class Raise(Callback):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_train_batch_start(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        if pl_module.iterations == 2:
            raise self.error


def test_the_checkpoint_is_written_when_training_is_interrupted(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        fit(tiny_gan(), 9, LatestCheckpoint(tmp_path), Raise(KeyboardInterrupt()))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]
    assert torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["iterations"] == 2


def test_checkpoints_are_written_every_so_many_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, written = [0.0], list[float]()

    def save(path: Path) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
        written.append(clock[0])

    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    strategy = SimpleNamespace(broadcast=lambda due: due)
    trainer = cast(Trainer, SimpleNamespace(is_global_zero=True, world_size=1, strategy=strategy, save_checkpoint=save))
    callback, model = LatestCheckpoint(tmp_path, every_minutes=2.0), tiny_gan()
    callback.on_train_start(trainer, model)
    for seconds in (60, 119, 121, 200, 241, 400):
        clock[0] = seconds
        callback.on_train_batch_end(trainer, model)
    assert written == [121, 241, 400]


def test_the_generator_file_holds_the_average(tmp_path: Path) -> None:
    model = tiny_gan()
    fit(model, 2, GeneratorFile(tmp_path))
    loaded, average = load_generator(tmp_path).state_dict(), model.average.module.state_dict()
    torch.testing.assert_close(dict(loaded), dict(average), rtol=0.0, atol=0.0)
    assert any(not torch.equal(average[name], value) for name, value in model.generator.state_dict().items())
    expected = {"images_seen": 2 * BATCH, "iterations": 2, "skipped_steps": 0, "average_half_life": 10_000}
    assert describe(tmp_path).summary == expected


def test_only_the_first_rank_writes_pictures_and_the_generator(tmp_path: Path) -> None:
    trainer, model = cast(Trainer, SimpleNamespace(is_global_zero=False)), model_with(tiny_gan().generator)
    for callback in (ImageGrid(tmp_path), GeneratorFile(tmp_path)):
        callback.on_train_start(trainer, model)
        callback.on_train_end(trainer, model)
    assert list(tmp_path.iterdir()) == []


# Length and speed --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_images", "iterations"), [(1, 1), (2 * BATCH, 2), (2 * BATCH + 1, 3), (None, 4)])
def test_training_stops_after_so_many_images(max_images: int | None, iterations: int) -> None:
    model = tiny_gan()
    fit(model, 99, StopAfterImages(max_images), max_epochs=2, limit_train_batches=2)
    assert model.iterations == iterations


def test_throughput_is_images_over_the_time_of_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    times, images = [0.0, 1.0, 3.0, 7.0, 8.0], [10, 20, 30, 40, 60]
    logged: list[float] = []
    model = SimpleNamespace(log=lambda name, value: logged.append(value))
    callback = Throughput(window=3)
    for start_again in (False, True):
        callback.on_train_start(TRAINER, cast(GAN, model))
        logged *= start_again is False
        for now, seen in zip(times, images, strict=True):
            monkeypatch.setattr("time.perf_counter", lambda now=now: now)
            model.images_seen = seen
            callback.on_train_batch_end(TRAINER, cast(GAN, model))
        assert logged == pytest.approx([10 / 1, 20 / 3, 20 / 6, 30 / 5])


# Wrong arguments ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ImageGrid("x", every_images=0), r"\bevery_images must be an int of at least 1, got 0"),
        (lambda: ImageGrid("x", rows=0), r"\brows must be an int of at least 1, got 0"),
        (lambda: ImageGrid("x", columns=-1), r"\bcolumns must be an int of at least 1, got -1"),
        (lambda: ImageGrid("x", rows=cast(int, 1.5)), r"\brows must be an int of at least 1, got 1\.5"),
        (lambda: ImageGrid("x", seed=-1), "ImageGrid: seed must be an int of at least 0, got -1"),
        (
            lambda: LatestCheckpoint("x", every_minutes=0.0),
            r"^LatestCheckpoint: every_minutes must be a number above 0",
        ),
        (lambda: LatestCheckpoint("x", every_minutes=float("nan")), r"every_minutes must be a number above 0, got nan"),
        (lambda: StopAfterImages(0), "StopAfterImages: max_images must be an int of at least 1, got 0"),
        (lambda: Throughput(1), "Throughput: window must be an int of at least 2, got 1"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[[], Callback], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
