"""The arrows of the house: imports point down, and no module reaches itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import stylelayers

PACKAGE = Path(stylelayers.__file__).parent
ROOMS = {  # room → the rooms that it imports, besides the files at the root that begin with an underscore
    "functional": "",
    "layers": "functional",
    "models": "functional layers",
    "losses": "functional",
    "augment": "functional",
    "compat": "functional layers",
    "testing": "",
    "checkpoints": "functional models",
    "images": "",
    "data": "images models",
    "metrics": "checkpoints data images layers models",
    "explore": "images layers models",
    "export": "models",
    "report": "checkpoints images",
    "demo": "explore images models",
    "cli": "checkpoints data demo explore export images layers metrics models report training",
    "training": "augment checkpoints data explore images losses metrics models",
}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports_of(module: str) -> set[str]:
    """The modules of the package that a file imports, in functions and for type checkers alone too."""
    found = set()
    package = module.split(".") if FILES[module].name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            origin = ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])
            for alias in node.names:
                found.add(f"{origin}.{alias.name}" if f"{origin}.{alias.name}" in FILES else origin)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found |= {name for name in names if name in FILES}
    return found - {module}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


def test_no_module_reaches_itself() -> None:
    try:
        order = [*TopologicalSorter({module: imports_of(module) for module in FILES}).static_order()]
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' → '.join(error.args[1])}")
    assert len(order) == len(FILES)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_the_rooms_of_its_arrows(room: str) -> None:
    modules = [module for module in FILES if room_of(module) == room]
    assert modules
    found = {room_of(name) for module in modules for name in imports_of(module)}
    assert {name for name in found if not name.startswith("_")} - {"", room} == set(ROOMS[room].split())


def test_only_the_command_train_imports_the_run() -> None:
    run = "stylelayers.training.run"
    outside = [module for module in FILES if not module.startswith(run)]
    importing = [module for module in outside if any(name.startswith(run) for name in imports_of(module))]
    assert importing == ["stylelayers.cli.train"]


def test_the_command_train_imports_the_training_when_it_is_called() -> None:
    found = [module for module in FILES if any(room_of(name) == "training" for name in imports_of(module))]
    assert [module for module in found if room_of(module) == "cli"] == ["stylelayers.cli.train"]
    program = "import sys, stylelayers.cli.app; print([name for name in sys.modules if name in ('hydra', 'lightning')])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def test_every_room_has_its_arrows() -> None:
    assert {room_of(module) for module in FILES if not room_of(module).startswith("_")} - {""} == set(ROOMS)
