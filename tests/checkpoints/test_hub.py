"""The Hugging Face hub's way of saving and loading, against local folders and without a network."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stylelayers import Generator
from stylelayers.checkpoints import describe, load_generator
from stylelayers.models import StyleGenerator

pytest.importorskip("huggingface_hub")

from stylelayers.checkpoints.hub import HubGenerator


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def generator() -> StyleGenerator:
    made = Generator((8, 12), z_dim=4, w_dim=5, num_labels=2, channel_base=32, padding_mode="reflect")
    with torch.no_grad():
        for tensor in made.state_dict().values():
            tensor.add_(torch.randn_like(tensor), alpha=0.3)
    return made.eval()


@torch.no_grad()
def images(generator: StyleGenerator) -> torch.Tensor:
    z = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    result: torch.Tensor = generator(z, torch.tensor([0, 1, 1]), truncation_psi=0.5, noise="const")
    return result


def test_hub_folders_round_trip(generator: StyleGenerator, tmp_path: Path) -> None:
    HubGenerator.of(generator, summary={"images_seen": 7}).save_pretrained(tmp_path / "mine")
    loaded = HubGenerator.from_pretrained(str(tmp_path / "mine"))
    assert torch.equal(images(loaded), images(generator))
    assert not loaded.training and loaded.training_summary == {"images_seen": 7}
    loaded.save_pretrained(tmp_path / "again")
    files = [(tmp_path / name / "generator.safetensors").read_bytes() for name in ("mine", "again")]
    assert files[0] == files[1]


def test_hub_folders_load_without_the_hub(generator: StyleGenerator, tmp_path: Path) -> None:
    HubGenerator.of(generator).save_pretrained(tmp_path)
    assert torch.equal(images(load_generator(tmp_path)), images(generator))
    assert describe(tmp_path).arguments["num_labels"] == 2
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["resolution"], config["padding_mode"]) == ([8, 12], "reflect")
    assert "library_name: stylelayers" in (tmp_path / "README.md").read_text()


def test_our_files_load_without_a_configuration(generator: StyleGenerator, tmp_path: Path) -> None:
    HubGenerator.of(generator).save_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    assert torch.equal(images(HubGenerator.from_pretrained(tmp_path)), images(generator))


def test_folders_without_a_generator_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"HubGenerator.from_pretrained: path must be .*, which is no file"):
        HubGenerator.from_pretrained(str(tmp_path))


def test_the_package_does_not_import_the_hub() -> None:
    code = (
        "import sys, stylelayers.checkpoints; assert 'huggingface_hub' not in sys.modules and 'yaml' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=100).returncode == 0
