"""The quality of saved generators from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from stylelayers import Generator
from stylelayers.checkpoints import save_generator
from stylelayers.training.metrics import classifier, evaluate
from stylelayers.training.metrics.command import data_for, main
from tests.training.tiny import image_files

QUICK = ("--samples=8", "--metrics", "fid", "recognised")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLELAYERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "EPOCHS", 1)


def tiny(labels: int = 0) -> Generator:
    return Generator(8, latent_dim=4, style_dim=4, num_labels=labels, image_channels=1, channel_base=32).eval()


def run_of(folder: Path) -> Path:
    """A run's folder that was trained on digits."""
    save_generator(tiny(labels=10), folder / "generator.safetensors")
    data = {"_target_": "stylelayers.training.data.digits", "resolution": [8, 8], "labels": True}
    OmegaConf.save({"data": data}, folder / "config.yaml")
    return folder


def test_a_run_is_compared_with_its_own_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path / "run")
    main([str(run), str(run / "generator.safetensors"), *QUICK, "--json"])
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    report = evaluate(run, data_for(run, None, tiny()), samples=8, metrics=["fid", "recognised"])
    assert first.pop("path") == str(run) and second.pop("path")
    assert first == second == json.loads(json.dumps(report.as_dict()))
    assert first["features"] == "classifier of digits"
    main([str(run), *QUICK, "--seed=1"])
    text = capsys.readouterr().out
    assert text.startswith(f"{run}\n") and "seed                 1" in text


def test_any_folder_of_images_is_data(tmp_path: Path) -> None:
    folder = image_files(tmp_path / "images")
    data = data_for(tmp_path / "a.safetensors", folder, tiny())
    assert (data.resolution, data.image_channels, data.num_labels) == ((8, 8), 1, 0)
    assert data_for(tmp_path, folder, tiny(labels=2)).num_labels == 2
    assert data_for(tmp_path, "digits", tiny()).num_labels == 10


def test_errors_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="metrics: load_generator: path must be a generator file"):
        main([str(tmp_path / "absent")])
    save_generator(tiny(), tmp_path / "a.safetensors")
    with pytest.raises(SystemExit, match=r"metrics: data must be digits or a folder of images, since '.*' is not in"):
        main([str(tmp_path / "a.safetensors")])
    with pytest.raises(SystemExit, match="metrics: features must be inception, classifier, digits"):
        main([str(tmp_path / "a.safetensors"), "--data=digits", "--features=vgg"])
