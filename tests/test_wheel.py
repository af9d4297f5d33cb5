"""The wheel and the source distribution: what is in them, and that the wheel trains from its own files."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
CONFIGS = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "configs").rglob("*.yaml")}
PACKAGE = {
    str(path.relative_to(REPOSITORY))
    for path in (REPOSITORY / "stylelayers").rglob("*")
    if path.is_file() and path.parent.name != "__pycache__"
}


def built(folder: Path, *options: str) -> Path:
    for package in ("build", "hatchling"):
        pytest.importorskip(package)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), *options, str(REPOSITORY)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution, and the wheel that is built from it."""
    return built(tmp_path_factory.mktemp("dist"))


def contents(folder: Path) -> dict[str, int]:
    """The files of a folder's wheel with their checksums."""
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {file.filename: file.CRC for file in archive.infolist()}


def test_the_wheel_holds_the_package_and_the_configurations(distributions: Path) -> None:
    found = {name for name in contents(distributions) if ".dist-info/" not in name}
    assert found == {*PACKAGE, *(f"stylelayers/{name}" for name in CONFIGS)}
    assert {"stylelayers/py.typed", "stylelayers/configs/train.yaml", "stylelayers/report/templates/run.html"} <= found
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in contents(distributions))


def test_a_clone_builds_the_wheel_of_the_source_distribution(distributions: Path, tmp_path: Path) -> None:
    assert contents(built(tmp_path, "--wheel")) == contents(distributions)


def test_the_source_distribution_holds_what_a_build_needs(distributions: Path) -> None:
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert {*PACKAGE, *CONFIGS, "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "train.py"} <= found
    assert {name.partition("/")[0] for name in found} & {"tests", "benchmarks", "docs"} == set()


def test_an_unpacked_wheel_finds_its_configurations(distributions: Path, tmp_path: Path) -> None:
    (wheel,) = distributions.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    result = subprocess.run(
        [sys.executable, "-m", "stylelayers", "train", "--info", "searchpath"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert str(tmp_path / "installed" / "stylelayers" / "configs") in result.stdout, result.stderr
    assert str(REPOSITORY) not in result.stdout
