"""``stylelayers env``: what it tells, also beside packages that are missing or broken."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from stylelayers import __version__
from stylelayers.cli import env
from stylelayers.cli.app import app

BESIDE_NOTHING = """
import sys
for name in ("torchvision", "lightning", "hydra", "sklearn"):
    sys.modules[name] = None
sys.argv = ["stylelayers", "env", "--json"]
import stylelayers.cli
stylelayers.cli.main()
"""


def told() -> dict[str, str]:
    result = CliRunner().invoke(app, ["env", "--json"])
    assert (result.exit_code, result.stderr) == (0, ""), result.stderr or result.exception
    found: dict[str, str] = json.loads(result.stdout)
    return found


def test_every_line_has_a_name_and_a_value() -> None:
    found = told()
    assert found["stylelayers"] == __version__
    assert found["torch"].startswith(torch.__version__)
    assert found["Python"].startswith(".".join(map(str, sys.version_info[:3])))
    for name in ("torchvision", "lightning", "hydra-core", "typer", "safetensors"):
        assert found[name] == metadata.version(name)
    assert {"system", "processor", "memory", "threads", "cache folder", "C++ compiler"} < found.keys()
    shown = CliRunner().invoke(app, ["env"]).stdout.splitlines()
    assert [tuple(line.split("  ", 1)[0] for line in shown)] == [tuple(found)]
    assert all(line.endswith(value) for line, value in zip(shown, found.values(), strict=True))


def test_packages_are_those_of_the_metadata_that_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    required = ["torch>=2", "pytest>=8; extra == 'a'", "no-such-package; extra == 'b'", "stylelayers[a]; extra == 'c'"]
    monkeypatch.setattr(metadata, "requires", lambda name: required)
    assert env._packages() == ["torchvision", "lightning", "hydra-core", "pytest"]


def test_a_folder_of_sources_has_no_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", absent)
    monkeypatch.setattr(metadata, "version", absent)
    assert told()["lightning"] == "not installed"


def test_what_is_broken_does_not_hide_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("operator torchvision::nms\ndoes not exist")

    monkeypatch.setattr(env, "import_module", broken)
    monkeypatch.setattr(env, "_processor", broken)
    monkeypatch.setattr(env, "_compiler", broken)
    monkeypatch.setattr(torch.accelerator, "is_available", broken)
    found = told()
    error = "RuntimeError: operator torchvision::nms does not exist"
    assert found["torchvision"] == f"{metadata.version('torchvision')}, which cannot be imported ({error})"
    assert found["processor"] == found["C++ compiler"] == found["devices"] == f"unknown ({error})"
    assert found["lightning"] == metadata.version("lightning")


def test_packages_of_training_may_be_missing() -> None:
    result = subprocess.run([sys.executable, "-c", BESIDE_NOTHING], capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stderr) == (0, "")
    assert "cannot be imported" in json.loads(result.stdout)["torchvision"]


def test_variables_of_threads_and_devices_are_shown_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    monkeypatch.setenv("STYLELAYERS_CACHE", str(Path.home() / "kept"))
    for name in ("HF_TOKEN", "WANDB_API_KEY", "MY_CUDA_SECRET"):
        monkeypatch.setenv(name, "hidden")
    found = told()
    assert (found["OMP_NUM_THREADS"], found["MALLOC_ARENA_MAX"]) == ("3", "2")
    assert found["STYLELAYERS_CACHE"] == found["cache folder"] == str(Path("~") / "kept")
    assert "hidden" not in found.values() and str(Path.home()) not in " ".join(found.values())


def test_devices_have_names_memory_and_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(name="Some GPU", total_memory=24 << 30, major=8, minor=6)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: properties)
    found = told()
    assert found["cuda:0"] == found["cuda:1"] == "Some GPU, 24.0 GiB, compute capability 8.6"
    assert "devices" not in found


def test_a_missing_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert told()["C++ compiler"] == "none, which torch.compile needs on CPUs"
