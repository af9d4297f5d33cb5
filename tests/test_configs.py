"""The configuration files say exactly what the constructors take."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import hydra
import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from stylelayers.training import StyleGAN2Loss
from stylelayers.training.loss import ALIAS_FREE_GAMMA_PER_PIXEL
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


def test_every_file_of_a_group_makes_an_object_or_changes_another_file() -> None:
    for path in FILES:
        if path.stem == "none":
            assert compose(f"{path.parent.name}=none")[path.parent.name] is None
            continue
        defaults = cast(dict[str, Any], OmegaConf.to_container(OmegaConf.load(path))).get("defaults", [])
        changes = [name for name in defaults if name != "_self_"]
        assert bool(of_group(path)) != bool(changes), path
        group, chosen = path.parent.name, compose(f"{path.parent.name}={path.stem}")
        for name in changes:
            other = compose(f"{group}={name}")
            assert chosen[group] != other[group]
            assert keys(chosen[group]) >= keys(other[group])
    assert {path.name for path in CONFIGS.iterdir() if path.is_dir()} == {*GROUPS, "preset", "experiment", "hydra"}


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
    assert f"experiment={path.stem}" in lines[1]
    assert lines[2].startswith("# ")  # what to expect
    assert compose(f"experiment={path.stem}") != compose()


# Presets -----------------------------------------------------------------------------------------------------------

DATA = {"digits": (), "folder": ("data.root=images",), "archive": ("data.root=images.zip",), "torchvision": ()}
PUBLISHED = {  # resolution: batch_size, channel_base, lr, average_half_life
    32: (32, 16384, 0.0025, 10_000),
    256: (16, 16384, 0.0025, 5000),
    1024: (4, 32768, 0.002, 1250),
}
LOSSES: dict[str, dict[str, Any]] = {  # what each loss says itself
    "stylegan2": {"r1_interval": 16, "gradient_penalty_weight": 0.0},
    "hinge": {"adversarial": "hinge", "r1_interval": 16, "gradient_penalty_weight": 0.0},
    "wgan_gp": {
        **{"adversarial": "wasserstein", "r1_gamma": 0.0, "r2_gamma": 0.0, "gradient_penalty_weight": 10.0},
        **{"mismatch_weight": 0.0, "path_length_weight": 0.0},
    },
    "r3gan": {
        **{"adversarial": "relativistic", "r1_gamma": 1.0, "r2_gamma": 1.0, "r1_interval": 1},
        **{"mismatch_weight": 0.0, "path_length_weight": 0.0, "style_mixing": 0.0},
    },
}


def resolved(*overrides: str) -> dict[str, Any]:
    return cast(dict[str, Any], OmegaConf.to_container(compose(*overrides, "output=run"), resolve=True))


@pytest.mark.parametrize("resolution", PUBLISHED)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("data", DATA)
def test_data_have_their_preset_and_a_loss_wins_over_it(data: str, loss: str, resolution: int) -> None:
    config = resolved(f"data={data}", f"loss={loss}", f"data.resolution={resolution}", "trainer.devices=1", *DATA[data])
    model, limits = config["model"], (config["callbacks"]["stop"]["max_images"], config["trainer"]["max_time"])
    generator = model["generator"]
    sizes = generator["channel_base"], generator["channel_max"], generator["w_dim"]
    average = model["average_half_life"], model["average_rampup"]
    found = config["data"]["batch_size"], sizes, model["generator_optimizer"]["lr"], average, limits
    penalties: dict[str, Any]
    if data == "digits":
        assert found == (16, (512, 64, 64), 0.005, (10_000, 0.2), (None, "00:00:10:00"))
        penalties = {"adversarial": "relativistic", "r1_gamma": 0.2, "r2_gamma": 0.2, "mismatch_weight": 0.3}
        penalties |= {"path_length_weight": 0.0, "style_mixing": 0.0}
    else:
        batch, base, rate, half_life = PUBLISHED[resolution]
        assert found == (batch, (base, 512, 512), rate, (half_life, 0.05), (25_000_000, None))
        penalties = {"adversarial": "nonsaturating", "r1_gamma": "auto", "r2_gamma": 0.0, "mismatch_weight": 0.0}
        penalties |= {"path_length_weight": 2.0, "style_mixing": 0.9}
    assert model["discriminator"]["channel_base"] == sizes[0]
    assert model["discriminator_optimizer"]["lr"] == found[2]
    expected = {**penalties, **LOSSES[loss]}
    assert {name: config["loss"][name] for name in expected} == expected
    named = "digits" if data == "digits" else "published"
    assert config["preset"]["name"] == config["callbacks"]["preflight"]["preset"] == named


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        (("loss.r1_gamma=3", "loss=r3gan"), "loss.r2_gamma", 3),  # the command line wins over all
        (("model.generator.channel_base=64",), "model.discriminator.channel_base", 64),
        (("data=torchvision", "data.batch_size=8"), "model.average_half_life", 2500),
        (("data=torchvision", "data.resolution=256", "trainer.devices=4"), "model.average_half_life", 20_000),
        (("data=torchvision", "trainer.devices=[0,1]", "trainer.num_nodes=2"), "model.average_half_life", 40_000),
        (("data=torchvision", "data.resolution=[64,512]"), "model.generator.channel_base", 32768),
        (("experiment=cifar10",), "model.average_half_life", 500_000),  # experiments win over presets
        (("experiment=cifar10",), "loss.r1_gamma", 0.01),
        (("experiment=faces256", "data.root=faces"), "loss.r1_gamma", 0.8),
        (("experiment=faces256", "data.root=faces"), "model.generator.channel_base", 16384),
        (("experiment=reflect",), "model.generator.z_dim", 64),
        (("data=folder", "data.root=images", "preset=digits"), "model.generator.z_dim", 64),
        (("~preset",), "model.generator.z_dim", 512),
        ((), "data.images_per_class", 4),  # the discriminator's groups, where the classes are known
        (("data.labels=none",), "data.images_per_class", 1),
        (("data.batch_size=5",), "data.images_per_class", 1),
        (("data.labels=none",), "loss.mismatch_weight", 0.0),
        (("experiment=digits_alias_free",), "loss.mismatch_weight", 0.0),
        (("model.discriminator.mbstd_group_size=2",), "data.images_per_class", 2),
        (("model.micro_batches=8",), "data.images_per_class", 1),
        (("loss=hinge",), "loss.r2_gamma", 0.2),
        (("preset.r1_gamma=0.7",), "loss.r2_gamma", 0.7),
        (("data=folder", "data.root=images"), "model.discriminator.mbstd_group_size", 4),
        (("model=stylegan3",), "model.generator.channel_max", 64),  # the digits' preset
        (("model=stylegan3",), "model.generator_optimizer.lr", 0.005),
        (("model=stylegan3", "model.generator.channel_base=64"), "model.discriminator.channel_base", 64),
        (("model=stylegan3", "preset.lr=0.001"), "model.discriminator_optimizer.lr", 0.0008),
        (("model=stylegan3", "loss=hinge", "data=torchvision"), "loss.style_mixing", 0.0),
        (("model=stylegan3", "loss.style_mixing=0.5"), "loss.style_mixing", 0.5),
        (("model.generator._target_=tests.training.tiny.Nothing", "data=torchvision"), "loss.style_mixing", 0.9),
    ],
)
def test_who_wins_over_a_preset(overrides: tuple[str, ...], key: str, value: object) -> None:
    assert OmegaConf.select(OmegaConf.create(resolved("trainer.devices=1", *overrides)), key) == value


@pytest.mark.parametrize("resolution", [128, 256, 512, 1024])
@pytest.mark.parametrize("configuration", ["T", "R"])
def test_stylegan3_has_its_published_settings(configuration: str, resolution: int) -> None:
    alone = ("data=torchvision", f"data.resolution={resolution}", "trainer.devices=1")
    config = resolved("model=stylegan3", f"model.generator.configuration={configuration}", *alone)
    model, loss = config["model"], config["loss"]
    generator, discriminator = model["generator"], model["discriminator"]
    twice = 2 if configuration == "R" else 1
    assert (generator["channel_base"], generator["channel_max"]) == (twice * 32768, twice * 512)
    assert (discriminator["channel_base"], discriminator["channel_max"]) == (32768, 512)
    assert (generator["num_layers"], generator["mapping_layers"], generator["margin"]) == (14, 2, 10)
    assert (model["generator_optimizer"]["lr"], model["discriminator_optimizer"]["lr"]) == (0.0025, 0.002)
    assert (loss["path_length_weight"], loss["style_mixing"], loss["r1_gamma"]) == (0.0, 0.0, "auto")
    assert (model["blur_sigma"], model["blur_images"]) == (10.0 if configuration == "R" else 0.0, 200_000)
    gamma = StyleGAN2Loss(r1_gamma="auto")
    gamma.set_automatic_gammas((resolution, resolution), 32, per_pixel=ALIAS_FREE_GAMMA_PER_PIXEL)
    assert gamma.r1_gamma == {128: 0.5, 256: 2, 512: 8, 1024: 32}[resolution]


def test_under_torchrun_the_half_life_is_for_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert resolved("data=torchvision")["model"]["average_half_life"] == 80_000


@pytest.mark.parametrize("path", sorted((CONFIGS / "preset").iterdir()), ids=lambda path: path.stem)
def test_a_preset_has_all_values(path: Path) -> None:
    assert set(OmegaConf.load(path)) == set(compose("~preset").preset)


def test_slurm_gives_every_process_a_task_and_a_gpu() -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    overrides = ["hydra/launcher=slurm", "trainer.num_nodes=2", "trainer.devices=4"]
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        launcher = hydra.compose("train", overrides, return_hydra_config=True).hydra.launcher
    assert (launcher.nodes, launcher.tasks_per_node, launcher.gpus_per_node) == (2, 4, 4)
