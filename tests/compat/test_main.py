"""`python -m stylelayers.compat` runs a script or module as `python` does, and with ours in place of theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stylelayers.compat.__main__ import main

from . import projects

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = {
    "shows.py": "import sys\nprint(sys.stdin.read(), sys.argv, sys.path[0])\n"
    "print(__name__, __file__, __spec__ is None, __package__)\n"
    "print(sorted(globals()), sys.modules['__main__'].__dict__ is globals())\n",
    "fails.py": "def divide():\n    return 1 / 0\n\n\nif __name__ == '__main__':\n    divide()\n",
    "invalid.py": "def broken(:\n    pass\n",
    "exits.py": "import sys\nsys.exit(int(sys.argv[1]))\n",
    "interrupted.py": "raise KeyboardInterrupt\n",
    "hooked.py": "import sys\nsys.excepthook = lambda kind, error, trace: print(kind, error, trace.tb_lineno)\n1 / 0\n",
    "at_exit.py": "import atexit\n\nclass A:\n    pass\n\n"
    "def last():\n    import pickle\n    print(type(pickle.loads(pickle.dumps(A()))))\n\natexit.register(last)\n",
    "package/__init__.py": "print('the package', __name__)\n",
    "package/__main__.py": "from . import beside\nprint(__package__, __spec__.name, beside.__name__)\n",
    "package/beside.py": "",
    "folder/__main__.py": "import other\nprint(__file__, other.__file__)\n",
    "folder/other.py": "",
    "empty/nothing.txt": "",
}
CALLS = [
    "shows.py -a --b c",
    "link.py",
    "-m shows -m x",
    "fails.py",
    "invalid.py",
    "exits.py 3",
    "interrupted.py",
    "hooked.py",
    "at_exit.py",
    "-m package",
    "folder",
    "empty",
    "nothing.py",
    "-m nothing.below",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scripts")
    projects.write(root, SCRIPTS)
    (root / "elsewhere").mkdir()
    (root / "elsewhere" / "linked.py").write_text(SCRIPTS["shows.py"])
    (root / "link.py").symlink_to(root / "elsewhere" / "linked.py")
    return root


def run(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, timeout=120, input="in")


def without_runpy(traceback: str) -> str:
    """What Python shows of itself when it runs a module."""
    lines = traceback.splitlines()
    return "\n".join(line for line in lines if "<frozen runpy>" not in line)


@pytest.mark.parametrize("call", CALLS)
def test_a_script_behaves_as_under_python(call: str, folder: Path) -> None:
    expected = run(folder, *call.split())
    found = run(folder, "-m", "stylelayers.compat", *call.split())
    assert found.stdout == expected.stdout
    assert without_runpy(found.stderr) == without_runpy(expected.stderr)
    assert found.returncode == expected.returncode


@pytest.mark.parametrize("arguments", [[], ["-m"], ["-x", "shows.py"]], ids=str)
def test_without_a_script_it_prints_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    usage = capsys.readouterr().err
    assert usage.startswith("usage: python -m stylelayers.compat SCRIPT [ARGUMENT ...]\n")
    main(["--help"])
    assert capsys.readouterr().out == usage


PROJECT = """
import torch.utils.cpp_extension

def load(*_, **__):
    raise OSError("no compiler here")

torch.utils.cpp_extension.load = load
import multiprocessing
import model

def work(queue):
    queue.put(model.upfirdn2d.__module__)

def start(queue, method):
    context = multiprocessing.get_context(method)
    process = context.Process(target=work, args=(queue,))
    process.start()
    process.join()

if __name__ == "__main__":
    print(model.upfirdn2d.__module__)
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    start(queue, "spawn")
    print(queue.get())
    outer = context.Process(target=start, args=(queue, "spawn"))
    outer.start()
    outer.join()
    print(queue.get())
"""


@pytest.mark.parametrize("call", ["project.py", pytest.param("-m project", marks=pytest.mark.slow)])
def test_a_project_runs_without_a_compiler_in_spawned_processes_too(call: str, tmp_path: Path) -> None:
    projects.write_port(tmp_path)
    projects.write(tmp_path, {"project.py": PROJECT})
    extensions = tmp_path / "extensions"
    result = run(tmp_path, "-m", "stylelayers.compat", *call.split(), PATH="", TORCH_EXTENSIONS_DIR=str(extensions))
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["stylelayers.compat.port.upfirdn2d"] * 3
    assert not extensions.exists()
    assert "no compiler here" in run(tmp_path, *call.split()).stderr
