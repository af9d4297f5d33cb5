"""Configurations of the data modules: defaults, and what a wrong value says."""

import inspect
import pkgutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from stylelayers import data
from stylelayers.data import ImageDataModule, digits, image_folder, torchvision_dataset
from tests.data.pictures import numbered

CONFIGS = sorted((Path(__file__).parents[3] / "configs" / "data").glob("*.yaml"))
LOADER_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"batch_size": 0}, r"^data\.batch_size must be at least 1 image, got 0$"),
    ({"batch_size": True}, r"^data\.batch_size must be .*, got True$"),
    ({"batch_size": 2.5}, r"^data\.batch_size must be .*, got 2\.5$"),
    ({"num_workers": -1}, r"^data\.num_workers must be 0 .* or more processes, got -1$"),
]
IMAGE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"image_channels": 2}, r"^data\.image_channels must be 1 \(grey\) or 3 \(RGB\), got 2$"),
    ({"image_channels": True}, r"^data\.image_channels must be .*, got True$"),
    *(
        ({"resolution": resolution}, r"^data\.resolution must be an int or a pair \(height, width\) .*, got ")
        for resolution in (0, -8, True, 32.0, "32", None, (32,), (32, 0), (32, True), (8, 8, 8))
    ),
]
RESIZE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"resize": "pad"}, r"^data\.resize must be one of crop, fit, stretch, got 'pad'$"),
]
FOLDER_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"on_error": "ignore"}, r"^data\.on_error must be one of raise, skip, got 'ignore'$"),
]
SET_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"name": "LSUN"}, r"^data\.name must be one of CIFAR10, CIFAR100, .*, USPS, got 'LSUN'$"),
    ({"split": "val"}, r"^data\.split of CIFAR10 must be one of train, test, got 'val'$"),
    ({"root": None}, r"^data\.root must name the folder that holds, or will hold, .*, got None$"),
]


@pytest.mark.parametrize(("arguments", "match"), LOADER_ERRORS + IMAGE_ERRORS)
def test_digits_rejects(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        digits(**arguments)


@pytest.mark.parametrize(("arguments", "match"), LOADER_ERRORS + IMAGE_ERRORS + RESIZE_ERRORS + FOLDER_ERRORS)
def test_image_folder_rejects(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        image_folder("missing", **arguments)


@pytest.mark.parametrize(("arguments", "match"), LOADER_ERRORS + IMAGE_ERRORS + RESIZE_ERRORS + SET_ERRORS)
def test_torchvision_dataset_rejects(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        torchvision_dataset(**{"root": "missing", "download": False, **arguments})


@pytest.mark.parametrize(("arguments", "match"), LOADER_ERRORS)
def test_data_module_rejects(arguments: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        ImageDataModule(numbered(2), **arguments)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_configurations_hold_the_arguments_and_their_defaults(path: Path) -> None:
    config = yaml.safe_load(path.read_text())
    target = pkgutil.resolve_name(config.pop("_target_"))
    parameters = inspect.signature(target).parameters
    defaults = {
        name: None if parameter.default is inspect.Parameter.empty else parameter.default
        for name, parameter in parameters.items()
    }
    assert config == defaults
    assert target.__name__ in data.__all__


def test_there_is_a_configuration_for_each_data_set() -> None:
    assert [path.stem for path in CONFIGS] == ["digits", "image_folder", "torchvision"]
