"""``stylelayers demo``: serves a page until it is told to end."""

from __future__ import annotations

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from typer.testing import CliRunner

from stylelayers.checkpoints import save_generator
from stylelayers.cli import demo
from stylelayers.cli.app import app
from stylelayers.models import StyleGenerator
from tests.explore.tiny import tiny_alias_free, tiny_generator

REPOSITORY = Path(__file__).parents[2]
WITH_GRADIO = pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="the page needs gradio")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A file and a run's folder with the names that the examples have."""
    save_generator(tiny_generator(), tmp_path / "runs" / "RUN" / "generator.safetensors")
    return save_generator(tiny_generator(), tmp_path / "generator.safetensors")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@WITH_GRADIO
def test_serves_until_interrupted(model: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "stylelayers", "demo", str(model), "--port", str(port), "--no-open"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "http_proxy": "http://x:1"}
    with subprocess.Popen(
        command, cwd=model.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        try:
            assert running.stdout.readline() == f"http://127.0.0.1:{port}/ (Ctrl-C ends it)\n"
            with urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                assert "generator.safetensors" in answer.read().decode()
            running.terminate()
            _, errors = running.communicate(timeout=60)
        finally:
            running.kill()
    assert (running.returncode, re.sub(r"W\d+ .*\n", "", errors)) == (128 + signal.SIGTERM, "")
    with pytest.raises(URLError):
        urlopen(f"http://127.0.0.1:{port}/", timeout=60)


@WITH_GRADIO
def test_used_ports_end_in_one_line(model: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(app, ["demo", str(model), "--no-open", "--port", str(port)])
    message = f"stylelayers: cannot listen at 127.0.0.1, port {port}; is it taken?\n"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", message)


def test_missing_gradio_ends_in_one_line(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    result = CliRunner().invoke(app, ["demo", str(model), "--no-open"])
    message = 'stylelayers: the page needs gradio: pip install "stylelayers[demo]"\n'
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", message)


@WITH_GRADIO
@pytest.mark.parametrize("kind", [tiny_generator, tiny_alias_free])
@pytest.mark.parametrize("example", re.findall(r"^stylelayers demo (.+)$", demo.EXAMPLES, re.MULTILINE))
def test_examples_show_the_page_until_ctrl_c(
    model: Path, monkeypatch: pytest.MonkeyPatch, example: str, kind: Callable[..., StyleGenerator]
) -> None:
    """Ctrl-C as soon as the page is there."""
    for path in model.parent.rglob("*.safetensors"):
        save_generator(kind(labels=2), path)

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    opened: list[str] = []
    monkeypatch.chdir(model.parent)
    monkeypatch.setattr(demo, "sleep", interrupted)
    monkeypatch.setattr("webbrowser.open", opened.append)
    result = CliRunner().invoke(app, ["demo", *example.replace("8000", str(free_port())).split()])
    assert (result.exit_code, result.stderr) == (0, "")
    address = re.fullmatch(r"(http://127.0.0.1:\d+/) \(Ctrl-C ends it\)\n\n", result.stdout)
    assert address is not None
    assert opened == ([] if "--no-open" in example else [address[1]])


@WITH_GRADIO
@pytest.mark.parametrize("host", ["nothing.invalid", "192.0.2.1", "a..b"])
def test_unusable_addresses_end_in_one_line(tmp_path: Path, host: str) -> None:
    save_generator(tiny_generator(), tmp_path / "g.safetensors")
    result = CliRunner().invoke(app, ["demo", str(tmp_path / "g.safetensors"), f"--host={host}", "--no-open"])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (1, "", 1)
    assert result.stderr.startswith(f"stylelayers: cannot listen at '{host}': ")
