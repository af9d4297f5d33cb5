"""Keys: errors of objects become those of their keys, and the nearest name is suggested for a misspelt one."""

from __future__ import annotations

import re

import pytest
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from stylelayers.training.run.errors import CONFIGURATION_ERRORS, explain
from stylelayers.training.run.keys import did_you_mean, keys_of, objects_of, with_keys
from tests.training.tiny import compose


class Sized:
    def __init__(self, size: int = 1, inner: object = None) -> None:
        if size < 1:
            raise ValueError(f"Sized: size must be at least 1, got {size}")


def sized(size: int = 1) -> Sized:
    if size < 1:
        raise ValueError(f"sized: size must be at least 1, got {size}")
    return Sized(size)


HERE = "tests.training.run.test_keys"
TEXTS = {
    "StyleGAN2Loss: r1_gamma must be at least 0, got -1": "loss.r1_gamma must be at least 0, got -1",
    "StyleGAN2Loss: r1_gamma=auto needs a batch": "loss.r1_gamma=auto needs a batch",
    "digits: resolution must be even, got 3": "data.resolution must be even, got 3",
    "Schedules: r2_gamma needs the penalty": "callbacks.schedules.r2_gamma needs the penalty",
    "GAN: average_half_life and average_rampup must be above 0": (
        "model.average_half_life and average_rampup must be above 0"
    ),
    "Adam: lr must be above 0": "Adam: lr must be above 0",  # there are two
    "Blur: size must be odd": "Blur: size must be odd",
    "StyleGAN2Loss: no batch is known": "StyleGAN2Loss: no batch is known",
    "the file is absent": "the file is absent",
}


@pytest.mark.parametrize("text", TEXTS)
def test_an_argument_becomes_the_key_of_its_object(text: str) -> None:
    assert with_keys(text, compose()) == TEXTS[text]


def test_of_two_objects_of_a_class_the_one_that_is_built_is_named() -> None:
    text, config = "Adam: lr must be above 0", compose()
    assert with_keys(text, config, "model.generator_optimizer") == "model.generator_optimizer.lr must be above 0"


def test_an_argument_that_a_part_refuses_is_that_of_the_object() -> None:
    text, config = "SynthesisNetwork: w_dim must be an int", compose()
    assert with_keys(text, config, "model.generator") == "model.generator.w_dim must be an int"
    assert with_keys(text, config) == text
    unknown = "MappingNetwork: num_layers must be an int"
    assert with_keys(unknown, config, "model.generator") == unknown


@pytest.mark.parametrize(
    ("config", "line"),
    [
        ({"a": {"_target_": f"{HERE}.Sized", "size": 0}}, "a.size must be at least 1, got 0"),
        ({"a": {"_target_": f"{HERE}.sized", "size": 0}}, "a.size must be at least 1, got 0"),
        (
            {"a": {"_target_": f"{HERE}.Sized", "inner": {"_target_": f"{HERE}.Sized", "size": 0}}},
            "a.inner.size must be at least 1, got 0",
        ),
        ({"a": {"_target_": "builtins.int", "_args_": ["x"]}}, "invalid literal.*'x' .configuration: a.$"),
    ],
)
def test_what_hydra_cannot_build_is_told_by_its_key(config: dict[str, object], line: str) -> None:
    cfg = OmegaConf.create(config)
    assert isinstance(cfg, DictConfig)
    with pytest.raises(CONFIGURATION_ERRORS) as caught:
        instantiate(cfg.a)
    assert re.search(f"^{line}", explain(caught.value, cfg))


def test_all_places_are_walked_and_references_are_not_followed() -> None:
    config = OmegaConf.create({"a": {"b": 1, "c": None, "d": {"e": [1]}}, "f": "${a}", "g": "???"})
    assert list(keys_of(config)) == ["a", "a.b", "a.c", "a.d", "a.d.e", "f", "g"]
    objects = dict(objects_of(compose()))
    assert {"data", "model", "model.generator", "loss", "callbacks.grid"} < objects.keys()
    assert not objects.keys() & {"model.loss", "augment"}


def test_what_is_shown_of_a_near_name_may_be_more() -> None:
    assert did_you_mean("siz", {"size": "data.size"}) == "did you mean data.size?"
    assert did_you_mean("siz", ["other"]) == ""
