"""Networks to begin with, from every kind of file, and layers that are not trained."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Adam
from torch.utils.data import TensorDataset

from stylelayers import Discriminator, Generator
from stylelayers.checkpoints import load_generator, load_stylegan2, save_generator
from stylelayers.data import ImageDataModule
from stylelayers.training import GAN, StyleGAN2Loss
from stylelayers.training.run.resuming import check_resumable
from stylelayers.training.run.transfer import initialize
from tests.training.tiny import LABELS, as_earlier, fit, tiny_gan

OFFICIAL = Path(__file__).parents[2] / "data" / "stylegan2_official_32.pkl"
NETWORKS = ("generator", "discriminator", "average.module")


def gan(
    resolution: int = 8,
    labels: int = 0,
    *,
    initialize_from: Any = None,
    strict: bool = True,
    loss: StyleGAN2Loss | None = None,
    **options: Any,
) -> GAN:
    """A small GAN, with the networks of a file."""
    small: dict[str, Any] = {"num_labels": labels, "image_channels": 1, "channel_base": 32, "channel_max": 4}
    small |= {name: options.pop(name) for name in ("channel_base", "channel_max") if name in options}
    own: dict[str, Any] = {"z_dim": 4, "w_dim": 4, "mapping_layers": 2}
    names = ("z_dim", "mapping_layers", "activation", "padding_mode", "mapping_lr_multiplier")
    own |= {name: options.pop(name) for name in names if name in options}
    generator = Generator(resolution, **own, **small)
    discriminator = Discriminator(resolution, label_layers=2, **small)
    adam = partial(Adam, lr=0.01, betas=(0.0, 0.99))
    model = GAN(generator, discriminator, loss or StyleGAN2Loss(), adam, adam, **options)
    if initialize_from is not None:
        initialize(model, initialize_from, strict=strict)
    return model


def data_of(resolution: int) -> ImageDataModule:
    return ImageDataModule(
        TensorDataset(torch.zeros(8, 1, resolution, resolution), torch.zeros(8).long()), batch_size=4
    )


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


def apart(model: GAN, theirs: nn.Module, names: Any = None) -> float:
    """The largest difference of a parameter of the averaged generator."""
    others = dict(theirs.named_parameters())
    named = {name: p for name, p in model.average.module.named_parameters() if names is None or name in names}
    return max(float((p.detach() - others[name].detach()).abs().max()) for name, p in named.items())


@pytest.mark.parametrize("rampup", [0.05, 0.5, None])
@pytest.mark.parametrize("name", ["", "checkpoints/last.ckpt", "generator.safetensors"])
def test_an_average_that_was_taken_follows_by_its_half_life_alone(
    name: str, rampup: float | None, run: tuple[Path, GAN], tmp_path: Path
) -> None:
    before, file = run[1].average.module, tmp_path / "last.ckpt"
    options: dict[str, Any] = {"average_half_life": 1e9, "average_rampup": rampup}
    model = gan(initialize_from=run[0] / name, **options)
    fit(model, 3).save_checkpoint(file)
    assert apart(model, before) < 1e-6
    assert apart(model, model.generator) > 1e-2
    mean, generator_mean = model.average.module.mapping.w_mean, model.generator.mapping.w_mean
    assert mean is not None and generator_mean is not None
    assert torch.equal(mean, generator_mean)  # a buffer, which moves by its own decay
    assert (mean - cast(Tensor, before.mapping.w_mean)).abs().max() < 0.1
    resumed = gan(**options)  # what it began with is in the checkpoint
    fit(resumed, 3, resume=file)
    assert apart(resumed, before) < 1e-6
    half = gan(initialize_from=run[0] / name, average_half_life=4.0, average_rampup=rampup)
    start = {key: p.detach().clone() for key, p in half.average.module.named_parameters()}
    fit(half, 1)
    for key, parameter in half.average.module.named_parameters():
        torch.testing.assert_close(parameter, (start[key] + half.generator.get_parameter(key)) / 2, msg=key)


def test_without_an_average_that_was_taken_there_is_a_rampup() -> None:
    model = gan(average_half_life=1e9, average_rampup=0.05)
    fit(model, 1)
    assert apart(model, model.generator) < 1e-4


def test_layers_that_were_not_taken_have_a_rampup(run: tuple[Path, GAN]) -> None:
    before = run[1].average.module
    with pytest.warns(UserWarning, match="taken and left"):
        model = gan(16, initialize_from=run[0], strict=False, average_half_life=1e9)
    fit(model, 1, data=data_of(16))
    taken = {name for name, _ in before.named_parameters()}
    fresh = {name for name, _ in model.generator.named_parameters()} - taken
    assert model.average.given == taken
    assert apart(model, before, taken) < 1e-6
    assert apart(model, model.generator, fresh) < 1e-4


def test_a_checkpoint_without_an_average_has_the_generator_for_it(run: tuple[Path, GAN], tmp_path: Path) -> None:
    held: Any = torch.load(run[0] / "checkpoints" / "last.ckpt", weights_only=True)
    state = {name: tensor for name, tensor in held["state_dict"].items() if not name.startswith("average")}
    torch.save({**held, "state_dict": state}, tmp_path / "other.ckpt")
    assert same(gan(initialize_from=tmp_path / "other.ckpt").average.module, run[1].generator)


def test_an_official_pickle_has_both() -> None:
    official, other = load_stylegan2(OFFICIAL), load_stylegan2(OFFICIAL)
    for network in other.values():
        cast(Any, network).reset_parameters()
    adam = partial(Adam, lr=0.01)
    model = GAN(**other, loss=StyleGAN2Loss(), generator_optimizer=adam, discriminator_optimizer=adam)
    assert not same(model.generator, official["generator"])
    initialize(model, OFFICIAL)
    assert same(model.generator, official["generator"])
    assert same(model.average.module, official["generator"])
    assert same(model.discriminator, official["discriminator"])


# What does not fit -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "first", "overrides"),
    [
        ({"labels": LABELS}, "generator.mapping.embed.weight (absent there, (4, 3) here)", "data.labels=none"),
        (
            {"resolution": 16},
            "generator.synthesis.blocks.2.conv0.conv.weight (absent there, (2, 4, 3, 3) here)",
            "data.resolution=8",
        ),
        (
            {"channel_max": 8, "channel_base": 128},
            "generator.synthesis.input.const ((4, 4, 4) there, (8, 4, 4) here)",
            "model.generator.channel_base=32 model.generator.channel_max=4",
        ),
        (
            {"z_dim": 5, "mapping_layers": 3},
            "generator.mapping.layers.0.weight ((4, 4) there, (4, 5) here)",
            "model.generator.z_dim=4 model.generator.mapping_layers=2",
        ),
    ],
)
@pytest.mark.parametrize("name", ["", "generator.safetensors"])
def test_other_sizes_are_refused_with_the_overrides_that_give_them(
    name: str, options: dict[str, Any], first: str, overrides: str, run: tuple[Path, GAN]
) -> None:
    with pytest.raises(ValueError, match=r"^initialize_from=\S+ does not fit: \d+ tensors differ: ") as caught:
        gan(initialize_from=run[0] / name, **options)
    message = str(caught.value)
    assert first in message
    assert re.search(rf"; set its sizes, {re.escape(overrides)}( model\.discriminator\.\w+=\d+)*, or take", message)
    assert message.count(" there, ") == 3
    assert "initialize_strict=false" in message


def test_another_resolution_takes_what_fits_level_by_level(run: tuple[Path, GAN]) -> None:
    before = run[1]
    counts = (
        r"taken and left: average\.mapping 5 and 0, average\.synthesis 27 and 16, discriminator\.blocks 5 and 9, "
        r"discriminator\.epilogue 6 and 0, generator\.mapping 5 and 0, generator\.synthesis 27 and 16, "
        r"loss\.path_length_penalty 1 and 0"
    )
    expected = r"initialize_from=.*: took 76 tensors, not these: .* there, .* here\), \.\.\.; .*" + counts
    with pytest.warns(UserWarning, match=expected):
        model = gan(16, initialize_from=run[0], strict=False)
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


@pytest.mark.parametrize(
    "options", [{"activation": "relu"}, {"padding_mode": "reflect"}, {"mapping_lr_multiplier": 1.0}]
)
def test_weights_of_another_function_are_taken_with_a_warning(options: dict[str, Any], run: tuple[Path, GAN]) -> None:
    (key,) = options
    with pytest.warns(
        UserWarning, match=rf"weights were trained with another model\.generator\.{key}.*as there: \S*{key}="
    ):
        gan(initialize_from=run[0], **options)


def test_a_file_of_which_nothing_fits_is_refused_also_if_little_would_do(tmp_path: Path) -> None:
    state = {"generator.other": torch.zeros(1)}
    torch.save({"state_dict": state}, tmp_path / "other.ckpt")
    with pytest.raises(ValueError, match=r"initialize_from=\S+ has no tensor that fits: "):
        gan(initialize_from=tmp_path / "other.ckpt", strict=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"^initialize_from: path must be a generator file, a run's folder, .* which is no file"),
        ({"state_dict": {}}, r"^initialize_from must be a checkpoint of train\.py, got .*, without a generator"),
        (
            {"weights": 1},
            r"must have state_dict \(training checkpoint\) or g_ema \(the PyTorch port\), got \['weights'\]",
        ),
        (b"words", r"^initialize_from: .*file"),
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
    free, held = (
        (torch.manual_seed(0), gan(freeze=names, loss=StyleGAN2Loss(r1_interval=1, path_length_interval=1)))[1]
        for names in ([], ["discriminator.blocks.0"])
    )
    for model in (free, held):
        torch.manual_seed(1)
        model.iterate(torch.ones(4, 1, 8, 8), torch.zeros(4), model.configure_optimizers(), Tensor.backward)
    for (name, ours), theirs in zip(held.named_parameters(), free.parameters(), strict=True):
        if not name.startswith(("average", "discriminator.blocks.0")):
            torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["generator.maping"], r"GAN: freeze must hold names such as generator\.mapping .*, got 'generator\.maping'"),
        (["generator.map"], r"GAN: freeze .*, got 'generator\.map'"),
        (["average"], r"GAN: freeze .*, got 'average'"),
        (["generator"], r"GAN: freeze must leave something to train in the generator, got all of it"),
        (["discriminator"], r"GAN: freeze must leave something to train in the discriminator"),
    ],
)
def test_names_that_freeze_nothing_or_everything_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gan(freeze=names)


def test_resuming_with_other_layers_frozen_is_refused(run: tuple[Path, GAN]) -> None:
    path = run[0] / "checkpoints" / "last.ckpt"
    check_resumable(path, gan())
    with pytest.raises(ValueError, match=r"^resume: the checkpoint .* trained other parameters, .*freeze the same"):
        check_resumable(path, gan(freeze=FREEZE))
    assert tiny_gan().frozen == frozenset()
