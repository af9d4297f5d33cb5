"""``stylelayers metrics``: the numbers of a meter, the data of a run, errors in one line."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from typer.testing import CliRunner

from stylelayers import Generator
from stylelayers.checkpoints import save_generator
from stylelayers.cli import app as commands
from stylelayers.cli import metrics
from stylelayers.metrics import QualityMeter, classifier, data_for
from tests.training.tiny import image_files

QUICK = ("--samples=8", "--metrics=fid,recognised")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLELAYERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "EPOCHS", 1)


def tiny(labels: int = 0) -> Generator:
    return Generator(8, z_dim=4, w_dim=4, num_labels=labels, image_channels=1, channel_base=32).eval()


def run_of(folder: Path) -> Path:
    """A run's folder that was trained on digits."""
    save_generator(tiny(labels=10), folder / "generator.safetensors")
    data = {"_target_": "stylelayers.data.digits", "resolution": [8, 8], "labels": True}
    OmegaConf.save({"data": data}, folder / "config.yaml")
    return folder


def run(*arguments: str) -> Any:
    return CliRunner().invoke(commands.app, ["metrics", *arguments])


def test_a_run_is_compared_with_its_own_data(tmp_path: Path) -> None:
    folder = run_of(tmp_path / "run")
    first, second = (run(str(path), *QUICK, "--json") for path in (folder, folder / "generator.safetensors"))
    report = QualityMeter(data_for(folder, None, tiny()), samples=8, metrics=["fid", "recognised"])(folder)
    assert json.loads(first.stdout) == json.loads(second.stdout) == json.loads(json.dumps(report.as_dict()))
    assert json.loads(first.stdout)["features"] == "classifier of digits"
    assert "seed                 1" in run(str(folder), *QUICK, "--seed=1").stdout


@pytest.mark.parametrize("example", metrics.EXAMPLES.strip().splitlines())
def test_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, example: str) -> None:
    monkeypatch.chdir(tmp_path)
    run_of(tmp_path / "runs" / "RUN")
    save_generator(tiny(labels=10), tmp_path / "generator.safetensors")
    result = run(*shlex.split(example)[2:], "--samples=6")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "fid" in result.stdout


def test_any_folder_of_images_is_data(tmp_path: Path) -> None:
    folder = image_files(tmp_path / "images")
    data = data_for(tmp_path / "a.safetensors", folder, tiny())
    assert (data.resolution, data.image_channels, data.num_labels) == ((8, 8), 1, 0)
    assert data_for(tmp_path, folder, tiny(labels=2)).num_labels == 2
    assert data_for(tmp_path, "digits", tiny()).num_labels == 10


BESIDE = (".ipynb_checkpoints/1-checkpoint.png", "__MACOSX/class0/._0.png", ".DS_Store", "empty/notes.txt", "notes.txt")


@pytest.mark.parametrize("names", [(), ("class0", "class1")])
@pytest.mark.parametrize("beside", BESIDE)
def test_what_lies_beside_the_classes_leaves_the_labels_on(
    tmp_path: Path, beside: str, names: tuple[str, ...], recwarn: pytest.WarningsRecorder
) -> None:
    folder, generator = image_files(tmp_path / "images"), tiny(labels=2)
    (folder / beside).parent.mkdir(parents=True, exist_ok=True)
    (folder / beside).write_bytes(b"none")
    generator.class_names = names
    data = data_for(tmp_path / "a.safetensors", folder, generator)
    assert (data.num_labels, data.class_names) == (2, ("class0", "class1"))
    assert [str(warning.message) for warning in recwarn if "without labels" in str(warning.message)] == []


OTHER_FOLDERS: list[tuple[int, tuple[str, ...]]] = [
    (3, ()),
    (2, ("cats", "dogs")),
    (2, ("class1", "class0")),
    (3, ("class0", "class1", "class2")),
]


@pytest.mark.parametrize(("labels", "names"), OTHER_FOLDERS)
def test_folders_of_other_classes_are_told(tmp_path: Path, labels: int, names: tuple[str, ...]) -> None:
    folder, generator = image_files(tmp_path / "images"), tiny(labels=labels)
    generator.class_names = names
    with pytest.warns(UserWarning, match=rf"generator's {labels} classes.*{', '.join(map(repr, names))}.*: compared"):
        assert data_for(tmp_path / "a.safetensors", folder, generator).num_labels == 0


def test_loose_images_are_no_class(tmp_path: Path) -> None:
    folder = image_files(tmp_path / "images")
    (folder / "x.png").write_bytes((folder / "class0" / "0.png").read_bytes())
    with pytest.warns(UserWarning, match="compared without labels"):
        assert data_for(tmp_path / "a.safetensors", folder, tiny(labels=2)).num_labels == 0


def test_a_missing_folder_is_told_with_and_without_classes(tmp_path: Path) -> None:
    for generator in (tiny(), tiny(labels=2)):
        with pytest.raises(ValueError, match="which does not exist"):
            data_for(tmp_path / "a.safetensors", tmp_path / "missing", generator)


def test_any_pictures_are_measured_without_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    save_generator(tiny(), tmp_path / "a.safetensors")
    arguments = (str(tmp_path / "a.safetensors"), f"--data={image_files(tmp_path / 'images', count=8)}", "--json")
    aloud, silent = run(*arguments), run(*arguments, "--features=random")
    assert json.loads(aloud.stdout) == json.loads(silent.stdout)
    assert json.loads(aloud.stdout)["features"] == "random filters" and json.loads(aloud.stdout)["fid"] > 0
    assert (aloud.exit_code, silent.exit_code, silent.stderr) == (0, 0, "")
    assert aloud.stderr.startswith("stylelayers: warning: features=auto: ") and aloud.stderr.count("\n") == 1


@pytest.mark.parametrize("count", [1, 5])
def test_too_few_real_images_are_told_in_one_line(tmp_path: Path, count: int) -> None:
    save_generator(tiny(), tmp_path / "a.safetensors")
    result = run(str(tmp_path / "a.safetensors"), f"--data={image_files(tmp_path / 'images', count)}")
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert f"data must hold at least 6 images, got {count}; images needed: fid 2, kid 2, prec" in result.stderr


def test_errors_are_one_line(tmp_path: Path) -> None:
    save_generator(tiny(), tmp_path / "a.safetensors")
    file, digits = str(tmp_path / "a.safetensors"), "--data=digits"
    for arguments, code, message in (
        ((str(tmp_path),), 1, "load_generator: path must be"),
        ((file,), 1, "data must be digits, or a folder or zip archive of images, since "),
        (
            (file, "--data=nothing"),
            2,
            "data must be digits, or a folder or zip archive of images, got 'nothing', which does not",
        ),
        ((file, f"--data={file}"), 2, "is no zip archive that can be read"),
        ((file, f"--data={tmp_path}"), 2, "holds no .jpg"),
        ((file, digits, "--features=vgg"), 2, "features must be inception, classifier, digits"),
        ((file, digits, "--metrics=fid,ssim"), 2, "metrics must be some of fid, "),
    ):
        result = run(*arguments)
        assert (result.exit_code, result.stdout) == (code, "")
        assert message in result.stderr and result.stderr.count("\n") == 1
