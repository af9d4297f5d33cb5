"""Discriminator: the three architectures layer by layer, any batch, labels, the laws of modules."""

from __future__ import annotations

import inspect
from functools import partial
from math import sqrt
from typing import Any

import pytest
import torch

from stylelayers import Discriminator, Downsample2d, functional
from tests.conftest import Case, Law, assert_same, channels_last, every_law, randn

ARCHITECTURES = ("skip", "resnet", "orig")


def tiny(**options: Any) -> partial[Discriminator]:
    return partial(Discriminator, 8, **{"image_channels": 2, "channel_base": 12, **options})


CONV = ("weight", "bias")
BLOCK = [f"blocks.0.{layer}.{part}" for layer in ("from_rgb", "conv0", "conv1") for part in CONV]
EPILOGUE = [f"epilogue.{layer}.{part}" for layer in ("conv", "fc", "out") for part in CONV]
LABELS = [f"label_mapping.{layer}.{part}" for layer in ("embed", "layers.0", "layers.1") for part in CONV]
CASES = {
    "resnet": Case(
        tiny(clamp=4.0),
        [(2, 8, 8)],
        (*BLOCK, "blocks.0.shortcut.weight", *EPILOGUE),
        ("resample='down', resample_method='fir'", "clamp=4.0", "group_size=4"),
        independent=False,
    ),
    "skip": Case(
        tiny(architecture="skip", padding_mode="reflect", mbstd_num_channels=0),
        [(2, 8, 8)],
        (*BLOCK, "from_rgb.weight", "from_rgb.bias", *EPILOGUE),
        ("resample_method='nearest', padding_mode='reflect'",),
    ),
    "orig": Case(
        tiny(architecture="orig", num_labels=3, label_layers=2, mbstd_num_channels=0, activation="swish"),
        [(2, 8, 8), (3,)],
        (*BLOCK, *EPILOGUE, *LABELS),
        ("'swish'",),
    ),
}


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


def network(**options: Any) -> Any:
    defaults = {"channel_base": 24, "channel_max": 5, "image_channels": 2, "dtype": torch.float64}
    module = Discriminator(**{"resolution": 16, **defaults, **options})
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter)
    return module


@pytest.mark.parametrize("clamp", [None, 0.3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_network_equals_its_layers_in_order(architecture: str, clamp: float | None) -> None:
    module, image = network(architecture=architecture, mbstd_group_size=2, clamp=clamp), randn(4, 2, 16, 16)
    x, images = None, image
    for block in module.blocks:
        if block.from_rgb is not None:
            x = block.from_rgb(image) if x is None else x + block.from_rgb(image)
        y = block.conv1(block.conv0(x))
        if architecture == "resnet":
            assert x is not None
            kernel = block.shortcut.weight[:, :, 0, 0] / sqrt(x.shape[1])
            shortcut = torch.einsum("oi,nihw->nohw", kernel, functional.downsample2d(x))
            z = functional.resample_conv2d(
                block.conv0(x), block.conv1.weight * block.conv1.scale, down=2, padding=1, kernel=(1, 3, 3, 1)
            )
            branch = functional.bias_act(z, block.conv1.bias, activation="lrelu", clamp=clamp)
            y = sqrt(0.5) * (shortcut + branch)
        x, image = y, functional.downsample2d(image)
    assert x is not None
    assert x.shape[2:] == (4, 4)
    if architecture == "skip":
        x = x + module.from_rgb(image)
    end = module.epilogue
    expected = end.out(end.fc(end.conv(functional.minibatch_stddev(x, 2)).flatten(1)))
    assert_same(module(images), expected)
    assert module(images).shape == (4, 1)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("resolution", [8, 20, (8, 12)], ids=str)
def test_any_batch_size_and_resolution_works(architecture: str, resolution: Any) -> None:
    size = resolution if isinstance(resolution, tuple) else (resolution, resolution)
    for padding_mode in ("zeros", "reflect", "replicate"):
        module = network(resolution=resolution, architecture=architecture, padding_mode=padding_mode)
        for batch in (0, 1, 3, 5):
            logits = module(randn(batch, 2, *size))
            assert logits.shape == (batch, 1)
            assert logits.isfinite().all()


def test_logits_follow_the_order_of_the_batch() -> None:
    module, images, order = network(mbstd_group_size=5), randn(5, 2, 16, 16), torch.tensor([3, 0, 4, 1, 2])
    logits = module(images)
    assert_same(module(images[order]), logits[order])
    assert_same(module(channels_last(images)), logits)
    assert not torch.allclose(module(images[:2]), logits[:2])  # the batch is looked at as a whole
    alone = network(mbstd_num_channels=0)
    assert_same(alone(images[:2]), alone(images)[:2])


def test_each_label_affects_its_own_logit() -> None:
    module, images = network(num_labels=3, label_dim=6, label_layers=2), randn(4, 2, 16, 16)
    labels = torch.tensor([0, 2, 1, 2])
    logits = module(images, labels)
    assert logits.shape == (4, 1)
    assert_same(module(images, torch.eye(3)[labels]), logits, 0.0)
    changed = module(images, torch.tensor([0, 2, 1, 0]))
    assert_same(changed[:3], logits[:3])
    assert not torch.allclose(changed[3], logits[3])
    features = network(num_labels=0)
    features.epilogue.out = module.epilogue.out
    features.load_state_dict(module.state_dict(), strict=False)
    projected = (features(images) * module.label_mapping(None, labels)[:, 0]).sum(1, keepdim=True) / sqrt(6)
    assert_same(logits, projected)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_loss_and_r1_train_every_parameter(architecture: str) -> None:
    module = network(architecture=architecture, num_labels=2, label_layers=2)
    images = randn(4, 2, 16, 16).requires_grad_()
    logits = module(images, torch.tensor([0, 1, 0, 1]))
    first = torch.autograd.grad(logits.sum(), [images, *module.parameters()], create_graph=True)
    assert all(gradient.abs().max() > 0 for gradient in first)
    first[0].square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in module.parameters())
    weights = [p for name, p in module.named_parameters() if name.endswith("weight")]
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in weights)


def test_every_argument_is_stored() -> None:
    given: dict[str, Any] = {
        "resolution": (8, 12),
        "num_labels": 2,
        "image_channels": 1,
        "channel_base": 16,
        "channel_max": 3,
        "architecture": "skip",
        "mbstd_group_size": 3,
        "mbstd_num_channels": 3,
        "label_dim": 5,
        "label_layers": 3,
        "activation": "swish",
        "padding_mode": "reflect",
        "resample_method": "nearest",
        "resample_filter": (1, 4, 6, 4, 1),
        "clamp": 100.0,
    }
    assert set(given) == set(inspect.signature(Discriminator).parameters) - {"device", "dtype"}
    module = Discriminator(**given)
    assert {name: getattr(module, name) for name in given} == given
    Discriminator(**{name: getattr(module, name) for name in given}).load_state_dict(module.state_dict())
    text = repr(module)
    for option in ("resample_method='nearest', padding_mode='reflect'", "activation='swish'", "group_size=3"):
        assert option in text
    assert "lrelu" not in text
    assert max(weight.shape[0] for name, weight in module.named_parameters() if name.endswith("conv1.weight")) == 3
    assert "resample_method='fir'" not in repr(network(resample_method="nearest"))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_layer_has_the_filter(architecture: str) -> None:
    module = network(architecture=architecture, resample_filter=(1, 2, 1))
    filters = [part.resampling.taps for part in module.modules() if hasattr(part, "resampling")]
    filters += [part.resample_filter for part in module.modules() if isinstance(part, Downsample2d)]
    used = [taps for taps in filters if taps is not None]
    assert used == [(0.25, 0.5, 0.25)] * {"skip": 3, "resnet": 4, "orig": 2}[architecture]


IMAGES = torch.ones(2, 2, 16, 16, dtype=torch.float64)
BAD: dict[str, tuple[Any, str]] = {
    "resolution": (lambda: network(resolution=31), "Discriminator: resolution must be a power of two .*got 31"),
    "image_channels": (lambda: network(image_channels=0), "Discriminator: image_channels must be .*got 0"),
    "channel_base": (lambda: network(channel_base=0), "Discriminator: channel_base must be .*got 0"),
    "architecture": (lambda: network(architecture="x"), "Discriminator: architecture must be one of skip.*got 'x'"),
    "padding_mode": (lambda: network(padding_mode="x"), "padding_mode must be one of .*got 'x'"),
    "group": (lambda: network(mbstd_group_size=0), "group_size must be an int of at least 1, got 0"),
    "activation": (lambda: network(activation="x"), "activation must be one of .*got 'x'"),
    "stddev": (lambda: network(mbstd_num_channels=2), "num_channels"),
    "images": (
        lambda: network()(IMAGES[:, :1]),
        r"Discriminator: images must be \(N, 2, 16, 16\), got \(2, 1, 16",
    ),
    "size": (lambda: network()(IMAGES[..., :8]), r"Discriminator: images must be .*got \(2, 2, 16, 8\)"),
    "rank": (lambda: network()(IMAGES[0]), r"Discriminator: images must be .*got \(2, 16, 16\)"),
    "labels": (lambda: network()(IMAGES, torch.zeros(2).long()), "Discriminator: labels .*with num_labels=0"),
    "no labels": (lambda: network(num_labels=2)(IMAGES), r"labels must be .*\(N, 2\), got None"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("mbstd", [(1, 1), (2, 1), (3, 1), (4, 5), (100, 1), (4, 0)], ids=str)
def test_batches_of_one_call_have_the_logits_and_gradients_of_two(batch: int, mbstd: tuple[int, int]) -> None:
    module = network(num_labels=3, label_layers=1, mbstd_group_size=mbstd[0], mbstd_num_channels=mbstd[1])
    images, labels = randn(2 * batch, 2, 16, 16).requires_grad_(), torch.arange(2 * batch) % 3
    at_once = module(images, labels, batches=2)
    apart = torch.cat([module(x, y) for x, y in zip(images.chunk(2), labels.chunk(2), strict=True)])
    assert_same(at_once, apart, 1e-12)
    inputs, weights = [images, *module.parameters()], randn(2 * batch, 1)
    gradients = [torch.autograd.grad((logits * weights).sum(), inputs) for logits in (at_once, apart)]
    for found, expected in zip(*gradients, strict=True):
        assert_same(found, expected, 1e-12)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_features_are_channels_last_whatever_the_images_are(channels: int, layout: torch.memory_format) -> None:
    module, layouts = network(image_channels=channels), list[bool]()
    module.blocks[0].conv0.register_forward_hook(
        lambda _, inputs, y: layouts.extend(x.is_contiguous(memory_format=torch.channels_last) for x in (*inputs, y))
    )
    module(randn(3, channels, 16, 16).contiguous(memory_format=layout))
    assert layouts == [True, True]
