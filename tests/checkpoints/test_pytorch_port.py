"""The PyTorch port's checkpoints: numbers of the port itself, there and back, files that fit badly or do harm."""

from __future__ import annotations

import os
import pickle
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stylelayers import Discriminator, Generator
from stylelayers.checkpoints import Networks, load_generator, load_networks, pytorch_port_state, save_pytorch_port
from tests.checkpoints.port_layout import discriminator_shapes, generator_shapes, state
from tests.conftest import assert_same

GOLDEN = Path(__file__).parents[1] / "data" / "pytorch_port_8.npz"
WIDTHS, STYLE, LAYERS = [6, 6, 3], 5, 2


def checkpoint(**more: Any) -> dict[str, Any]:
    shapes = generator_shapes(WIDTHS, STYLE, LAYERS)
    entries = {"g_ema": state(shapes), "d": state(discriminator_shapes(WIDTHS)), "latent_avg": torch.randn(STYLE)}
    return {**entries, **more}


def load(folder: Path, contents: dict[str, Any], **options: Any) -> Networks:
    torch.save(contents, folder / "port.pt", **options)
    return load_networks(folder / "port.pt")


# Numbers of the port, run on networks of random weights -----------------------------------------------------------


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    with np.load(GOLDEN) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


def golden_checkpoint(golden: dict[str, Tensor]) -> dict[str, Any]:
    def below(key: str) -> dict[str, Tensor]:
        return {name.removeprefix(f"{key}/"): t for name, t in golden.items() if name.startswith(f"{key}/")}

    return {"g_ema": below("g_ema"), "d": below("d"), "latent_avg": golden["latent_avg"]}


@torch.no_grad()
def test_golden_outputs_match(tmp_path: Path, golden: dict[str, Tensor]) -> None:
    networks = load(tmp_path, golden_checkpoint(golden))
    generator, discriminator, z = networks.generator, networks.discriminator, golden["z"]
    assert discriminator is not None and networks.notes == ()
    assert_same(generator.mapping(z)[:, 0], golden["w"], 1e-5)
    assert_same(generator(z, noise="const"), golden["images"], 1e-4)
    assert_same(generator(z, noise="const", truncation_psi=0.5), golden["images_psi05"], 1e-4)
    assert_same(discriminator(golden["images"]), golden["logits"], 1e-4)


def test_described_layout_is_that_of_the_port(golden: dict[str, Tensor]) -> None:
    found = golden_checkpoint(golden)
    for key, expected in (("g_ema", generator_shapes([6, 4], 5, 2)), ("d", discriminator_shapes([6, 4]))):
        assert {name: tuple(tensor.shape) for name, tensor in found[key].items()} == expected


# There and back ----------------------------------------------------------------------------------------------------


def test_checkpoints_round_trip_exactly(tmp_path: Path) -> None:
    contents = checkpoint()
    networks = load(tmp_path, contents)
    generator = networks.generator
    assert (generator.resolution, generator.channel_base, generator.channel_max) == ((16, 16), 48, 6)
    assert (generator.w_dim, generator.mapping_layers, generator.training) == (STYLE, LAYERS, False)
    back = pytorch_port_state(generator, networks.discriminator)
    for key in ("g_ema", "d"):
        assert back[key].keys() == contents[key].keys()
        for name, tensor in contents[key].items():
            assert_same(back[key][name], tensor, 1e-6)
    assert torch.equal(back["latent_avg"], contents["latent_avg"])


@torch.no_grad()
def test_our_networks_round_trip(tmp_path: Path) -> None:
    generator = Generator(8, z_dim=4, w_dim=4, channel_base=32, mapping_layers=3, mapping_lr_multiplier=0.1)
    discriminator = Discriminator(8, channel_base=48, channel_max=7)
    for network in (generator, discriminator):
        for tensor in network.state_dict().values():
            tensor.add_(torch.randn_like(tensor), alpha=0.3)
    networks = load_networks(save_pytorch_port(tmp_path / "new" / "port.pt", generator, discriminator))
    z, images = torch.randn(5, 4), torch.randn(5, 3, 8, 8)
    assert_same(
        networks.generator(z, noise="const", truncation_psi=0.6),
        generator.eval()(z, noise="const", truncation_psi=0.6),
        1e-5,
    )
    assert networks.discriminator is not None
    assert_same(networks.discriminator(images), discriminator(images), 1e-5)


@pytest.mark.parametrize("old_format", [False, True])
def test_files_of_training_runs_load(tmp_path: Path, old_format: bool) -> None:
    contents = checkpoint(args=Namespace(size=16, lr=0.002), d_optim={"state": {}}, ada_aug_p=0.1)
    del contents["latent_avg"], contents["d"]
    networks = load(tmp_path, contents, _use_new_zipfile_serialization=not old_format)
    assert networks.discriminator is None
    assert networks.notes[0] == "not kept: ada_aug_p, args, d_optim"
    assert "no latent_avg in the file: the mean of w was estimated" in networks.notes[1]
    mapping = networks.generator.mapping
    assert mapping.w_mean is not None
    fresh = mapping(torch.randn(20_000, STYLE))[:, 0]
    assert_same(mapping.w_mean, fresh.mean(0), 5 * float(fresh.detach().std()) / 4096**0.5)


@torch.no_grad()
def test_missing_noise_maps_are_drawn_from_a_fixed_seed(tmp_path: Path) -> None:
    contents = checkpoint()
    for name in [name for name in contents["g_ema"] if name.startswith("noises.")]:
        del contents["g_ema"][name]
    networks = load(tmp_path, contents)
    said = "no noises in the file: the noise maps were drawn from a fixed seed"
    assert networks.notes == networks.substitutes == (said,)
    with pytest.warns(UserWarning, match=rf"port\.pt: {said}"):
        again = load_generator(tmp_path / "port.pt")
    maps = {name: t for name, t in again.state_dict().items() if name.endswith("noise.const")}
    assert [tuple(each.shape) for each in maps.values()] == [(4, 4), (8, 8), (8, 8), (16, 16), (16, 16)]
    assert all(torch.equal(each, networks.generator.state_dict()[name]) for name, each in maps.items())
    values = torch.cat([each.flatten() for each in maps.values()])
    assert values.std() == pytest.approx(1, abs=0.1) and len(values.unique()) > 600
    assert_same(again.mapping.state_dict()["w_mean"], contents["latent_avg"])


def test_small_files_cannot_request_large_noise_maps(tmp_path: Path) -> None:
    shapes = {name: shape for name, shape in generator_shapes([1] * 16, 1, 1).items() if not name.startswith("noises.")}
    with pytest.raises(ValueError, match="without noises must have at most 2048 pixels, got 131072"):
        load(tmp_path, {"g_ema": state(shapes)})


# Networks that the port does not have -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_labels": 3}, "only num_labels=0, got a generator with 3"),
        ({"architecture": "resnet"}, "only architecture='skip'"),
        ({"padding_mode": "reflect"}, "only padding_mode='zeros'"),
        ({"clamp": 256}, "only clamp=None"),
        ({"image_channels": 1}, "only image_channels=3"),
        ({"z_dim": 5}, "z_dim equal to w_dim"),
        ({"w_mean_decay": None}, "a mean of w"),
        ({"resolution": 12}, r"powers of two as resolution, got a generator with \(12, 12\)"),
        ({"resolution": (8, 16)}, "powers of two as resolution"),
    ],
)
def test_unsupported_generators_are_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    small: dict[str, Any] = {"resolution": 8, "z_dim": 4, "w_dim": 4, "channel_base": 16}
    with pytest.raises(ValueError, match=message):
        save_pytorch_port(tmp_path / "port.pt", Generator(**{**small, **options}))
    assert list(tmp_path.iterdir()) == []


def test_unsupported_discriminators_are_refused() -> None:
    generator = Generator(8, z_dim=4, w_dim=4, channel_base=16)
    with pytest.raises(ValueError, match="only architecture='resnet', got a discriminator with 'orig'"):
        pytorch_port_state(generator, Discriminator(8, channel_base=16, architecture="orig"))


# Files that fit badly -----------------------------------------------------------------------------------------------

Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "missing": (lambda c: c["g_ema"].pop("convs.1.activate.bias"), r"lacks convs\.1\.activate\.bias"),
    "no_noise": (lambda c: c["g_ema"].pop("noises.noise_3"), r"lacks noises\.noise_3"),
    "unknown": (lambda c: c["g_ema"].update(extra=torch.ones(1)), "not understood: extra"),
    "shape": (
        lambda c: c["g_ema"].update({"convs.0.conv.weight": torch.ones(6, 6, 3, 3)}),
        r"convs\.0\.conv\.weight must be floats \(1, 6, 6, 3, 3\), got torch.float32 \(6, 6, 3, 3\)",
    ),
    "whole_numbers": (lambda c: c["d"].update({"convs.0.1.bias": torch.ones(3, dtype=torch.int64)}), "must be floats"),
    "filter": (lambda c: c["d"].update({"convs.1.skip.0.kernel": torch.ones(4, 4)}), r"kernel must be the filter"),
    "filter_gain": (
        lambda c: c["g_ema"].update(state(generator_shapes(WIDTHS, STYLE, LAYERS), doubling_gain=1.0)),
        r"kernel must be the filter",
    ),
    "mean": (lambda c: c.update(latent_avg=torch.ones(4)), r"latent_avg must be floats \(5,\)"),
    "mean_of_text": (lambda c: c.update(latent_avg="x"), "latent_avg must be a tensor, got str"),
    "no_state": (lambda c: c.update(g_ema=3), "g_ema must be a state dict, got int"),
    "no_tensors": (lambda c: c["g_ema"].update(extra="x"), "g_ema must be a state dict"),
    "another": (lambda c: c["g_ema"].pop("style.1.weight"), r"style\.1\.weight must be a 2-D tensor"),
    "neither": (lambda c: (c.pop("g_ema"), c.pop("latent_avg")), r"must have state_dict .* or g_ema .*, got \['d'\]"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_inconsistent_files_are_refused(tmp_path: Path, case: str) -> None:
    change, message = CHANGES[case]
    contents = checkpoint()
    change(contents)
    with pytest.raises(ValueError, match=rf"load_networks: .*port\.pt.*{message}"):
        load(tmp_path, contents)


# Files made to do harm ---------------------------------------------------------------------------------------------


class _Call:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("place", ["g_ema", "args", "state_dict"])
@pytest.mark.parametrize("old_format", [False, True])
def test_code_is_refused_without_running(tmp_path: Path, place: str, old_format: bool) -> None:
    sentinel = tmp_path / "sentinel"
    contents = checkpoint(**{place: _Call(f"touch {sentinel}")})
    path = tmp_path / "port.pt"
    torch.save(contents, path, _use_new_zipfile_serialization=not old_format)
    with pytest.raises(ValueError, match=r"load_generator: .*port\.pt.* is no whole file of tensors and plain values"):
        load_generator(path)
    assert not sentinel.exists()
    torch.load(path, weights_only=False)  # to know that the attack is one
    assert sentinel.exists()


@pytest.mark.parametrize("kept", [10, 100, 3000])
def test_truncated_files_are_refused(tmp_path: Path, kept: int) -> None:
    torch.save(checkpoint(), tmp_path / "port.pt")
    data = (tmp_path / "port.pt").read_bytes()
    (tmp_path / "port.pt").write_bytes(data[:kept])
    with pytest.raises(ValueError, match=r"load_generator: .*port\.pt.* is no whole file"):
        load_generator(tmp_path / "port.pt")


def test_files_without_networks_are_refused(tmp_path: Path) -> None:
    torch.save([1, 2], tmp_path / "port.pt")
    with pytest.raises(ValueError, match="got list"):
        load_generator(tmp_path / "port.pt")
    (tmp_path / "port.pt").write_bytes(pickle.dumps({"g_ema": 1}))
    with pytest.raises(ValueError, match="under the key 'G_ema'"):
        load_generator(tmp_path / "port.pt")
