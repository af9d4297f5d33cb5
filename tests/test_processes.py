"""Runs of several processes, started by Lightning or by torchrun: they end together and leave one set of files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.test_killed import ENDLESS, seen, wait_for
from tests.training.processes import free_port
from tests.training.tiny import REPOSITORY, TINY, process

TWO = "trainer.devices=2"
SECONDS = 250  # in which a run has ended, however it does and on a busy machine


def torchrun(folder: Path, *arguments: str, nodes: int = 1, node: int = 0, port: int = 0) -> subprocess.Popen[str]:
    """``torchrun ... train.py ...`` on one of `nodes` nodes, with a process a node, or with two on a single one."""
    options = [f"--nnodes={nodes}", f"--node-rank={node}", f"--nproc-per-node={2 // nodes}"]
    where = ["--master-addr=127.0.0.1", f"--master-port={port or free_port()}"]
    return subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *options, *where, str(REPOSITORY / "train.py"), *arguments],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children(parent: int) -> list[int]:
    """Processes with train.py in their command line that `parent` started."""
    found = Path(f"/proc/{parent}/task/{parent}/children")
    if not found.is_file():
        pytest.skip("finding the processes needs /proc")
    return [int(child) for child in found.read_text().split() if b"train.py" in _command(int(child))]


def _command(process_id: int) -> bytes:
    return Path(f"/proc/{process_id}/cmdline").read_bytes()


def is_gone(process_id: int) -> bool:
    """Whether a process has ended, also one that nobody has asked for its exit status."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until_gone(processes: list[int]) -> None:
    deadline = time.monotonic() + SECONDS
    while not all(map(is_gone, processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [process_id for process_id in processes if not is_gone(process_id)] == []


def started(folder: Path, run: subprocess.Popen[str]) -> list[int]:
    """The processes of a run that has written its first checkpoint, the first of them first."""
    wait_for(lambda: seen(folder) > 0, run)
    below = children(run.pid)
    return below if "torch.distributed.run" in str(run.args) else [run.pid, *below]


# Killed -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, pytest.param(0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("launcher", ["lightning", pytest.param("torchrun", marks=pytest.mark.slow)])
def test_when_one_process_is_killed_all_end_with_an_error(launcher: str, rank: int, tmp_path: Path) -> None:
    run = process(tmp_path, *ENDLESS, TWO) if launcher == "lightning" else torchrun(tmp_path, *ENDLESS, TWO)
    processes = started(tmp_path, run)
    assert len(processes) == 2
    os.kill(processes[rank], signal.SIGKILL)
    run.communicate(timeout=SECONDS)
    assert run.returncode != 0
    wait_until_gone(processes)
    assert seen(tmp_path) > 0


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_signal_to_one_process_ends_all_with_their_files(rank: int, tmp_path: Path) -> None:
    run = process(tmp_path, *ENDLESS, TWO)
    os.kill(started(tmp_path, run)[rank], signal.SIGTERM)
    output, errors = run.communicate(timeout=SECONDS)
    assert run.returncode == 128 + signal.SIGTERM, errors
    assert output.count("to resume: python train.py") == 1
    assert (tmp_path / "run" / "generator.safetensors").is_file()


# One set of files ---------------------------------------------------------------------------------------------------


def files(folder: Path) -> list[str]:
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        str(Path(*name.parts[2:])) for name in names if name.parts[0] == "runs" and "tensorboard" not in str(name)
    )


EXPECTED = sorted(
    (
        *(f".hydra/{name}.yaml" for name in ("config", "hydra", "overrides")),
        *("checkpoints/last.ckpt", "config.yaml", "generator.safetensors", "metrics.csv"),
        *("samples/000000000.png", "samples/last.png"),
    )
)


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["lightning", "torchrun, two nodes"])
def test_several_processes_leave_one_set_of_files(launcher: str, tmp_path: Path) -> None:
    """Without a name for the run: each process would give its folder a date of its own."""
    if launcher == "lightning":
        runs = [process(tmp_path, *TINY, TWO)]
    else:
        port, nodes = free_port(), "trainer.num_nodes=2"
        runs = [torchrun(tmp_path, *TINY, nodes, nodes=2, node=node, port=port) for node in range(2)]
    said = [run.communicate(timeout=SECONDS) for run in runs]
    assert [run.returncode for run in runs] == [0] * len(runs), said
    assert files(tmp_path) == EXPECTED
    assert sum(output.count("to resume: python train.py") for output, _ in said) == 1


@pytest.mark.slow
def test_torchrun_resumes_a_run_of_one_process(tmp_path: Path) -> None:
    named = (*TINY, "hydra.run.dir=run", "resume=auto")
    alone = process(tmp_path, *named)
    _, errors = alone.communicate(timeout=SECONDS)
    assert alone.returncode == 0, errors
    before = seen(tmp_path)
    run = torchrun(tmp_path, *named, TWO, f"callbacks.stop.max_images={3 * before}")
    _, errors = run.communicate(timeout=SECONDS)
    assert run.returncode == 0, errors
    assert seen(tmp_path) == 3 * before
