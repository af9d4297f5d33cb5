"""Official StyleGAN3 pickles: the golden files' numbers, all options there and back, files that fit badly."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stylelayers import AliasFreeGenerator, Discriminator
from stylelayers.checkpoints import (
    StyleGAN3,
    convert,
    describe,
    load_generator,
    load_networks,
    load_stylegan2,
    load_stylegan3,
    save_generator,
    save_pytorch_port,
)
from tests.checkpoints.official_layout import Module, discriminator_module, official_pickle
from tests.checkpoints.stylegan3_layout import alias_free_module, shaken
from tests.conftest import assert_same

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module", params=["t", "r"])
def pair(request: pytest.FixtureRequest) -> tuple[StyleGAN3, dict[str, Tensor]]:
    with np.load(DATA / f"stylegan3_{request.param}_32.npz") as arrays:
        golden = {name: torch.from_numpy(arrays[name]) for name in arrays}
    return load_stylegan3(DATA / f"stylegan3_{request.param}_32.pkl"), golden


@torch.no_grad()
def test_golden_numbers_match(pair: tuple[StyleGAN3, dict[str, Tensor]]) -> None:
    generator, golden = pair[0]["generator"], pair[1]
    ws = generator.mapping(golden["z"])
    assert_same(ws, golden["ws"], 1e-5)
    truncated = {"truncation_psi": 0.5, "truncation_cutoff": 3}
    assert_same(generator.mapping(golden["z"], **truncated), golden["ws_psi05_cutoff3"], 1e-5)
    assert_same(generator.synthesis.input(ws[:, 0]), golden["input_features"], 1e-4)
    assert (generator(golden["z"]) - golden["image"]).abs().max() < 5e-6
    assert (generator(golden["z"], **truncated) - golden["image_psi05_cutoff3"]).abs().max() < 5e-6
    assert_same(pair[0]["discriminator"](golden["image"]), golden["logits"], 1e-5)


def test_loaded_networks_are_float32_in_evaluation_mode(pair: tuple[StyleGAN3, dict[str, Tensor]]) -> None:
    generator, discriminator = pair[0]["generator"], pair[0]["discriminator"]
    assert (generator.z_dim, generator.w_dim, generator.num_layers, generator.margin) == (16, 32, 6, 10)
    assert (generator.channel_base, generator.channel_max, generator.clamp) == (512, 32, 256)
    assert not generator.training and not discriminator.training
    assert {tensor.dtype for tensor in (*generator.state_dict().values(), *discriminator.parameters())} == {
        torch.float32
    }


# There and back --------------------------------------------------------------------------------------------------

TINY: dict[str, Any] = {"z_dim": 6, "w_dim": 7, "channel_base": 68, "channel_max": 12}
OPTIONS: dict[str, dict[str, Any]] = {
    "labels": {"resolution": 16, "num_labels": 3, "num_layers": 4, "margin": 3},
    "64 pixels, 4 channels": {"resolution": 64, "image_channels": 4, "channel_base": 256, "num_layers": 14},
    "R": {"resolution": 32, "configuration": "R", "num_layers": 5, "mapping_layers": 3, "clamp": 8},
    "R, grey, labels": {"resolution": 16, "configuration": "R", "image_channels": 1, "num_labels": 2, "num_layers": 3},
    "all": {
        "resolution": 16,
        "num_layers": 5,
        "num_critical": 1,
        "margin": 4,
        "first_cutoff": 1.5,
        "first_stopband": 3.5,
        "last_stopband_rel": 1.5,
        "output_scale": 0.5,
        "clamp": None,
        "mapping_layers": 1,
        "mapping_lr_multiplier": 0.1,
        "w_mean_decay": 0.9,
    },
}


def networks(**options: Any) -> tuple[AliasFreeGenerator, Discriminator]:
    generator = shaken(AliasFreeGenerator(**{**TINY, **options}))
    shared: dict[str, Any] = {"num_labels": generator.num_labels, "image_channels": generator.image_channels}
    return generator, Discriminator(generator.resolution[0], channel_base=64, label_layers=2, **shared).eval()


def written(folder: Path, generator: Any, discriminator: Any) -> Path:
    path = folder / "network.pkl"
    path.write_bytes(official_pickle(generator, discriminator))
    return path


@pytest.mark.parametrize("name", OPTIONS)
@torch.no_grad()
def test_official_pickles_round_trip(tmp_path: Path, name: str) -> None:
    generator, discriminator = networks(**OPTIONS[name])
    path = written(tmp_path, alias_free_module(generator), discriminator)
    loaded = load_stylegan3(path)
    for argument in set(inspect.signature(AliasFreeGenerator).parameters) - {"device", "dtype"}:
        assert getattr(loaded["generator"], argument) == getattr(generator, argument), argument
    z, labels = torch.randn(2, 6), torch.tensor([0, 1]) if generator.num_labels else None
    images = generator(z, labels, truncation_psi=0.7)
    assert torch.equal(loaded["generator"](z, labels, truncation_psi=0.7), images)
    assert_same(loaded["discriminator"](images, labels), discriminator(images, labels), 1e-5)
    convert(path, tmp_path / "ours.safetensors")
    assert torch.equal(load_generator(tmp_path / "ours.safetensors")(z, labels, truncation_psi=0.7), images)


def test_options_that_a_file_does_not_name_have_their_defaults(tmp_path: Path) -> None:
    generator, discriminator = networks(resolution=16, num_layers=4, channel_base=32768, channel_max=512, w_dim=4)
    module = alias_free_module(generator)
    module.children["synthesis"].attributes["_init_kwargs"].clear()
    loaded = load_stylegan3(written(tmp_path, module, discriminator))["generator"]
    assert (loaded.channel_max, loaded.margin, loaded.num_layers) == (512, 10, 4)


def test_files_are_described_and_loaded_wherever_a_generator_is(tmp_path: Path) -> None:
    generator, _ = networks(resolution=16, num_layers=4)
    path = written(tmp_path, alias_free_module(generator), Module())
    found, told = load_networks(path), describe(path)
    assert (found.kind, told.network) == ("official StyleGAN3 pickle", "AliasFreeGenerator")
    assert told.arguments["num_layers"] == 4 and told.arguments["configuration"] == "T"
    assert found.discriminator is None
    assert "discriminator was not understood" in found.notes[0]
    assert found.notes[2] == "settings of float16 are ignored: everything is float32"
    told = describe(save_generator(generator, tmp_path / "g.safetensors"))
    assert (told.network, told.version) == ("AliasFreeGenerator", 4)
    with pytest.raises(ValueError, match="port has only StyleGAN2's generator, got one of class AliasFreeGenerator"):
        save_pytorch_port(tmp_path / "x.pt", generator)


def test_the_other_kind_of_pickle_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"load_stylegan2: .*it is a network of StyleGAN3: use load_stylegan3"):
        load_stylegan2(DATA / "stylegan3_t_32.pkl")
    with pytest.raises(ValueError, match=r"load_stylegan3: .*it is a network of StyleGAN2: use load_stylegan2"):
        load_stylegan3(DATA / "stylegan2_official_32.pkl")
    with pytest.raises(ValueError, match=r"load_stylegan3: path must be a network pickle, got .*, which is no file"):
        load_stylegan3(tmp_path / "absent.pkl")


# Files that are no StyleGAN3 --------------------------------------------------------------------------------------

Change = Callable[[Module], object]


def synthesis(module: Module) -> Module:
    child: Module = module.children["synthesis"]
    return child


def option(**values: Any) -> Change:
    return lambda module: synthesis(module).attributes["_init_kwargs"].update(values)


def layer(module: Module, number: int) -> Module:
    name = next(name for name in synthesis(module).children if name.startswith(f"L{number}_"))
    child: Module = synthesis(module).children[name]
    return child


def renamed(module: Module) -> None:
    children = synthesis(module).children
    children["L1_26_9"] = children.pop("L1_36_8")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (option(use_noise=True), "the synthesis network has options that are not understood: use_noise"),
        (option(filter_size=8), "the synthesis network's filter_size must be 6, got 8"),
        (option(margin_size=11), "the layer L0_38_12 follows from the network's options, got L0_36_12"),
        (option(channel_max=16), "the layer L0_36_16 follows from the network's options, got L0_36_12"),
        (option(channel_max="many"), "the synthesis network's channel_max must be a number, got 'many'"),
        (option(last_stopband_rel=1.5), "filter that the network's options plan, got another"),
        (option(num_critical=4), "num_critical must be below num_layers, 4, got 4"),
        (renamed, "L1_36_8 follows from the network's options, got L1_26_9"),
        (lambda m: synthesis(m).children.pop(next(n for n in synthesis(m).children if n[:2] == "L2")), "layers L0, L1"),
        (lambda m: layer(m, 1).buffers.update(up_filter=torch.ones(12) / 12), "L1_36_8.up_filter must be the filter"),
        (lambda m: layer(m, 1).buffers.update(up_filter=torch.ones(10)), r"up_filter must have \(12,\) taps, got"),
        (lambda m: layer(m, 1).buffers.pop("down_filter"), "the network lacks synthesis.L1_36_8.down_filter"),
        (lambda m: layer(m, 1).buffers.update(down_filter=torch.full((12,), torch.nan)), "must be the filter"),
        (lambda m: layer(m, 4).buffers.update(up_filter=torch.ones(6)), "not understood: synthesis.L4_16_3.up_filter"),
        (lambda m: layer(m, 1).attributes.update(padding=[0, 0, 0, 0]), r"padding of L1_36_8 must be \[9, 8, 9, 8\]"),
        (lambda m: layer(m, 1).attributes.update(conv_clamp=1), "conv_clamp must be one int, float, NoneType in all"),
        (lambda m: layer(m, 0).tensors.update(weight=torch.randn(12, 12, 5, 5)), "kernels must be 3x3 .* got 5"),
        (lambda m: layer(m, 1).tensors.update(weight=torch.randn(12, 9, 3, 3)), r"floats \(8, 12, 3, 3\), got"),
        (lambda m: layer(m, 1).tensors.pop("bias"), "the network lacks synthesis.L1_36_8.bias"),
        (lambda m: layer(m, 1).buffers.pop("magnitude_ema"), "lacks synthesis.L1_36_8.magnitude_ema"),
        (lambda m: m.children["mapping"].children["fc1"].attributes.update(activation="relu"), "must be lrelu|one str"),
        (lambda m: synthesis(m).attributes.update(_init_kwargs=[]), "_init_kwargs of the synthesis network must be"),
    ],
)
def test_files_that_fit_badly(tmp_path: Path, change: Change, message: str) -> None:
    generator, discriminator = networks(resolution=16, num_layers=4)
    module = alias_free_module(generator)
    change(module)
    path = written(tmp_path, module, discriminator_module(discriminator))
    for load in (load_stylegan3, load_generator):
        with pytest.raises(ValueError, match=f"^{load.__name__}: .*network.pkl'.*{message}"):
            load(path)


def test_nothing_in_a_file_is_run(tmp_path: Path) -> None:
    generator, discriminator = networks(resolution=16, num_layers=4)
    sentinel = tmp_path / "ran"
    path = written(tmp_path, alias_free_module(generator, str(sentinel)), discriminator_module(discriminator))
    load_stylegan3(path)
    assert not sentinel.exists()
