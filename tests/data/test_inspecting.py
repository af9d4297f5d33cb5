"""inspect_data and suggest_training: what a data set holds, and the command that trains on it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stylelayers.data.encoded_images import Preparation
from stylelayers.data.inspecting import contact_sheet, inspect_data
from stylelayers.data.opening import open_data
from stylelayers.data.preparing import prepare
from stylelayers.data.suggesting import suggest_training
from stylelayers.training.run.presets import published
from tests.data.pictures import GREEN, noise_jpeg, stripes
from tests.training.tiny import compose


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Images of three sizes in three classes, two of them equal, and two that cannot be read."""
    folder = tmp_path / "pets"
    for name, count in (("cats", 4), ("dogs", 2), ("pigs", 1)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            stripes(60 + number, 40).save(folder / name / f"{number}.png")
    half = stripes(200, 100)
    half.putalpha(254)
    half.save(folder / "pigs" / "1.webp", lossless=True)
    noise_jpeg(folder / "dogs" / "cut.jpg", keep=0.5)
    (folder / "dogs" / "none.png").write_bytes(b"")
    return folder


@pytest.mark.filterwarnings("ignore:.*skipped 1 unreadable")
def test_what_a_folder_holds(pets: Path) -> None:
    data = open_data(str(pets))
    facts = inspect_data(data)
    assert (facts.images, facts.widths, facts.heights) == (9, (60, 61, 200), (40, 40, 100))
    assert facts.sizes == {"60x40": 3, "61x40": 2, "62x40": 1, "63x40": 1, "64x64": 1}
    assert (facts.different_sizes, facts.short_side, facts.channels) == (6, 40, 4)
    assert facts.modes == {"PNG RGB": 7, "JPEG RGB": 1, "WEBP RGBA": 1}
    assert facts.classes == {"cats": 4, "dogs": 3, "pigs": 2}
    equal = [["cats/0.png", "dogs/0.png", "pigs/0.png"], ["cats/1.png", "dogs/1.png"]]
    assert facts.duplicates == [[str(pets / name) for name in group] for group in equal]
    assert facts.unreadable == [f"{pets / 'dogs' / 'none.png'} (it is empty)"]
    told = inspect_data(data, decode=True)
    assert (told.images, told.classes["dogs"]) == (8, 2)
    assert [each.split(" (")[0] for each in told.unreadable] == [
        str(pets / "dogs" / name) for name in ("none.png", "cut.jpg")
    ]


def test_archives_and_other_data(pets: Path, tmp_path: Path) -> None:
    for name in ("cut.jpg", "none.png"):
        (pets / "dogs" / name).unlink()
    prepare(open_data(str(pets)), tmp_path / "x.zip", Preparation(resolution=(16, 16), channels=1))
    facts = inspect_data(open_data(str(tmp_path / "x.zip")), decode=True)
    assert (facts.images, facts.sizes, facts.modes) == (8, {"16x16": 8}, {"PNG L": 8})
    assert facts.classes == {"cats": 4, "dogs": 2, "pigs": 2}
    assert sum(map(len, facts.duplicates)) >= 5
    scans = inspect_data(open_data("digits", max_images=100))
    assert (scans.images, scans.modes, scans.sizes, len(scans.classes)) == (100, {"L": 100}, {"8x8": 100}, 10)


def test_vectors_are_counted(tmp_path: Path) -> None:
    stripes().save(tmp_path / "1.png")
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [["1.png", [0.5, 1, 2]]]}))
    data = open_data(str(tmp_path))
    facts = inspect_data(data)
    assert (facts.labels, facts.vector_length, facts.classes) == ("vectors", 3, {})
    assert "data.labels=vectors" in suggest_training(data, facts).command


@pytest.mark.filterwarnings("ignore:.*skipped 1 unreadable")
def test_the_sheet_shows_images_of_the_whole_list(pets: Path) -> None:
    sheet = contact_sheet(open_data(str(pets)), images=4, side=30)
    assert sheet.shape == (4, 30, 30, 3)
    assert [tuple(each[15, 15].tolist()) for each in sheet[:3]] == [GREEN, GREEN, GREEN]
    assert len(contact_sheet(open_data(str(pets)))) == 8  # the damaged one is left out


SIZES: dict[str, tuple[list[tuple[int, int]], Any, int]] = {
    "one size": ([(48, 32)] * 3, (32, 48), 32),
    "one square": ([(256, 256)] * 2, 256, 16),
    "an odd size": ([(259, 257)] * 2, 256, 16),
    "several sizes": ([(300, 520), (600, 600), (1000, 700)], 256, 16),
    "tiny": ([(5, 5), (7, 7)], 16, 32),
}


@pytest.mark.parametrize("kind", SIZES)
def test_the_command_composes_with_the_published_batch(tmp_path: Path, kind: str) -> None:
    sizes, resolution, batch = SIZES[kind]
    folder = tmp_path / "my images, 'new'"
    folder.mkdir()
    for number, size in enumerate(sizes):
        Image.new("L", size, number).save(folder / f"{number}.png")
    data = open_data(str(folder))
    suggestion = suggest_training(data, inspect_data(data))
    assert (suggestion.resolution, suggestion.batch_size) == (resolution, batch)
    config = compose(*shlex.split(suggestion.command)[2:], f"output={tmp_path}")
    assert (config.data.root, config.data.image_channels, config.data.labels) == (str(folder), 1, "none")
    assert config.data.batch_size == batch == published("batch_size", resolution)
    assert any("augmentation" in note for note in suggestion.notes)
    assert any("enlarged" in note for note in suggestion.notes) == (kind == "tiny")
    assert any("stylelayers prepare" in note for note in suggestion.notes) == (kind == "several sizes")


def test_the_command_of_digits() -> None:
    data = open_data("digits")
    suggestion = suggest_training(data, inspect_data(data))
    assert (suggestion.command, suggestion.resolution, suggestion.notes) == ("stylelayers train data=digits", 32, ())


def test_transparency_is_told(tmp_path: Path) -> None:
    Image.new("RGBA", (16, 16)).save(tmp_path / "1.png")
    data = open_data(str(tmp_path))
    notes = suggest_training(data, inspect_data(data)).notes
    assert any("data.image_channels=4 keeps the transparency" in note for note in notes)
