"""docs/export.md on the files of a default run: every command and every block of Python, one after the other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from typer.testing import CliRunner

from stylelayers.checkpoints import save_generator
from stylelayers.cli.app import app
from tests.training.tiny import compose

pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
pytest.importorskip("onnxruntime")

GUIDE = Path(__file__).parents[2] / "docs" / "export.md"


def test_guide_runs_on_the_files_of_a_default_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = compose().model.generator
    configuration.num_labels = 10  # as `train.py` takes it from the data
    save_generator(instantiate(configuration, _convert_="all"), tmp_path / "runs" / "RUN" / "generator.safetensors")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```$", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}
    for language, block in blocks:
        if language == "sh":
            commands = [line for line in block.splitlines() if line.startswith("stylelayers ")]
            for command in commands:
                result = CliRunner().invoke(app, shlex.split(command)[1:])
                assert (result.exit_code, result.stderr) == (0, "")
        else:
            names.pop("images", None)
            exec(compile(block, str(GUIDE), "exec"), names)
            if "images" in names:
                images = torch.as_tensor(names["images"])
                assert images.shape == (7, 1, 32, 32) and bool(images.isfinite().all())
    assert [language for language, _ in blocks] == ["sh", "python", "python", "python"]
