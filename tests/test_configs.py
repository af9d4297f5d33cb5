"""The configuration files say exactly what the constructors take."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import hydra
import pytest
from hydra.utils import get_object
from omegaconf import DictConfig, OmegaConf

from stylelayers.training.run.errors import keys_of
from tests.training.tiny import REPOSITORY, compose

CONFIGS = REPOSITORY / "configs"
GROUPS = ("augment", "callbacks", "data", "logger", "loss", "model", "trainer")
NOT_CONFIGURED = {"data", "device", "dtype"}  # `data` is that of the run


def objects(node: Any, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every mapping with a ``_target_`` below a node, each with its place."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield name, node
        for key, value in node.items():
            yield from objects(value, f"{name}.{key}")


def of_group(path: Path) -> list[tuple[str, dict[str, Any]]]:
    return list(objects(OmegaConf.to_container(OmegaConf.load(path)), f"{path.parent.name}/{path.stem}"))


FILES = [path for group in GROUPS for path in sorted((CONFIGS / group).iterdir())]
OBJECTS = dict(entry for path in FILES for entry in of_group(path))
OURS = {name: node for name, node in OBJECTS.items() if node["_target_"].startswith("stylelayers.")}


def parameters(node: dict[str, Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(get_object(node["_target_"])).parameters)


def keys(node: dict[str, Any]) -> set[str]:
    return set(node) - {"_target_", "_partial_"}


def test_every_file_of_a_group_makes_something_or_changes_what_another_makes() -> None:
    for path in FILES:
        if path.stem == "none":
            assert compose(f"{path.parent.name}=none")[path.parent.name] is None
            continue
        defaults = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(path))).get("defaults", [])
        changes = [name for name in defaults if name != "_self_"]
        assert bool(of_group(path)) != bool(changes), path
        group, chosen = path.parent.name, compose("~experiment", f"{path.parent.name}={path.stem}")
        for name in changes:
            other = compose("~experiment", f"{group}={name}")
            assert chosen[group] != other[group]
            assert keys(chosen[group]) >= keys(other[group])
    assert {path.name for path in CONFIGS.iterdir() if path.is_dir()} == {*GROUPS, "experiment", "hydra"}


@pytest.mark.parametrize("name", OURS)
def test_keys_are_the_arguments_of_our_constructors_with_their_defaults(name: str) -> None:
    node = OURS[name]
    taken = {key: value for key, value in parameters(node).items() if key not in NOT_CONFIGURED}
    assert keys(node) == set(taken)
    for key, parameter in taken.items():
        value = tuple(node[key]) if isinstance(node[key], list) else node[key]
        chosen = isinstance(value, dict) or (isinstance(value, str) and "${" in value)
        if parameter.default is not parameter.empty and not chosen:
            assert value == parameter.default, key


@pytest.mark.parametrize("name", sorted(set(OBJECTS) - set(OURS)))
def test_keys_are_among_the_arguments_of_other_constructors(name: str) -> None:
    assert keys(OBJECTS[name]) <= set(parameters(OBJECTS[name]))


@pytest.mark.parametrize("path", sorted((CONFIGS / "experiment").iterdir()), ids=lambda path: path.stem)
def test_an_experiment_begins_with_its_command_and_changes_something(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith("# python train.py")
    assert ("experiment=" + path.stem in lines[1]) == (path.stem != "digits")
    assert lines[2].startswith("# ")  # what to expect
    assert compose(f"experiment={path.stem}") != compose("~experiment")


def test_slurm_gives_every_process_a_task_and_a_gpu() -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    overrides = ["hydra/launcher=slurm", "trainer.num_nodes=2", "trainer.devices=4"]
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        launcher = hydra.compose("train", overrides, return_hydra_config=True).hydra.launcher
    assert (launcher.nodes, launcher.tasks_per_node, launcher.gpus_per_node) == (2, 4, 4)


def test_keys_of_lists_every_place_of_a_configuration() -> None:
    config = OmegaConf.create({"a": {"b": 1, "c": None, "d": {"e": [1]}}, "f": "${a}", "g": "???"})
    assert isinstance(config, DictConfig)
    assert set(keys_of(config)) == {"a", "a.b", "a.c", "a.d", "a.d.e", "f", "g"}
