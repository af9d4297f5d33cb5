"""Names of classes in files: what comes back, from files of earlier versions, and from files that say nonsense."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from stylelayers import Generator
from stylelayers.checkpoints import convert, describe, load_generator, save_generator
from stylelayers.checkpoints.hub import HubGenerator
from tests.training.tiny import tiny_gan

DATA = Path(__file__).parents[1] / "data"
NAMES = ("T-shirt/top", 'a "b", c', "犬\u2028", "${oc.env:HOME}", "0-9")


def named(names: tuple[str, ...] = NAMES) -> Generator:
    generator = Generator(8, z_dim=4, w_dim=4, num_labels=len(NAMES), channel_base=32, mapping_layers=2)
    generator.class_names = names
    return generator


def generator_file(folder: Path, names: tuple[str, ...]) -> Path:
    return save_generator(named(names), folder / "g.safetensors")


def checkpoint(folder: Path, names: tuple[str, ...]) -> Path:
    model, contents = tiny_gan(labels=len(NAMES)), dict[str, Any]()
    model.name_classes(names)
    model.on_save_checkpoint(contents)
    torch.save({**contents, "state_dict": model.state_dict()}, folder / "x.ckpt")
    return folder / "x.ckpt"


def hub_folder(folder: Path, names: tuple[str, ...]) -> Path:
    HubGenerator.of(named(names)).save_pretrained(folder / "hub")
    assert HubGenerator.from_pretrained(str(folder / "hub")).class_names == names
    return folder / "hub"


def converted(folder: Path, names: tuple[str, ...]) -> Path:
    return convert(checkpoint(folder, names), folder / "converted.safetensors").target


@pytest.mark.parametrize("names", [NAMES, ()], ids=["named", "not named"])
@pytest.mark.parametrize("write", [generator_file, checkpoint, hub_folder, converted])
def test_class_names_survive_saving(tmp_path: Path, write: Callable[..., Path], names: tuple[str, ...]) -> None:
    path = write(tmp_path, names)
    assert load_generator(path).class_names == names
    assert describe(path).class_names == names


@pytest.mark.parametrize("write", [generator_file, checkpoint, hub_folder, converted])
def test_the_kind_of_labels_survives_saving(
    tmp_path: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Generator, "_label_kind", "vectors")
    path = write(tmp_path, NAMES)
    monkeypatch.undo()
    assert Generator(8, num_labels=5, channel_base=32).label_kind == "classes"
    assert load_generator(path).label_kind == describe(path).label_kind == "vectors"


def test_files_without_a_kind_of_labels_have_classes(tmp_path: Path) -> None:
    with safe_open(generator_file(tmp_path, NAMES), framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert metadata.pop("label_kind") == "classes"
    save_file(tensors, tmp_path / "x.safetensors", metadata)
    assert load_generator(tmp_path / "x.safetensors").label_kind == describe(tmp_path / "x.safetensors").label_kind
    assert load_generator(tmp_path / "x.safetensors").label_kind == "classes"
    assert load_generator(DATA / "stylegan2_official_32.pkl").label_kind in ("none", "classes")
    for kind in ("none", "both"):
        save_file(tensors, tmp_path / "x.safetensors", {**metadata, "label_kind": kind})
        for call in (load_generator, describe):
            with pytest.raises(
                ValueError, match=f"label_kind must be classes or vectors for num_labels=5, got '{kind}'"
            ):
                call(tmp_path / "x.safetensors")  # type: ignore[operator]


def test_class_names_are_plain_json(tmp_path: Path) -> None:
    with safe_open(generator_file(tmp_path, NAMES), framework="pt") as file:
        assert json.loads(file.metadata()["class_names"]) == list(NAMES)


@pytest.mark.parametrize("name", ["generator_version_1.safetensors", "stylegan2_official_32.pkl"])
def test_files_without_class_names_load(name: str) -> None:
    assert load_generator(DATA / name).class_names == describe(DATA / name).class_names == ()


def test_early_files_and_checkpoints_load(tmp_path: Path) -> None:
    with safe_open(generator_file(tmp_path, NAMES), framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del metadata["class_names"]
    save_file(tensors, tmp_path / "earlier.safetensors", metadata)
    contents = torch.load(checkpoint(tmp_path, NAMES), weights_only=True)
    del contents["class_names"]
    torch.save(contents, tmp_path / "earlier.ckpt")
    for path in (tmp_path / "earlier.safetensors", tmp_path / "earlier.ckpt"):
        assert load_generator(path).class_names == describe(path).class_names == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "must have a list as its class_names, got dict"),
        ("[", "no readable class_names"),
        ('["a"]', "one for each of 5 classes, got 1"),
        ('["a", "b", "c", "d", "a"]', "class_names must differ, got 'a' more than once"),
        ("[1, 2, 3, 4, 5]", "a sequence of strings"),
    ],
)
def test_bad_class_names_in_a_file_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with safe_open(generator_file(tmp_path, NAMES), framework="pt") as file:
        metadata, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, tmp_path / "x.safetensors", {**metadata, "class_names": text})
    for call in (load_generator, describe):
        with pytest.raises(ValueError, match=message) as told:
            call(tmp_path / "x.safetensors")  # type: ignore[operator]
        assert "\n" not in str(told.value)


@pytest.mark.parametrize("names", [5, ["a"], [1, 2, 3, 4, 5], "abcde"])
def test_bad_class_names_in_a_checkpoint_are_refused(tmp_path: Path, names: Any) -> None:
    contents = torch.load(checkpoint(tmp_path, NAMES), weights_only=True)
    torch.save({**contents, "class_names": names}, tmp_path / "x.ckpt")
    for call in (load_generator, describe):
        with pytest.raises(ValueError, match="class_names must be"):
            call(tmp_path / "x.ckpt")  # type: ignore[operator]
