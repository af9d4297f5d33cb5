"""README's commands on a run, with the package that is installed: away from the repository, as a user calls them.

``STYLELAYERS_RUN=runs/RUN pytest tests/test_installed.py``, with a run that ``stylelayers train`` has made.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from stylelayers.checkpoints import save_generator
from tests.explore.tiny import tiny_alias_free

REPOSITORY = Path(__file__).parents[1]
RUN = os.environ.get("STYLELAYERS_RUN", "")
COMMANDS = re.findall(r"^stylelayers (.+)$", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
ADDED = {"project": ["--steps=20"], "metrics": ["--samples=200"], "demo": ["--no-open"]}

pytestmark = pytest.mark.skipif(not RUN, reason="needs a run, STYLELAYERS_RUN=runs/RUN")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run, and with small files in place of those that a user brings."""
    folder = tmp_path_factory.mktemp("workplace")
    shutil.copytree(RUN, folder / "runs" / "RUN")
    shutil.copy(REPOSITORY / "tests" / "data" / "stylegan2_official_32.pkl", folder / "official.pkl")
    save_generator(tiny_alias_free(), folder / "faces3.safetensors")
    Image.linear_gradient("L").save(folder / "picture.png")
    (folder / "images").mkdir()
    for number in range(3):
        Image.linear_gradient("L").rotate(90 * number).save(folder / "images" / f"{number}.png")
    return folder


def started(folder: Path, program: str, *arguments: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    path = str(Path(sys.executable).with_name(program))
    return subprocess.Popen(
        [path, *arguments], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_package_is_installed(workplace: Path) -> None:
    place, errors = started(workplace, "python", "-c", "import stylelayers; print(stylelayers.__file__)").communicate()
    assert place, errors
    assert not Path(place.strip()).is_relative_to(REPOSITORY)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_readme_works(workplace: Path, command: str) -> None:
    name, *arguments = shlex.split(command)
    before = {*workplace.rglob("*")}
    port = [f"--port={free_port()}"] if name == "demo" else []
    running = started(workplace, "stylelayers", name, *arguments, *ADDED.get(name, []), *port)
    if name == "demo":
        assert running.stdout is not None
        address = running.stdout.readline()
        running.terminate()
    output, errors = running.communicate(timeout=600)
    assert running.returncode == (128 + signal.SIGTERM if name == "demo" else 0), errors
    if name == "demo":
        assert address.startswith("http://127.0.0.1:")
    else:
        assert output or {*workplace.rglob("*")} - before
