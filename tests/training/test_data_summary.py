"""The first line of a run: images, classes and their names, what was left out, and a hint where images are few."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning import Trainer
from torch.utils.data import TensorDataset

from stylelayers.augment import DiffAugment
from stylelayers.data import ImageDataModule, image_folder
from stylelayers.training import DataSummary
from tests.training.tiny import TINY, command_line, fit, image_files, tiny_gan

HINT = "; few images, which a discriminator learns by heart in a long run: augment=ada (or diffaugment) helps"


def data(count: int = 8, names: tuple[str, ...] = (), **options: Any) -> ImageDataModule:
    images = torch.zeros(1, 1, 8, 8).expand(count, -1, -1, -1)
    options = {"num_labels": len(names), **options}
    return ImageDataModule(TensorDataset(images, torch.zeros(count).long()), batch_size=4, class_names=names, **options)


LINES: list[tuple[ImageDataModule, dict[str, Any], str]] = [
    (data(), {}, "8 images, no classes" + HINT),
    (data(), {"few": 8}, "8 images, no classes"),
    (data(1), {"few": 0}, "1 image, no classes"),
    (data(1797), {"few": 1797}, "1,797 images, no classes"),
    (data(names=("cats", "[red]犬")), {"few": 0}, "8 images, 2 classes (cats, [red]犬)"),
    (data(names=("a\nb",)), {"few": 0}, r"8 images, 1 class ('a\nb')"),
    (data(num_labels=3), {"few": 0}, "8 images, 3 classes"),
    (data(names=tuple("abcdef")), {"few": 0, "names": 4}, "8 images, 6 classes (a, b, c, ..., f)"),
    (data(names=tuple("abcd")), {"few": 0, "names": 4}, "8 images, 4 classes (a, b, c, d)"),
    (data(remarks=["other files: 2 .txt"]), {}, "8 images, no classes; other files: 2 .txt" + HINT),
]


@pytest.mark.parametrize(("module", "options", "line"), LINES)
def test_the_line(
    module: ImageDataModule, options: dict[str, Any], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fit(tiny_gan(labels=module.num_labels), 1, DataSummary(**options), data=module)
    assert capsys.readouterr().out == f"data: {line}\n"


def test_augmented_images_need_no_hint(capsys: pytest.CaptureFixture[str]) -> None:
    fit(tiny_gan(augment=DiffAugment()), 1, DataSummary(), data=data())
    assert capsys.readouterr().out == "data: 8 images, no classes\n"


@pytest.mark.parametrize("first", [True, False])
def test_only_the_first_process_tells_and_only_of_data_that_it_knows(
    first: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = SimpleNamespace(is_global_zero=first, datamodule=None if first else data())
    DataSummary().on_train_start(cast(Trainer, trainer), tiny_gan())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("options", [{"few": -1}, {"few": 1.5}, {"names": 1}, {"names": "all"}])
def test_wrong_arguments(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=rf"^DataSummary: {next(iter(options))} must be an int of at least"):
        DataSummary(**options)


def test_a_run_begins_with_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = image_files(tmp_path / "pictures")
    (folder / "list.csv").write_text("none")
    line = "data: 6 images, 2 classes (class0, class1); other files: 1 .csv"
    command_line(monkeypatch, tmp_path, *TINY, "data=folder", f"data.root={folder}", "data.labels=true")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == line + HINT
    assert lines[1].startswith("pre-flight: ")
    assert image_folder(folder, labels=True).remarks == ("other files: 1 .csv",)
