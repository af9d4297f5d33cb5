"""Every ``python train.py`` of the documents composes; README is short. Blocks: test_documents.py."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from omegaconf import OmegaConf

from tests.documents import DOCUMENTS, README
from tests.training.tiny import REPOSITORY, compose

SOURCES = [
    *DOCUMENTS,
    REPOSITORY / "configs" / "train.yaml",
    *sorted((REPOSITORY / "configs" / "experiment").iterdir()),
]
PLUGINS = {
    "optuna": "hydra_plugins.hydra_optuna_sweeper",
    "joblib": "hydra_plugins.hydra_joblib_launcher",
    "slurm": "hydra_plugins.hydra_submitit_launcher",
}
OPTIONS = {"--help", "-m", "--multirun"}
CONFIG_DIR = "--config-dir="


def command_lines() -> dict[str, set[str]]:
    """What follows ``python train.py`` or ``stylelayers train`` in the sources, and the names of the sources."""
    found: dict[str, set[str]] = {}
    for source in SOURCES:
        text = re.sub(r"\\\n\s*", "", source.read_text())  # continued lines
        for command in re.findall(r"(?:python train\.py|stylelayers train\b|\$\{program_command:\})([^`\n#]*)", text):
            found.setdefault(command.strip(), set()).add(source.name)
    return found


COMMANDS = command_lines()


def single_runs(overrides: list[str]) -> Iterator[list[str]]:
    """The overrides of one run for each combination of swept values; of an interval those are its ends."""
    parsed = OverridesParser.create().parse_overrides(overrides)
    yield from map(list, product(*map(values, overrides, parsed)))


def values(text: str, override: Override) -> list[str]:
    """An override as it is, or one for each of its values."""
    if not override.is_sweep_override():
        return [text]
    sweep = override.value()
    found = [sweep.start, sweep.end] if isinstance(sweep, IntervalSweep) else override.sweep_string_iterator()
    return [f"{override.get_key_element()}={value}" for value in found]


def write_own(folder: str, place: Path) -> Path:
    """The documents' example of a folder of configurations: blocks of YAML below the names of their files."""
    text = "\n".join(path.read_text() for path in DOCUMENTS)
    found = re.findall(rf"`({folder}/\S+\.yaml)`:\n\n```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found
    for name, block in found:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(block)
    return place / folder


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command or "no arguments")
def test_command_lines_compose(command: str, tmp_path: Path) -> None:
    arguments = shlex.split(command)
    options = [argument for argument in arguments if argument.startswith("-")]
    folders = [option.removeprefix(CONFIG_DIR) for option in options if option.startswith(CONFIG_DIR)]
    assert {option for option in options if not option.startswith(CONFIG_DIR)} <= OPTIONS
    own = [f"hydra.searchpath=[{','.join(str(write_own(folder, tmp_path)) for folder in folders)}]"] if folders else []
    for name, plugin in PLUGINS.items():
        if f"={name}" in command:
            pytest.importorskip(plugin)
    runs = list(single_runs([argument for argument in arguments if argument not in options]))
    assert len(runs) == 1 or {"-m", "--multirun"} & set(options)
    for overrides in runs:
        config = compose(*overrides, *own, f"output={tmp_path}")
        assert OmegaConf.to_container(config, resolve=True)


def test_every_document_with_commands_is_read() -> None:
    sources = set().union(*COMMANDS.values())
    assert {"README.md", "train.yaml"} <= sources
    assert {path.name for path in (REPOSITORY / "configs" / "experiment").iterdir()} <= sources


def test_readme_is_short() -> None:
    assert len(README.read_text().splitlines()) < 250
