"""Names of classes: from the data to the files of a run, and what is said where a number would change its meaning."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from torch.utils.data import TensorDataset
from typer.testing import CliRunner

from stylelayers.checkpoints import load_generator, save_generator
from stylelayers.cli import app as commands
from stylelayers.data import ImageDataModule
from stylelayers.training import GAN, GeneratorFile
from stylelayers.training.run.resuming import check_resumable
from stylelayers.training.run.transfer import initialize
from tests.training.run.test_transfer import gan
from tests.training.tiny import TINY, command_line, fit, image_files

NAMES = ("cats", "dogs", "pigs")


def data(names: tuple[str, ...]) -> ImageDataModule:
    images = torch.zeros(4, 1, 8, 8)
    return ImageDataModule(TensorDataset(images, torch.arange(4) % 3), batch_size=4, num_labels=3, class_names=names)


def named(*names: str) -> GAN:
    model = gan(labels=3)
    model.name_classes(names)
    return model


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with classes."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "checkpoints").mkdir()
    fit(gan(labels=3), 1, GeneratorFile(folder), data=data(NAMES)).save_checkpoint(folder / "checkpoints" / "last.ckpt")
    return folder


def test_files_of_a_run_have_the_names_of_its_data(run: Path) -> None:
    assert load_generator(run / "generator.safetensors").class_names == NAMES
    assert load_generator(run / "checkpoints" / "last.ckpt").class_names == NAMES


def test_data_without_names_and_networks_without_classes_have_none() -> None:
    assert named().generator.class_names == ()
    model = gan()
    fit(model, 1, data=data(NAMES))
    assert model.generator.class_names == ()


OTHERS = {
    "another order": (("dogs", "cats", "pigs"), r"in another order: number 0 is 'cats' there and 'dogs' here"),
    "other classes": (("cats", "dogs", "owls"), r"with 'pigs' and without 'owls'"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_a_run_is_not_resumed_with_classes_of_another_meaning(kind: str, run: Path) -> None:
    names, difference = OTHERS[kind]
    path = run / "checkpoints" / "last.ckpt"
    refusal = rf"is of a run on other classes than the data's, .*{difference}"
    with pytest.raises(ValueError, match=rf"^resume: the checkpoint {path} {refusal}"):
        check_resumable(path, named(*names))
    with pytest.raises(ValueError, match=refusal):
        fit(gan(labels=3), 1, resume=path, data=data(names))


@pytest.mark.parametrize("names", [NAMES, ()])
def test_a_run_is_resumed_with_its_classes_or_where_they_are_not_known(names: tuple[str, ...], run: Path) -> None:
    path = run / "checkpoints" / "last.ckpt"
    check_resumable(path, named(*names))
    model = gan(labels=3)
    fit(model, 1, resume=path, data=data(names))
    assert model.images_seen == 8


def test_checkpoints_of_earlier_versions_are_resumed(tmp_path: Path, run: Path) -> None:
    contents = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    del contents["class_names"]
    torch.save(contents, tmp_path / "last.ckpt")
    check_resumable(tmp_path / "last.ckpt", named("dogs", "cats", "pigs"))


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("name", ["", "checkpoints/last.ckpt", "generator.safetensors"])
def test_networks_of_other_classes_are_told(kind: str, name: str, run: Path) -> None:
    names, difference = OTHERS[kind]
    model = gan(labels=3)
    with pytest.warns(
        UserWarning, match=rf"^initialize_from: its networks were trained on other classes .*{difference}"
    ) as told:
        initialize(model, run / name, class_names=names)
        model.name_classes(names)
    assert len(told) == 1
    assert model.generator.class_names == model.average.module.class_names == names


@pytest.mark.parametrize(("labels", "strict"), [(3, True), (0, False)])
def test_networks_of_the_same_classes_and_of_none_are_taken_silently(labels: int, strict: bool, run: Path) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*trained on other classes")
        initialize(gan(labels=labels), run, strict=strict, class_names=NAMES)


def test_a_class_folders_name_goes_all_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = image_files(tmp_path / "pictures")
    (folder / "class1").rename(folder / "${oc.env:HOME}, ???")
    start = (*TINY, "data=folder", f"data.root={folder}", "data.labels=true", "hydra.run.dir=run")
    command_line(monkeypatch, tmp_path, *start)

    def shown(*arguments: str) -> str:
        result = CliRunner().invoke(commands.app, list(arguments))
        assert (result.exit_code, result.stderr) == (0, "")
        return str(result.stdout)

    assert json.loads(shown("info", "run", "--json"))["class_names"] == ["${oc.env:HOME}, ???", "class0"]
    for labels in ("class0", "1"):
        shown("generate", "run", f"{labels}.png", "--seeds=0-3", "--labels", labels)
    assert Path("class0.png").read_bytes() == Path("1.png").read_bytes()
    (folder / "class0").rename(folder / "class9")
    with pytest.raises(SystemExit) as end:
        command_line(monkeypatch, tmp_path, *start, "resume=run", "callbacks.stop.max_images=16")
    assert str(end.value).startswith("train.py: resume: the checkpoint ")
    assert "is of a run on other classes than the data's" in str(end.value)
    assert "with 'class0' and without 'class9'" in str(end.value)
    (folder / "class9").rename(folder / "class0")
    command_line(monkeypatch, tmp_path, *start, "resume=run", "callbacks.stop.max_images=16")


def test_names_are_saved_with_the_generator(tmp_path: Path) -> None:
    save_generator(named(*NAMES).average.module, tmp_path / "g.safetensors")
    assert load_generator(tmp_path / "g.safetensors").class_names == NAMES
