"""The data of a run's ``config.yaml``: plain calls of our data sets, moved folders, and files made to do harm."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch.utils.data import TensorDataset
from typer.testing import CliRunner

from stylelayers import Generator
from stylelayers.checkpoints import convert, describe, load_generator, save_generator
from stylelayers.cli.app import app
from stylelayers.data import ImageDataModule
from stylelayers.metrics import data_for
from stylelayers.training.run.resuming import find_checkpoint
from tests.training.tiny import image_files

SET = "stylelayers.data.torchvision_dataset"
DIGITS = "stylelayers.data.digits"
FOLDER = "stylelayers.data.image_folder"
EARLY_RUN = Path(__file__).parents[1] / "data" / "run_of_early_names"


def tiny() -> Generator:
    return Generator(8, z_dim=4, w_dim=4, image_channels=1, channel_base=32).eval()


def run_of(folder: Path, data: object) -> Path:
    """A run's folder with a good generator and this ``data`` section; text is the whole file."""
    save_generator(tiny(), folder / "generator.safetensors")
    text = data if isinstance(data, str) else OmegaConf.to_yaml(OmegaConf.create({"data": data}))
    (folder / "config.yaml").write_text(text)
    return folder


def own_data() -> ImageDataModule:
    """What a user's configuration may name."""
    return ImageDataModule(TensorDataset(torch.zeros(6, 1, 8, 8), torch.zeros(6).long()))


# Good files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["", "generator.safetensors", "best.safetensors", "checkpoints/last.ckpt"])
def test_the_data_of_a_run_are_found_from_each_of_its_files(tmp_path: Path, place: str) -> None:
    run = run_of(tmp_path / "run", {"_target_": FOLDER, "root": str(image_files(tmp_path / "a")), "resolution": [8, 8]})
    path = run / place
    path.parent.mkdir(exist_ok=True)
    if place.startswith(("best", "checkpoints")):
        shutil.copy(run / "generator.safetensors", path)
    data = data_for(path, None, tiny())
    assert (data.resolution, data.image_channels, len(data.dataset)) == ((8, 8), 1, 6)  # type: ignore[arg-type]


@pytest.mark.parametrize("trust", [False, True])
def test_runs_of_before_the_rooms_moved_have_their_data(trust: bool) -> None:
    data = data_for(EARLY_RUN, None, load_generator(EARLY_RUN), trust=trust)
    assert (data.resolution, data.image_channels, data.num_labels, len(data.dataset)) == ((8, 8), 1, 10, 1797)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["digits", "image_folder", "torchvision_dataset"])
def test_early_targets_are_those_of_today(tmp_path: Path, name: str) -> None:
    run = run_of(tmp_path / "run", {"_target_": f"stylelayers.training.data.{name}", "resolution": 16})
    with pytest.raises(ValueError, match=r"of another generator: data\.resolution is 16"):
        data_for(run, None, tiny())
    run = run_of(tmp_path / "run", {"_target_": f"stylelayers.training.data.{name}.os.system"})
    with pytest.raises(ValueError, match=r"is not run.*os\.system"):
        data_for(run, None, tiny())


def test_generators_of_channels_that_pictures_lack_are_named(tmp_path: Path) -> None:
    generator = Generator(8, z_dim=4, w_dim=4, image_channels=5, channel_base=32).eval()
    run = run_of(tmp_path / "run", {"_target_": f"{__name__}.own_data"})
    for data in (None, "digits", image_files(tmp_path / "a")):
        with pytest.raises(ValueError, match="generator must have 1 to 4 image_channels, got 5"):
            data_for(run, data, generator)
    assert data_for(run, None, generator, trust=True).num_labels == 0


def test_data_of_ones_own_need_trust(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"_target_": f"{__name__}.own_data"})
    with pytest.raises(ValueError, match=rf"config\.yaml' is not run.*data\._target_: {__name__}\.own_data.*--trust"):
        data_for(run, None, tiny())
    assert len(data_for(run, None, tiny(), trust=True).dataset) == 6  # type: ignore[arg-type]


@pytest.mark.parametrize("root", ["moved", "/moved/away", "~/moved"])
def test_data_that_have_moved_are_named_with_the_way_out(tmp_path: Path, root: str) -> None:
    run = run_of(tmp_path / "run", {"_target_": FOLDER, "root": root})
    with pytest.raises(
        ValueError, match=rf"data of .*config\.yaml.*{root}.*does not exist; if they have moved.*--data"
    ):
        data_for(run, None, tiny())


def test_data_sets_are_not_fetched_because_a_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torchvision.datasets.utils.urllib.request.urlopen", lambda *_, **__: pytest.fail("fetched"))
    target = "stylelayers.data.torchvision_dataset"
    run = run_of(tmp_path / "run", {"_target_": target, "name": "CIFAR10", "root": str(tmp_path / "x")})
    with pytest.raises(ValueError, match=r"the data of .* cannot be read: .*CIFAR10"):
        data_for(run, None, tiny())
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"_target_": DIGITS, "resolution": 16}, r"of another generator: data.resolution is 16, .* has \(8, 8\)"),
        ({"_target_": DIGITS, "image_channels": 3}, "of another generator: data.image_channels is 3"),
        ({"_target_": DIGITS, "resolution": "x"}, "of another generator: data.resolution is 'x'"),
        ({"_target_": DIGITS, "batch_size": "x"}, "the data of .* cannot be read: data.batch_size must be"),
        (
            {"_target_": DIGITS, "labels": "off, please"},
            "the data of .* cannot be read: data.labels must be none, classes, vectors, true or",
        ),
        ({"_target_": DIGITS, "depth": 3}, r"is not run.*data\.depth: 3"),
        ({"_target_": SET, "arguments": {"size": {"_target_": "os.getcwd"}}}, r"is not run.*os\.getcwd"),
        ({"_target_": SET, "arguments": {"size": ["${oc.env:HOME}"]}}, r"is not run.*data\.arguments"),
        ({"_target_": DIGITS, "resolution": None}, "another generator: data.resolution is None, the"),
        ({"_target_": DIGITS, "resolution": [1] * 999}, r"data\.resolution is \[1, 1.{,20}\.\.\.\], the"),
        (
            {"_target_": FOLDER, "root": "~nobody-here/x"},
            "the data of .* cannot be read: .*'~nobody-here/x', which does not",
        ),
        ("data: [", "has no readable data"),
        ("data: !!bool maybe", "has no readable data: 'maybe'"),
        ("data: !!int ''", "has no readable data"),
        ("data: !!float x", "has no readable data: could not convert"),
        ("data: !!timestamp then", "has no readable data"),
        (f"data: {{_target_: {DIGITS}, batch_size: {'1' * 9999}}}", "has no readable data: Exceeds the limit"),
        (f"data: {{_target_: {DIGITS}}}\n# {'x' * (1 << 20)}", "has no readable data: it is longer than 1,048,576"),
        ("data: [a]", "must have data with a _target_, got list"),
        ("data: digits", "must have data with a _target_, got str"),
        ("data: null", "must have data with a _target_, got NoneType"),
    ],
)
def test_sections_that_are_no_data(tmp_path: Path, data: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        data_for(run_of(tmp_path / "run", data), None, tiny())


@pytest.mark.parametrize(
    "text", ["data: [", "data: !!bool maybe", "other: 1", "data: null", "data: {_target_: no.such}"]
)
def test_trusted_files_that_make_no_data_are_told_in_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"the data of .*config\.yaml' (cannot be built: |must be an ImageDataModule)"):
        data_for(run_of(tmp_path / "run", text), None, tiny(), trust=True)


# Files made to do harm -----------------------------------------------------------------------------------------------

_COPY = {"_target_": "shutil.copyfile", "src": "SOURCE", "dst": "SENTINEL"}
_SYSTEM = {"_target_": "os.system", "command": "touch SENTINEL"}
_OURS = "stylelayers.data.folder"
_BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)
HOSTILE: dict[str, tuple[object, str]] = {
    "a_function": (_COPY, r"data\._target_: shutil\.copyfile"),
    "a_command": (_SYSTEM, r"data\._target_: os\.system"),
    "positional": ({"_target_": "shutil.copyfile", "_args_": ["SOURCE", "SENTINEL"]}, r"data\._target_: shutil"),
    "below_an_argument": ({"_target_": DIGITS, "batch_size": _COPY}, r"data\.batch_size\._target_: shutil"),
    "below_an_unknown_argument": (
        {"_target_": DIGITS, "extra": {"deep": {"er": _COPY}}},
        r"data\.extra\.deep\.er\._target_: shutil",
    ),
    "in_a_list": ({"_target_": DIGITS, "resolution": [8, _COPY]}, r"data\.resolution\.1\._target_: shutil"),
    "as_positional_arguments": ({"_target_": DIGITS, "_args_": [_COPY]}, r"data\._args_\.0\._target_: shutil"),
    "a_partial_one": ({**_COPY, "_partial_": True}, r"data\._target_: shutil"),
    "a_named_function": (
        {"_target_": FOLDER, "root": {"_target_": "hydra.utils.get_method", "path": "os.system"}},
        r"data\.root\._target_: hydra\.utils\.get_method",
    ),
    "a_found_object": ({"_target_": "hydra.utils.get_object", "path": "os.system"}, r"data\._target_: hydra"),
    "instantiate": ({"_target_": "hydra.utils.instantiate", "config": _COPY}, r"data\._target_: hydra"),
    "ours_that_imports": (
        {"_target_": "stylelayers.explore.load_distance", "name": "os:getcwd"},
        r"data\._target_: stylelayers\.explore\.load_distance",
    ),
    "what_ours_imports": ({"_target_": f"{_OURS}.os.system", "command": "touch SENTINEL"}, r"folder\.os\.system"),
    "ours_by_another_name": ({"_target_": f"{_OURS}.image_folder", "root": "."}, r"folder\.image_folder"),
    "a_target_from_elsewhere": ("data: {_target_: '${x}', command: touch SENTINEL}\nx: os.system", r"\$\{x\}"),
    "an_argument_from_elsewhere": (
        f"data: {{_target_: {DIGITS}, batch_size: '${{x}}'}}\nx: {{_target_: shutil.copyfile, dst: SENTINEL}}",
        r"data\.batch_size: '\$\{x\}",
    ),
    "all_from_elsewhere": ("data: ${x}\nx: {_target_: os.system, command: touch SENTINEL}", "data with a _target_"),
    "a_resolver": (f"data: {{_target_: {FOLDER}, root: 'a${{oc.env:HOME}}'}}", r"data\.root: 'a\$"),
    "recursion_off": ({"_target_": DIGITS, "_recursive_": False}, r"data\._recursive_: False"),
    "yaml_code": ("data: !!python/object/apply:os.system ['touch SENTINEL']", "has no readable data"),
    "a_name_that_is_none": ("data: {_target_: [os, system]}", "data with a _target_"),
    "nested_without_end": ("data: " + "[" * 1500, "has no readable data"),
    "repeated_without_end": (
        _BOMB + f"data: {{_target_: {DIGITS}, batch_size: *h}}\n",
        r"no readable data: it has aliases",
    ),
    "a_ring": (f"data: &d {{_target_: {DIGITS}, batch_size: *d}}\n", "no readable data: it has aliases"),
    "merged_without_end": (_BOMB.replace("[", "{<<: [").replace("]", "]}") + "data: *h\n", "it has aliases"),
}


def harmful(value: Any, tmp_path: Path) -> Any:
    """The value with the names of real files in it."""
    if isinstance(value, dict):
        return {name: harmful(part, tmp_path) for name, part in value.items()}
    if isinstance(value, list):
        return [harmful(part, tmp_path) for part in value]
    if isinstance(value, str):
        return value.replace("SENTINEL", str(tmp_path / "sentinel")).replace("SOURCE", __file__)
    return value


@pytest.mark.parametrize("attack", HOSTILE)
def test_what_a_file_names_is_not_run(tmp_path: Path, attack: str) -> None:
    section, message = HOSTILE[attack]
    run = run_of(tmp_path / "run", harmful(section, tmp_path))
    with pytest.raises(ValueError, match=message) as refused:
        data_for(run, None, tiny())
    assert "config.yaml" in str(refused.value) and "--trust" in str(refused.value)
    result = CliRunner().invoke(app, ["metrics", str(run), "--samples=8"])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert not (tmp_path / "sentinel").exists()


@pytest.mark.parametrize("attack", ["a_function", "positional", "below_an_argument", "in_a_list"])
def test_the_attacks_are_attacks(tmp_path: Path, attack: str) -> None:
    run = run_of(tmp_path / "run", harmful(HOSTILE[attack][0], tmp_path))
    with contextlib.suppress(Exception):
        instantiate(OmegaConf.load(run / "config.yaml").data, _convert_="all")
    assert (tmp_path / "sentinel").exists()


@pytest.mark.parametrize("data", [_COPY, {"_target_": DIGITS, "resolution": 8}])
@pytest.mark.parametrize("above", [1, 2])
def test_a_configuration_above_a_generator_file_is_not_taken(tmp_path: Path, data: object, above: int) -> None:
    run_of(tmp_path, harmful(data, tmp_path))
    folder = tmp_path / "/".join("ab"[:above])
    file = save_generator(tiny(), folder / "generator.safetensors")
    for path in (file, folder):
        with pytest.raises(ValueError, match=r"folder above.*--trust|not in the folder of a run"):
            data_for(path, None, tiny())
    if above == 1 and data is not _COPY:
        with pytest.raises(ValueError, match=r"config\.yaml' lies a folder above .*generator\.safetensors"):
            data_for(file, None, tiny())
        assert data_for(file, None, tiny(), trust=True).num_labels == 10
    assert not (tmp_path / "sentinel").exists()


def test_no_other_way_into_a_run_looks_at_its_data(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", harmful(_COPY, tmp_path))
    load_generator(run)
    describe(run)
    convert(run, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="resume must name"):
        find_checkpoint(run, run)
    assert not (tmp_path / "sentinel").exists()
