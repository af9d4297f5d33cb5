"""Freed memory stays mapped in the programs, as one can count in page faults, and never because of an import."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.tiny import REPOSITORY

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries have no such setting")
COUNT = """
import resource, torch
old = torch.ones(16 << 20)  # 64 MiB, twice what glibc ever takes from memory that it keeps
faults = []
for _ in range(12):  # a small block may have settled in the gap that an earlier copy left
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    old.clone()
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(faults))
"""
PROGRAM = """
import runpy, sys
try:
    {call}
except SystemExit:
    pass
"""
TRAINING = "runpy.run_path({!r}, run_name='__main__')".format(str(REPOSITORY / "train.py"))
COMMAND = "from stylelayers.cli import main; main()"
TRAIN_COMMAND = f"sys.argv.insert(1, 'train'); {COMMAND}"


def is_kept(folder: Path, call: str, *arguments: str, **environment: str) -> bool:
    """Whether a process has the memory of a freed tensor at hand after a call with a command line."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(call=call) + COUNT, *arguments],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    faults = int(found.stdout.split()[-1])
    assert faults < 4 or faults >= 32, found.stdout  # a new mapping takes 32 pages of 2 MiB, or thousands of 4 KiB
    return faults < 4


@glibc
@pytest.mark.parametrize(
    "call", [pytest.param("import stylelayers.training.run.building", marks=pytest.mark.slow), "import stylelayers.cli"]
)
def test_an_import_leaves_the_allocator_alone(tmp_path: Path, call: str) -> None:
    assert not is_kept(tmp_path, call)


@glibc
def test_the_command_keeps_freed_memory(tmp_path: Path) -> None:
    assert is_kept(tmp_path, COMMAND, "--version")


@glibc
@pytest.mark.parametrize(
    ("program", "setting", "kept"),
    [(TRAINING, (), True), (TRAINING, ("keep_freed_memory=false",), False), (TRAIN_COMMAND, (), True)],
)
def test_training_keeps_freed_memory_unless_told_otherwise(
    tmp_path: Path, setting: tuple[str], kept: bool, program: str
) -> None:
    refused = "data.batch_size=0"  # ends before anything is trained
    assert is_kept(tmp_path, program, refused, *setting) == kept


@glibc
@pytest.mark.parametrize(
    "variable", [{"MALLOC_TRIM_THRESHOLD_": "131072"}, {"GLIBC_TUNABLES": "glibc.malloc.top_pad=131072"}]
)
def test_an_environment_that_sets_the_allocator_wins(tmp_path: Path, variable: dict[str, str]) -> None:
    call = "import stylelayers._allocator; stylelayers._allocator.keep_freed_memory()"
    assert is_kept(tmp_path, call)
    assert not is_kept(tmp_path, call, **variable)


@pytest.mark.parametrize("library", ["", "musl"])
def test_nothing_is_set_in_another_c_library(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from stylelayers import _allocator

    monkeypatch.setattr(platform, "libc_ver", lambda: (library, ""))
    monkeypatch.setattr("ctypes.CDLL", lambda _: pytest.fail("the C library was opened"))
    assert _allocator.keep_freed_memory() is False
