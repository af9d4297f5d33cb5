"""Every kind of file that has a generator: what is read, what is told of it, what it becomes elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

import train
from stylelayers import Discriminator, Generator
from stylelayers.checkpoints import (
    convert,
    describe,
    load_generator,
    load_networks,
    load_stylegan2,
    save_generator,
    save_pytorch_port,
)
from stylelayers.models import StyleGenerator
from tests.checkpoints.official_layout import Module, generator_module, official_pickle
from tests.checkpoints.test_stylegan2 import GOLDEN_FILE, networks
from tests.conftest import assert_same
from tests.training.tiny import BATCH, tiny_config

COUNTERS = {"images_seen": 2 * BATCH, "iterations": 2, "skipped_steps": 0}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, all of its files in it."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    train.train(tiny_config(folder, "model.generator.padding_mode=reflect"))
    return folder


@pytest.fixture
def old_run(run: Path, tmp_path: Path) -> Path:
    """The same run by an earlier version, whose checkpoints lack the arguments, before it wrote a generator."""
    folder = tmp_path / "old"
    shutil.copytree(run, folder, ignore=shutil.ignore_patterns("samples", "*.safetensors"))
    contents = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    del contents["arguments"]
    torch.save(contents, folder / "checkpoints" / "last.ckpt")
    return folder


def port_generator() -> StyleGenerator:
    return Generator(8, z_dim=4, w_dim=4, channel_base=32, mapping_layers=2)


@torch.no_grad()
def same_images(one: StyleGenerator, other: StyleGenerator) -> bool:
    z, labels = torch.randn(3, one.z_dim), torch.arange(3) if one.num_labels else None
    return torch.allclose(one(z, labels, noise="const"), other(z, labels, noise="const"), rtol=1e-5, atol=1e-5)


# Runs and their checkpoints -----------------------------------------------------------------------------------------


def test_checkpoints_contain_the_averaged_generator(run: Path) -> None:
    found = load_networks(run / "checkpoints" / "last.ckpt")
    assert same_images(found.generator, load_generator(run))
    assert found.summary == COUNTERS
    assert found.discriminator is not None and found.generator.padding_mode == "reflect"
    tensors = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(found.discriminator.epilogue.out.weight, tensors["discriminator.epilogue.out.weight"])
    synthesis: Any = found.generator.synthesis
    assert torch.equal(synthesis.input.const, tensors["average.module.synthesis.input.const"])


def test_early_checkpoints_load_by_their_configuration(run: Path, old_run: Path) -> None:
    for path in (old_run, old_run / "checkpoints" / "last.ckpt"):
        assert same_images(load_generator(path), load_generator(run))
    moved = shutil.move(old_run / "checkpoints" / "last.ckpt", old_run / "my.ckpt")
    assert describe(moved).arguments == describe(run).arguments


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        (None, "no constructor's arguments .* and there is no config.yaml of its run"),
        ("model: [", "config.yaml' has no readable arguments of the generator"),
        (
            "model: {generator: {resolution: 8}}",
            "config.yaml' has no readable arguments of the generator: 'discriminator'",
        ),
        ("data: 1", "config.yaml' has no readable arguments of the generator: 'model'"),
        ("!!python/object/apply:os.system ['exit 1']", "config.yaml' has no readable arguments of the generator"),
        ("model: {generator: {resolution: 8, depth: 3}, discriminator: {resolution: 8}}", "depth"),
    ],
)
def test_checkpoints_without_arguments_are_refused(old_run: Path, configuration: str | None, message: str) -> None:
    (old_run / "config.yaml").unlink()
    if configuration is not None:
        (old_run / "config.yaml").write_text(configuration)
    with pytest.raises(ValueError, match=rf"load_generator: .*last\.ckpt.*{message}"):
        load_generator(old_run)


# What files tell of themselves ---------------------------------------------------------------------------------------


def test_runs_are_described(run: Path) -> None:
    generator = load_generator(run)
    parameters = sum(parameter.numel() for parameter in generator.parameters())
    for path, kind in ((run, "generator file"), (run / "checkpoints" / "last.ckpt", "training checkpoint")):
        told = describe(path)
        assert told.kind == kind
        assert told.parameters["generator"] == told.parameters["mapping"] + told.parameters["synthesis"] == parameters
        assert told.arguments["resolution"] == (8, 8) and told.arguments["padding_mode"] == "reflect"
        assert COUNTERS.items() <= told.summary.items()
    assert (told.version, describe(run).version) == (None, 4)


def test_describing_reads_no_tensors(run: Path, tmp_path: Path) -> None:
    path = shutil.copy(run / "generator.safetensors", tmp_path)
    data = bytearray(Path(path).read_bytes())
    data[-1000:] = b"\xff" * 1000  # no number any more
    Path(path).write_bytes(data)
    assert describe(path).arguments == describe(run).arguments
    assert not all(t.isfinite().all() for t in load_generator(path).state_dict().values())


def test_files_of_other_projects_are_described(tmp_path: Path) -> None:
    official = describe(GOLDEN_FILE)
    assert (official.kind, official.version, official.writer) == ("official pickle", None, "")
    assert (official.arguments["clamp"], official.arguments["channel_base"]) == (256, 512)
    port = describe(save_pytorch_port(tmp_path / "x.bin", port_generator()))
    assert (port.kind, port.arguments["mapping_layers"]) == ("PyTorch port", 2)


@pytest.mark.parametrize("content", [b"", b"PNG", b"PK\x03\x04", b"\x80\x04}.", b"\x10\0\0\0\0\0\0\0{}              "])
@pytest.mark.parametrize("function", [describe, load_networks, load_generator])
def test_other_files_are_refused(tmp_path: Path, function: Any, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=rf"{function.__name__}: .*{tmp_path.name}/x"):
        function(tmp_path / "x")
    with pytest.raises(ValueError, match=rf"{function.__name__}: path must be .*, got .*absent', which is no file"):
        function(tmp_path / "absent")


# Official pickles wherever a generator is -----------------------------------------------------------------------------


def test_pickles_load_without_a_discriminator_and_note_it(tmp_path: Path) -> None:
    generator, _ = networks("skip")
    written = generator_module(generator)
    written.children["synthesis"].children["b16"].attributes["use_fp16"] = True
    (tmp_path / "x.pkl").write_bytes(official_pickle(written, Module()))
    found = load_networks(tmp_path / "x.pkl")
    assert same_images(found.generator, generator)
    assert found.discriminator is None
    discriminator, rest, halves = found.notes
    assert "discriminator was not understood" in discriminator
    assert rest == "not kept: G, training_set_kwargs"
    assert halves == "settings of float16 are ignored: everything is float32"


# From one kind to another --------------------------------------------------------------------------------------------


def test_official_pickles_are_converted(tmp_path: Path) -> None:
    result = convert(GOLDEN_FILE, tmp_path / "ours.safetensors")
    assert (result.kind, result.networks) == ("official pickle", ("generator",))
    assert "not kept: the discriminator, which generator files do not hold" in result.notes
    assert same_images(load_generator(result.target), load_stylegan2(GOLDEN_FILE)["generator"])


def test_port_files_are_converted_both_ways(tmp_path: Path) -> None:
    generator = port_generator()
    saved = save_generator(generator, tmp_path / "g.safetensors", summary={"images_seen": 3})
    to_port = convert(saved, tmp_path / "port.pt")
    assert (to_port.networks, to_port.notes) == (("generator",), ())
    back = convert(to_port.target, tmp_path / "back.safetensors")
    z = torch.randn(3, 4)
    with torch.no_grad():
        assert_same(load_generator(back.target)(z, noise="const"), generator(z, noise="const"), 1e-5)


def test_runs_are_converted_with_their_summary(run: Path, tmp_path: Path) -> None:
    result = convert(run / "checkpoints" / "last.ckpt", tmp_path / "g.safetensors")
    assert describe(result.target).summary == COUNTERS
    assert result.notes[0].startswith("not kept: optimizers")


def test_discriminators_are_converted_too(tmp_path: Path) -> None:
    save_pytorch_port(tmp_path / "a.pt", port_generator(), Discriminator(8, channel_base=32))
    assert convert(tmp_path / "a.pt", tmp_path / "b.pth").networks == ("generator", "discriminator")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("g.onnx", r"convert: target must end in one of \.safetensors, \.pt, \.pth, got"),
        ("g.safetensors", "convert: target must be another file than source"),
        ("new.pt", "convert: the port has only clamp=None, got a generator with 256"),
    ],
)
def test_impossible_conversions_are_refused(tmp_path: Path, target: str, message: str) -> None:
    source = tmp_path / "g.safetensors"
    save_generator(load_generator(GOLDEN_FILE), source)
    before = source.read_bytes()
    with pytest.raises(ValueError, match=message):
        convert(source, tmp_path / target)
    assert [file.name for file in tmp_path.iterdir()] == ["g.safetensors"] and source.read_bytes() == before


def test_conversions_keep_every_tensor(tmp_path: Path) -> None:
    target = convert(GOLDEN_FILE, tmp_path / "g.safetensors").target
    with safe_open(target, framework="pt") as file:
        assert set(file.keys()) == load_generator(GOLDEN_FILE).state_dict().keys()
