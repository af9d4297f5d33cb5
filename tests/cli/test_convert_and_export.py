"""The commands `convert` and `export` as functions: what they write and say."""

from __future__ import annotations

from pathlib import Path

import pytest

from stylelayers import Generator
from stylelayers.checkpoints import load_generator, save_generator
from stylelayers.export import Exported

pytest.importorskip("typer")

from stylelayers.cli.convert import convert
from stylelayers.cli.export import _FORMATS, _choose_format, export

OFFICIAL = Path(__file__).parents[1] / "data" / "stylegan2_official_32.pkl"


def test_convert_says_what_it_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "ours.safetensors"
    convert(OFFICIAL, target)
    first, *notes = capsys.readouterr().out.splitlines()
    assert first == f"{target}: generator of an official pickle"
    assert "  not kept: the discriminator, which generator files do not hold" in notes
    assert load_generator(target).resolution == (32, 32)


@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_export_passes_its_options_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], format: str
) -> None:
    calls = []

    def exporter(generator: Generator, path: Path, **options: object) -> Exported:
        calls.append((generator.resolution, path, options))
        return Exported(path, ("z", "labels"), 1.3e-5)

    monkeypatch.setitem(_FORMATS, format, exporter)
    save_generator(Generator(8, z_dim=4, w_dim=4, channel_base=16), tmp_path / "generator.safetensors")
    export(tmp_path, tmp_path / "out", format=format, half=True, noise="none")
    assert calls == [((8, 8), tmp_path / "out", {"noise": "none", "half": True})]
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: inputs z, labels; images differ by at most 1.3e-05\n"


@pytest.mark.parametrize(("name", "format", "expected"), [
    ("x", None, "onnx"), ("x", "pt2", "pt2"), ("x.bin", None, "onnx"),
    ("x.onnx", None, "onnx"), ("x.pt2", None, "pt2"), ("x.PT2", None, "pt2"), ("x.pt2", "pt2", "pt2"),
])  # fmt: skip
def test_the_ending_names_the_format(name: str, format: str | None, expected: str) -> None:
    assert _choose_format(Path(name), format) == expected


@pytest.mark.parametrize(("name", "format"), [("x.onnx", "pt2"), ("x.pt2", "onnx")])
def test_a_format_that_contradicts_the_ending_is_refused(tmp_path: Path, name: str, format: str) -> None:
    with pytest.raises(ValueError, match=rf"--format {format} must have another ending than \.{name[2:]}"):
        export(OFFICIAL, tmp_path / name, format=format)
    assert list(tmp_path.iterdir()) == []


def test_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--format must be one of onnx, pt2, got 'tflite'"):
        export(OFFICIAL, tmp_path / "out", format="tflite")
    assert list(tmp_path.iterdir()) == []
