"""Networks to begin with, from every kind of file, and layers that are not trained."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Adam

from stylelayers import Discriminator, Generator
from stylelayers.checkpoints import load_generator, load_stylegan2, save_generator
from stylelayers.training import GAN, StyleGAN2Objective
from stylelayers.training.resuming import check_resumable
from stylelayers.training.transfer import initialize
from tests.training.tiny import LABELS, as_earlier, fit, tiny_gan

OFFICIAL = Path(__file__).parents[1] / "data" / "stylegan2_official_32.pkl"
NETWORKS = ("generator", "discriminator", "average.module")


def gan(resolution: int = 8, labels: int = 0, **options: Any) -> GAN:
    small: dict[str, Any] = {"num_labels": labels, "image_channels": 1, "channel_base": 32, "channel_max": 4}
    generator = Generator(resolution, latent_dim=4, style_dim=4, mapping_layers=2, **small)
    discriminator = Discriminator(resolution, label_layers=2, **small)
    adam = partial(Adam, lr=0.01, betas=(0.0, 0.99))
    return GAN(generator, discriminator, StyleGAN2Objective(), adam, adam, **options)


def same(ours: nn.Module, theirs: nn.Module) -> bool:
    pairs = zip(ours.state_dict().items(), theirs.state_dict().items(), strict=True)
    return all(name == other and torch.equal(tensor, value) for (name, tensor), (other, value) in pairs)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GAN]:
    """A run's folder, and the model that it left there."""
    folder, model = tmp_path_factory.mktemp("run"), gan()
    (folder / "checkpoints").mkdir()
    fit(model, 2).save_checkpoint(folder / "checkpoints" / "last.ckpt")
    save_generator(model.average.module, folder / "generator.safetensors")
    return folder, model


# Where networks come from ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "checkpoints/last.ckpt"])
def test_a_run_has_all_networks_and_the_mean_of_lengths(name: str, run: tuple[Path, GAN]) -> None:
    folder, before = run
    model = gan(initialize_from=folder / name)
    for network in NETWORKS:
        assert same(model.get_submodule(network), before.get_submodule(network))
    assert model.loss.path_length_penalty.mean == before.loss.path_length_penalty.mean > 0
    assert not same(model.generator, model.average.module)
    assert (model.images_seen, model.iterations) == (0, 0)


def test_a_checkpoint_with_scalar_noise_strengths_fits(run: tuple[Path, GAN], tmp_path: Path) -> None:
    folder, before = run
    model = gan(initialize_from=as_earlier(folder / "checkpoints" / "last.ckpt", tmp_path / "earlier.ckpt"))
    for network in NETWORKS:
        assert same(model.get_submodule(network), before.get_submodule(network))
    assert torch.equal(
        load_generator(tmp_path / "earlier.ckpt")(z := torch.randn(2, 4), noise="const"),
        before.average.module(z, noise="const"),
    )


def test_a_generator_file_is_the_generator_and_its_average(run: tuple[Path, GAN], tmp_path: Path) -> None:
    folder, before = run
    torch.manual_seed(0)
    plain = gan()
    torch.manual_seed(0)
    model = gan(initialize_from=str(folder / "generator.safetensors"))
    assert same(model.generator, before.average.module)
    assert same(model.average.module, before.average.module)
    assert same(model.discriminator, plain.discriminator)
    (tmp_path / "generator.safetensors").write_bytes((folder / "generator.safetensors").read_bytes())
    assert same(gan(initialize_from=tmp_path).generator, before.average.module)


def test_an_official_pickle_has_both() -> None:
    official, other = load_stylegan2(OFFICIAL), load_stylegan2(OFFICIAL)
    for network in other.values():
        cast(Any, network).reset_parameters()
    adam = partial(Adam, lr=0.01)
    model = GAN(**other, loss=StyleGAN2Objective(), generator_optimizer=adam, discriminator_optimizer=adam)
    assert not same(model.generator, official["generator"])
    initialize(model, OFFICIAL)
    assert same(model.generator, official["generator"])
    assert same(model.average.module, official["generator"])
    assert same(model.discriminator, official["discriminator"])


# What does not fit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({"labels": LABELS}, "generator.mapping.embed.weight (absent there, (4, 3) here)"),
        ({"resolution": 16}, "generator.synthesis.blocks.2.conv0.conv.weight (absent there, (2, 4, 3, 3) here)"),
    ],
)
def test_other_sizes_are_refused_by_their_first_tensors(
    options: dict[str, Any], first: str, run: tuple[Path, GAN]
) -> None:
    with pytest.raises(ValueError, match=r"^model\.initialize_from=\S+ does not fit: \d+ tensors differ: ") as caught:
        gan(initialize_from=run[0], **options)
    message = str(caught.value)
    assert first in message
    assert message.count(" there, ") == 3
    assert "model.initialize_strict=false" in message


def test_another_resolution_takes_what_fits_level_by_level(run: tuple[Path, GAN]) -> None:
    before = run[1]
    with pytest.warns(UserWarning, match=r"model\.initialize_from=.*: took \d+ tensors, not these: .* there, .* here"):
        model = gan(16, initialize_from=run[0], initialize_strict=False)
    assert same(model.generator.mapping, before.generator.mapping)
    for level in range(2):
        ours, theirs = (cast(Generator, m.generator).synthesis.blocks[level] for m in (model, before))
        assert all(torch.equal(p, q) for p, q in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert same(model.discriminator.epilogue, before.discriminator.epilogue)
    first, second, block_before = (
        critic.get_parameter(f"blocks.{block}.conv0.weight")
        for critic, block in ((model.discriminator, 0), (model.discriminator, 1), (before.discriminator, 0))
    )
    assert torch.equal(second, block_before)  # both from 8x8 to 4x4
    assert not torch.equal(first, block_before)


def test_a_file_of_which_nothing_fits_is_refused_also_if_little_would_do(tmp_path: Path) -> None:
    state = {"generator.other": torch.zeros(1)}
    torch.save({"state_dict": state}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=r"model\.initialize_from=\S+ has no tensor that fits: "):
        gan(initialize_from=tmp_path / "other.ckpt", initialize_strict=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"^model\.initialize_from: path must be a generator file, a run's folder, .* which is no file"),
        ({"state_dict": {}}, r"^model\.initialize_from must be a checkpoint of train\.py, got .*, without a generator"),
        ({"weights": 1}, r"must have state_dict \(train\.py\) or g_ema \(the PyTorch port\), got \['weights'\]"),
        (b"words", r"^model\.initialize_from: .*file"),
    ],
)
def test_other_files_are_refused(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(ValueError, match=message):
        gan(initialize_from=path)


# Layers that are not trained ---------------------------------------------------------------------------------------

FREEZE = ("generator.mapping", "discriminator.blocks.0", "generator.synthesis.blocks.1.conv0.conv.weight")


def test_frozen_parameters_stay_and_all_others_move_also_under_penalties() -> None:
    model = gan(freeze=FREEZE)
    model.loss.r1_interval = model.loss.path_length_interval = 2
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trainer = fit(model, 4)
    own = {name: p for name, p in model.named_parameters() if not name.startswith("average")}
    assert model.frozen == {name for name in own if name.startswith(FREEZE)}
    assert len(model.frozen) > 8
    for name, parameter in own.items():
        assert torch.equal(parameter, before[name]) == (name in model.frozen), name
        assert parameter.requires_grad == (name not in model.frozen)
    known = {id(p) for optimizer in trainer.optimizers for p in optimizer.state}
    assert known == {id(p) for name, p in own.items() if name not in model.frozen}
    averages = dict(model.average.module.named_parameters(prefix="generator"))
    assert all(torch.equal(averages[name], before[name]) for name in model.frozen if name in averages)


def test_gradients_pass_frozen_layers() -> None:
    """The discriminator's first block is frozen; the generator below it and the blocks above it learn as without."""
    torch.manual_seed(0)
    free = gan()
    torch.manual_seed(0)
    held = gan(freeze=["discriminator.blocks.0"])
    for model in (free, held):
        model.loss.r1_interval = model.loss.path_length_interval = 1  # one step a network
        torch.manual_seed(1)
        model.iterate(torch.ones(4, 1, 8, 8), torch.zeros(4), model.configure_optimizers(), Tensor.backward)
    for (name, ours), theirs in zip(held.named_parameters(), free.parameters(), strict=True):
        if not name.startswith(("average", "discriminator.blocks.0")):
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["generator.maping"], r"model\.freeze must hold names such as generator\.mapping .*, got 'generator\.maping'"),
        (["generator.map"], r"model\.freeze .*, got 'generator\.map'"),
        (["average"], r"model\.freeze .*, got 'average'"),
        (["generator"], r"model\.freeze must leave something to train in the generator, got all of it"),
        (["discriminator"], r"model\.freeze must leave something to train in the discriminator"),
    ],
)
def test_names_that_freeze_nothing_or_everything_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gan(freeze=names)


def test_resuming_with_other_layers_frozen_is_refused(run: tuple[Path, GAN]) -> None:
    path = run[0] / "checkpoints" / "last.ckpt"
    check_resumable(path, gan())
    with pytest.raises(ValueError, match=r"resume must name a checkpoint .* same parameters, .*set model\.freeze"):
        check_resumable(path, gan(freeze=FREEZE))
    assert tiny_gan().frozen == frozenset()
