"""Official pickles: the golden file's numbers, all architectures there and back, files that fit badly."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stylelayers.checkpoints.stylegan2 import StyleGAN2, load_stylegan2
from stylelayers.models import Discriminator, Generator
from tests.checkpoints.official_layout import FILTER, Module, discriminator_module, generator_module, official_pickle
from tests.conftest import assert_same

DATA = Path(__file__).parents[1] / "data"
GOLDEN_FILE = DATA / "stylegan2_official_32.pkl"


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    with np.load(DATA / "stylegan2_official_32.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.fixture(scope="module")
def official() -> StyleGAN2:
    return load_stylegan2(GOLDEN_FILE)


@torch.no_grad()
def test_golden_styles_match(official: StyleGAN2, golden: dict[str, Tensor]) -> None:
    mapping = official["generator"].mapping
    assert_same(mapping(golden["z"]), golden["ws"], 1e-5)
    truncated = mapping(golden["z"], truncation_psi=0.5, truncation_cutoff=4)
    assert_same(truncated, golden["ws_psi05_cutoff4"], 1e-5)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("image_const_noise", {"noise": "const"}),
        ("image_const_noise_psi05_cutoff4", {"noise": "const", "truncation_psi": 0.5, "truncation_cutoff": 4}),
        ("image_no_noise", {"noise": "none"}),
    ],
)
@torch.no_grad()
def test_golden_images_match(
    official: StyleGAN2, golden: dict[str, Tensor], name: str, options: dict[str, Any]
) -> None:
    assert_same(official["generator"](golden["z"], **options), golden[name], 1e-4)


@torch.no_grad()
def test_golden_logits_match(official: StyleGAN2, golden: dict[str, Tensor]) -> None:
    assert_same(official["discriminator"](golden["image_const_noise"]), golden["logits"], 1e-4)


def test_loaded_networks_are_float32_in_evaluation_mode(official: StyleGAN2) -> None:
    generator, discriminator = official["generator"], official["discriminator"]
    assert (generator.z_dim, generator.w_dim, generator.mapping_layers, generator.num_ws) == (16, 24, 2, 8)
    for network in (generator, discriminator):
        assert (network.channel_base, network.channel_max, network.clamp) == (512, 32, 256)
        assert not network.training
        assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


# There and back --------------------------------------------------------------------------------------------------

NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "skip": ({"mapping_layers": 1, "clamp": 0.5}, {"clamp": 0.5}),
    "resnet": ({"mapping_layers": 3, "activation": "relu", "clamp": 0.25}, {"mbstd_num_channels": 2}),
    "orig": ({"mapping_lr_multiplier": 0.1, "w_mean_decay": 0.9}, {"activation": "swish", "mbstd_group_size": 2}),
}


@pytest.mark.parametrize("num_labels", [0, 3])
@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize("protocol", [3, 4, 5])
@torch.no_grad()
def test_official_pickles_round_trip(tmp_path: Path, architecture: str, num_labels: int, protocol: int) -> None:
    generator, discriminator = networks(architecture, num_labels)
    loaded = load(tmp_path, official_pickle(generator, discriminator, protocol=protocol))
    for ours, theirs in ((generator, loaded["generator"]), (discriminator, loaded["discriminator"])):
        for name in set(inspect.signature(type(ours)).parameters) - {"device", "dtype", "channel_base"}:
            assert getattr(theirs, name) == getattr(ours, name), name
    z, labels = torch.randn(5, 6), torch.tensor([0, 1, 2, 1, 0]) if num_labels else None
    images = generator(z, labels, truncation_psi=0.7, noise="const")
    assert_same(loaded["generator"](z, labels, truncation_psi=0.7, noise="const"), images, 1e-5)
    assert_same(loaded["discriminator"](images, labels), discriminator(images, labels), 1e-5)


def test_group_size_none_takes_the_whole_batch(tmp_path: Path) -> None:
    generator, discriminator = networks("skip")
    module = discriminator_module(discriminator)
    module.children["b4"].children["mbstd"].attributes["group_size"] = None
    loaded = load(tmp_path, official_pickle(generator, module))["discriminator"]
    assert loaded(torch.randn(7, 2, 16, 16)).shape == (7, 1)


@pytest.mark.parametrize("protocol", [3, 4])
def test_numpy_attributes_are_read(tmp_path: Path, protocol: int) -> None:
    generator, discriminator = networks("skip")
    module = discriminator_module(discriminator)
    for names in DISCRIMINATOR_CONVS:
        level(module, *names).attributes.update(conv_clamp=np.float64(0.75), taps=np.arange(3.0), up=np.int64(1))
    assert load(tmp_path, official_pickle(generator, module, protocol=protocol))["discriminator"].clamp == 0.75


def networks(architecture: str, num_labels: int = 0) -> tuple[Generator, Discriminator]:
    """A pair in which no parameter has its initial value."""
    shared: dict[str, Any] = {"num_labels": num_labels, "image_channels": 2, "channel_base": 68, "channel_max": 12}
    shared |= {"architecture": architecture}
    own, other = NETWORKS[architecture]
    generator = Generator(16, z_dim=6, w_dim=7, **(shared | own))
    discriminator = Discriminator(16, label_layers=2 if num_labels else 8, **(shared | other))
    with torch.no_grad():
        for network in (generator, discriminator):
            for tensor in network.state_dict().values():
                tensor.add_(torch.randn_like(tensor), alpha=0.1)
    return generator.eval(), discriminator.eval()


def load(folder: Path, data: bytes) -> StyleGAN2:
    path = folder / "network.pkl"
    path.write_bytes(data)
    return load_stylegan2(path)


# Files that are no StyleGAN2 -------------------------------------------------------------------------------------

Change = Callable[[Module, Module], object]


def level(module: Module, *names: str) -> Module:
    for name in names:
        module = module.children[name]
    return module


DISCRIMINATOR_CONVS = [("b16", "conv0"), ("b16", "conv1"), ("b8", "conv0"), ("b8", "conv1"), ("b4", "conv")]
CHANGES: dict[str, tuple[Change, str]] = {
    "no_level": (lambda g, d: level(g, "synthesis").children.pop("b8"), r"levels synthesis\.b4.*got \[4, 16\]"),
    "another_generator": (lambda g, d: level(g, "synthesis").children.clear(), r"levels synthesis\.b4.*got \[\]"),
    "missing": (lambda g, d: level(g, "synthesis", "b8", "conv0").tensors.pop("bias"), r"lacks synthesis\.b8\.conv0"),
    "missing_width": (lambda g, d: level(d, "b4").children.pop("conv"), r"b4\.conv\.weight must be a 4-D .*no such"),
    "unknown": (lambda g, d: d.tensors.update(sum=torch.ones(3)), r"not understood: sum"),
    "many_unknown": (lambda g, d: d.tensors.update({f"t{i}": FILTER for i in range(20)}), r"t0, t1, .* and 12 more"),
    "shape": (
        lambda g, d: level(g, "synthesis", "b8", "conv1").tensors.update(bias=torch.ones(5)),
        r"synthesis\.b8\.conv1\.bias must be floats \(8,\), got torch.float32 \(5,\)",
    ),
    "whole_numbers": (
        lambda g, d: level(d, "b8", "conv0").tensors.update(bias=torch.ones(8, dtype=torch.int64)),
        r"b8\.conv0\.bias must be floats \(8,\), got torch.int64",
    ),
    "filter": (lambda g, d: level(d, "b8", "conv1").buffers.update(resample_filter=FILTER + 1), r"must be the filter"),
    "filter_size": (lambda g, d: level(d, "b8", "conv1").buffers.update(resample_filter=FILTER[0]), r"shape \(4,\)"),
    "channels": (
        lambda g, d: level(g, "synthesis", "b4", "conv1").tensors.update(weight=torch.ones(1, 12, 3, 3)),
        r"synthesis\.b4\.const must be floats|synthesis\.b4\..* must be",
    ),
    "terabytes": (
        lambda g, d: level(g, "synthesis", "b4", "conv1").tensors.update(weight=torch.ones(500_000, 1, 1, 1)),
        r"synthesis\.b4\..* must be floats \(500000,",
    ),
    "clamps_differ": (
        lambda g, d: level(d, "b8", "conv0").attributes.update(conv_clamp=1),
        r"conv_clamp must be one int, float, NoneType in all layers",
    ),
    "clamp_of_text": (lambda g, d: level(d, "b16", "conv1").attributes.update(conv_clamp="1"), r"conv_clamp must be"),
    "activation": (
        lambda g, d: [level(d, *n).attributes.update(activation="gelu") for n in DISCRIMINATOR_CONVS],
        r"activation.*gelu",
    ),
    "tensor_for_module": (lambda g, d: d.children.update(b4=torch.ones(1)), r"b4 in _modules must be a Record"),
    "module_for_tensor": (lambda g, d: d.tensors.update(b4=Module()), r"b4 in _parameters must be a Tensor"),
    "dotted_name": (lambda g, d: d.tensors.update({"b4.out": torch.ones(1)}), r"unusable name 'b4\.out'"),
    "endless_name": (lambda g, d: d.tensors.update({"x" * 9999: torch.ones(1)}), r"unusable name 'x{80}…'"),
    "numbered_name": (lambda g, d: d.tensors.update({1: torch.ones(1)}), r"unusable name '1'"),  # type: ignore[dict-item]
    "table": (lambda g, d: d.attributes.update(_modules=[]), r"_modules of a module must be a dict, got list"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_inconsistent_networks_are_refused(tmp_path: Path, case: str) -> None:
    change, message = CHANGES[case]
    generator, discriminator = networks("skip")
    written, judged = generator_module(generator), discriminator_module(discriminator)
    change(written, judged)
    with pytest.raises(ValueError, match=rf"load_stylegan2: .*network\.pkl.*: .*{message}"):
        load(tmp_path, official_pickle(written, judged))
