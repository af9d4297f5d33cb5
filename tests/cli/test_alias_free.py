"""Every command line of the docs on an alias-free generator; what it lacks is one line that says so."""

from __future__ import annotations

import shlex
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from typer.testing import CliRunner

from stylelayers.checkpoints import load_generator, save_generator
from stylelayers.checkpoints.post_hoc import save_snapshot
from stylelayers.cli import app as commands
from stylelayers.cli import metrics
from stylelayers.metrics import classifier
from tests.cli.test_commands import ELSEWHERE, EXAMPLES, GUIDE, SHORTER, lines
from tests.explore.tiny import tiny_alias_free

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "alias_free.md"
QUALITY = ROOT / "docs" / "quality.md"
OTHERS = ("inspect", "prepare", "report", "export")  # commands that take no generator; of exports see tests/export
LINES = sorted(line for line in {*EXAMPLES, *lines(PAGE.read_text())} if line.split()[0] not in (*ELSEWHERE, *OTHERS))
LACKING = {
    "--noise random": "sample: noise must be none, as there are no noise inputs, got 'random'",
    "--noise const": "noise must be none, as there are no noise inputs, got 'const'",
    "--fit-noise": "project: fit_noise needs a generator with noise inputs, got one without",
    "port.pt": "convert: the port has only StyleGAN2's generator, got one of class AliasFreeGenerator",
}


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with what the examples name: alias-free generators all."""
    monkeypatch.chdir(tmp_path)
    generator = tiny_alias_free(labels=3)
    generator.class_names = ("cats", "dogs", "pigs")
    save_generator(generator, "runs/RUN/generator.safetensors")
    save_generator(generator, "generator.safetensors")
    for width, images_seen in product((0.05, 0.1), (50_000, 60_000, 70_000)):
        save_snapshot(generator, Path("runs/RUN"), width=width, images_seen=images_seen)
    save_generator(tiny_alias_free(configuration="R"), "faces.safetensors")
    save_generator(tiny_alias_free(), "faces3.safetensors")
    for name in ("official.pkl", "stylegan3-t-ffhq-1024x1024.pkl"):
        Path(name).write_bytes((ROOT / "tests" / "data" / "stylegan3_t_32.pkl").read_bytes())
    Image.linear_gradient("L").save("picture.png")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(commands.app, list(arguments))


@pytest.mark.parametrize("line", LINES)
def test_command_lines_of_the_docs(line: str) -> None:
    arguments = shlex.split(line)
    result = run(*arguments, *(option for command, option in SHORTER.items() if command == arguments[0]))
    lacking = [message for option, message in LACKING.items() if option in line]
    if not lacking:
        assert (result.exit_code, result.stderr) == (0, ""), result.stderr or result.exception
        assert result.stdout
    else:
        assert (result.exit_code > 0, result.stdout, result.stderr.count("\n")) == (True, "", 1)
        assert lacking[0] in result.stderr
        assert not any(Path(name).exists() for name in ("port.pt", "folder"))


@pytest.mark.parametrize("line", [
    "generate MODEL x.png --seeds 0-3 --psi 0.7", "interpolate MODEL x.gif --frames 2 --move 0.25,0 --turn 30",
    "mix MODEL x.png --rows 0 --columns 1 --layers 0,5", "directions MODEL out --count 2 --columns 3",
    "project MODEL picture.png out --steps 2 --space w+", "info MODEL", "convert MODEL x.safetensors",
])  # fmt: skip
@pytest.mark.parametrize("configuration", ["t", "r"])
def test_official_files_of_both_configurations(configuration: str, line: str) -> None:
    model = str(ROOT / "tests" / "data" / f"stylegan3_{configuration}_32.pkl")
    result = run(*shlex.split(line.replace("MODEL", model)))
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr or result.exception
    if line.startswith("convert"):
        z = torch.randn(2, load_generator(model).z_dim)
        assert torch.equal(load_generator(model)(z), load_generator("x.safetensors")(z))


@pytest.mark.parametrize("line", [
    "generate runs/RUN x.png --noise const", "interpolate runs/RUN x.gif --noise const",
    "mix runs/RUN x.png --noise const", "directions runs/RUN out --noise const", "export runs/RUN x.onnx --noise const",
    "generate runs/RUN x.png --noise random", "project runs/RUN picture.png out --fit-noise",
    "convert faces.safetensors port.pt",
])  # fmt: skip
def test_what_such_generators_lack_is_one_line(line: str) -> None:
    result = run(*shlex.split(line))
    assert (result.exit_code > 0, result.stdout, result.stderr.count("\n")) == (True, "", 1)
    assert next(message for option, message in LACKING.items() if option in line) in result.stderr
    assert not any(Path(name).exists() for name in ("x.png", "x.gif", "x.onnx", "port.pt", "out"))


@pytest.mark.parametrize("line", sorted({
    line for text in (GUIDE.read_text(), QUALITY.read_text(), metrics.EXAMPLES) for line in lines(text)
    if line.startswith("metrics ")
}))  # fmt: skip
def test_metrics_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setenv("STYLELAYERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    generator = tiny_alias_free(24, labels=10, image_channels=1)
    data = {"_target_": "stylelayers.data.digits", "resolution": [24, 24], "labels": "classes"}
    for folder in (Path("runs/RUN"), Path()):
        save_generator(generator, folder / "generator.safetensors")
        OmegaConf.save({"data": data}, folder / "config.yaml")
    arguments = shlex.split(line.replace("/path/to/images", "digits"), comments=True)
    result = run(*arguments, "--samples=8")
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr or result.exception
    assert ("eq_r" if "eq_r" in line else "fid") in result.stdout
