"""Pictures and files go to the loggers that can take them, and to no others."""

from __future__ import annotations

import warnings
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from lightning import Trainer
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import train
from stylelayers.training import ImageGrid
from stylelayers.training.run import building
from stylelayers.training.watching import send_generator, send_picture
from tests.training.tiny import BATCH, fit, tiny_config, tiny_gan


class OwnLogger(Logger):
    """A user's logger, which takes pictures."""

    name, version = "own", 0

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error, self.taken = error, list[tuple[str, int, Image.Image]]()
        self.configuration: dict[str, Any] = {}

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        pass

    def log_hyperparams(self, params: dict[str, Any]) -> None:  # type: ignore[override]
        self.configuration = params

    def log_image(self, key: str, images: list[Image.Image], step: int) -> None:
        if self.error is not None:
            raise self.error
        self.taken += [(key, step, image) for image in images]


def trainer_with(*loggers: Logger, first: bool = True) -> Trainer:
    return cast(Trainer, SimpleNamespace(is_global_zero=first, loggers=list(loggers)))


def picture_file(path: Path, mode: str = "RGB", size: tuple[int, int] = (6, 4)) -> Path:
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], channels), dtype=np.uint8)
    Image.fromarray(pixels.squeeze()).save(path)
    return path


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    accumulator.Reload()
    return accumulator


def test_a_run_sends_its_grids_to_tensorboard_at_the_steps_of_its_numbers(tmp_path: Path) -> None:
    run = tmp_path / "run"
    overrides = ("callbacks.grid.every_images=8", f"callbacks.stop.max_images={5 * BATCH}")
    train.train(tiny_config(run, *overrides))
    logged = events(run / "tensorboard")
    grids = logged.Images("samples/grid")
    assert [grid.step for grid in grids] == [0, 2, 4, 5]
    for grid, name in zip(grids, ("000000000", "000000008", "000000016", "last"), strict=True):
        with (
            Image.open(BytesIO(grid.encoded_image_string)) as shown,
            Image.open(run / "samples" / f"{name}.png") as kept,
        ):
            assert shown.tobytes() == kept.convert("RGB").tobytes()
    assert [event.step for event in logged.Scalars("progress/images")] == [0, 1, 2, 3, 4]


def test_a_grid_at_the_end_is_not_sent_twice(tmp_path: Path) -> None:
    own = OwnLogger()
    fit(tiny_gan(), 2, ImageGrid(tmp_path, every_images=2 * BATCH, rows=2, columns=3), logger=own)
    assert [step for _, step, _ in own.taken] == [0, 2]


def test_a_logger_of_the_users_gets_the_grids_and_the_whole_configuration(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "run", "+logger.own._target_=tests.training.test_watching.OwnLogger")
    parts = building.build(config)
    building.fit(config, *parts)
    own = next(logger for logger in parts[0].loggers if isinstance(logger, OwnLogger))
    assert {key for key, _, _ in own.taken} == {"samples/grid"}
    assert own.configuration["model"]["generator"]["num_labels"] == 10
    assert own.configuration["output"] == str(tmp_path / "run")


@pytest.mark.parametrize(("mode", "taken"), [("L", "RGB"), ("LA", "RGBA"), ("RGB", "RGB"), ("RGBA", "RGBA")])
def test_pictures_of_all_modes_are_taken(tmp_path: Path, mode: str, taken: str) -> None:
    path, own = picture_file(tmp_path / "x.png", mode), OwnLogger()
    board = TensorBoardLogger(tmp_path, name="", version="board")
    send_picture(trainer_with(own, board, CSVLogger(tmp_path)), path, name="a/b", step=7)
    (key, step, image) = own.taken[0]
    assert (key, step, image.mode) == ("a/b", 7, taken)
    with Image.open(path) as kept:
        assert image.tobytes() == kept.convert(taken).tobytes()
    event = events(tmp_path / "board").Images("a/b")[0]
    with Image.open(BytesIO(event.encoded_image_string)) as shown:
        assert (event.step, shown.tobytes()) == (7, image.tobytes())


@pytest.mark.parametrize(("size", "shown"), [((1024, 8), (1024, 8)), ((1025, 8), (513, 4)), ((9, 4096), (3, 1024))])
def test_large_pictures_are_reduced(tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]) -> None:
    own = OwnLogger()
    send_picture(trainer_with(own), picture_file(tmp_path / "x.png", size=size), name="a", step=0)
    assert own.taken[0][2].size == shown


def test_a_logger_that_fails_is_warned_of_once_and_the_others_go_on(tmp_path: Path) -> None:
    path, failing, own = picture_file(tmp_path / "x.png"), OwnLogger(ConnectionError("no network")), OwnLogger()
    with pytest.warns(UserWarning, match=r"OwnLogger did not take the picture .*x.png \(ConnectionError: no network\)"):
        send_picture(trainer_with(failing, own), path, name="a", step=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        send_picture(trainer_with(failing, own), path, name="a", step=1)
    assert [step for _, step, _ in own.taken] == [0, 1]


def test_other_processes_send_nothing(tmp_path: Path) -> None:
    own = OwnLogger()
    send_picture(trainer_with(own, first=False), tmp_path / "missing.png", name="a", step=0)
    assert own.taken == []


def test_loggers_without_files_are_passed_over(tmp_path: Path) -> None:
    board = TensorBoardLogger(tmp_path, name="", version="")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        send_generator(trainer_with(OwnLogger(), CSVLogger(tmp_path), board), tmp_path / "x", alias="best")
