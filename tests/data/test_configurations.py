"""Configurations of the data modules: defaults, and what a wrong value says."""

import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from stylelayers import data
from stylelayers.data import ImageDataModule, ImageTransform, digits, image_folder, torchvision_dataset
from tests.data.pictures import numbered

CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "data").glob("*.yaml"))
LOADER_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"batch_size": 0}, "batch_size must be an int of at least 1, got 0"),
    ({"batch_size": True}, "batch_size must be an int of at least 1, got True"),
    ({"batch_size": 2.5}, "batch_size must be an int of at least 1, got 2.5"),
    ({"num_workers": -1}, "num_workers must be an int of at least 0, got -1"),
    ({"num_workers": False}, "num_workers must be an int of at least 0, got False"),
]
IMAGE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"image_channels": 5}, "image_channels must be one of 1, 2, 3, 4, got 5"),
    ({"image_channels": True}, "image_channels must be an int of at least 1, got True"),
    *(
        ({"resolution": resolution}, f"resolution must be an int or (height, width) in pixels, got {resolution!r}")
        for resolution in (0, -8, True, 32.0, "32", None, (32,), (32, 0), (32, True), (8, 8, 8))
    ),
]
RESIZE_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"resize": "pad"}, "resize must be one of crop, fit, stretch, got 'pad'"),
    ({"resize_filter": "hann"}, "resize_filter must be one of lanczos, bicubic, bilinear, box, got 'hann'"),
]
OPTION_ERRORS: list[tuple[dict[str, Any], str]] = [
    *LOADER_ERRORS,
    *IMAGE_ERRORS,
    *RESIZE_ERRORS,
    ({"labels": "class"}, "labels must be one of none, classes, vectors, got 'class'"),
    ({"max_images": 0}, "max_images must be an int of at least 1, got 0"),
    ({"subset_seed": -1}, "subset_seed must be an int of at least 0, got -1"),
    ({"on_error": "ignore"}, "on_error must be one of raise, skip, got 'ignore'"),
    ({"balance_classes": True}, "balance_classes must go with labels='classes', got labels='none'"),
    ({"images_per_class": 0}, "images_per_class must be an int of at least 1, got 0"),
    ({"images_per_class": 4}, "images_per_class must go with labels='classes', got labels='none'"),
    (
        {"images_per_class": 4, "labels": "classes", "batch_size": 6},
        "images_per_class must divide batch_size=6, got 4",
    ),
]
FOLDER_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"verify": "all"}, "verify must be one of header, decode, got 'all'"),
]
SET_ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"split": "val"}, "split must be one of train, test, got 'val'"),
    ({"name": "SUN397", "split": "test"}, "split must be one of train, got 'test'"),
    ({"root": None}, "root must name the folder that holds, or will hold, the files of the data set, got None"),
    (
        {"arguments": {"folds": 2}},
        "arguments must be among transform, target_transform for CIFAR10, got {'folds': 2}",
    ),
    (
        {"arguments": {"download": True}},
        "arguments must be among transform, target_transform for CIFAR10, got {'download': True}",
    ),
    (
        {"name": "EMNIST"},
        "arguments must be among transform, target_transform, split for EMNIST, with split, got {}",
    ),
]


DIGITS_ERRORS = [
    *LOADER_ERRORS,
    *((given, message.replace("1, 2, 3, 4", "1, 3")) for given, message in IMAGE_ERRORS),
    ({"labels": "vectors"}, "labels must be one of none, classes, got 'vectors'"),
]


@pytest.mark.parametrize(("arguments", "message"), DIGITS_ERRORS)
def test_digits_rejects(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'digits: {message}')}$"):
        digits(**arguments)


@pytest.mark.parametrize(("arguments", "message"), IMAGE_ERRORS + RESIZE_ERRORS)
def test_image_transform_rejects(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'ImageTransform: {message}')}$"):
        ImageTransform(**{"resolution": 8, **arguments})


@pytest.mark.parametrize(("arguments", "message"), OPTION_ERRORS + FOLDER_ERRORS)
def test_image_folder_rejects(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'image_folder: {message}')}$"):
        image_folder("missing", **arguments)


@pytest.mark.parametrize(("arguments", "message"), OPTION_ERRORS + SET_ERRORS)
def test_torchvision_dataset_rejects(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'torchvision_dataset: {message}')}$"):
        torchvision_dataset(**{"root": "missing", "download": False, **arguments})


@pytest.mark.parametrize("name", ["cifar10", "LSUN", "wrap_dataset_for_transforms_v2"])
def test_torchvision_dataset_lists_the_names(name: str) -> None:
    expected = rf"^torchvision_dataset: name must be one of CIFAR10, .*, MNIST, .*, WIDERFace, got '{name}'$"
    with pytest.raises(ValueError, match=expected):
        torchvision_dataset(name)


@pytest.mark.parametrize(("arguments", "message"), [*LOADER_ERRORS, ({"num_labels": -1}, "num_labels must be an int")])
def test_data_module_rejects(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'ImageDataModule: {message}')}"):
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
    chosen = {name for name, value in config.items() if "${" in str(value)}  # by other keys
    assert chosen <= {"images_per_class"}
    assert config | {name: defaults[name] for name in chosen} == defaults
    assert target.__name__ in data.__all__


def test_there_is_a_configuration_for_each_data_set() -> None:
    assert [path.stem for path in CONFIGS] == ["archive", "dataset", "digits", "folder", "huggingface", "torchvision"]
