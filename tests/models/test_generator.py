"""Generator: mapping, then synthesis; arguments kept; the laws of modules."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import pytest
import torch

from stylelayers import Generator, MappingNetwork, SynthesisNetwork
from tests.conftest import Case, Law, assert_same, every_law, randn


def tiny(**options: Any) -> partial[Generator]:
    defaults = {"z_dim": 3, "w_dim": 4, "channel_base": 12, "mapping_layers": 2}
    return partial(Generator, 8, **{**defaults, **options})


def keys(module: Generator) -> tuple[str, ...]:
    parts = {"synthesis": module.synthesis, "mapping": module.mapping}
    return tuple(f"{part}.{key}" for part, child in parts.items() for key in child.state_dict())


CASES = {
    "unconditional": Case(tiny(), [(3,)], keys(tiny()()), ("MappingNetwork", "SynthesisNetwork")),
    "labels": Case(
        tiny(num_labels=2, architecture="resnet", padding_mode="reflect"),
        [(3,), (2,)],
        keys(tiny(num_labels=2, architecture="resnet")()),
    ),
}
for case in CASES.values():
    case.options.update(noise="const", truncation_psi=0.7)


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


def network(**options: Any) -> Generator:
    module = tiny(**{"dtype": torch.float64, **options})().eval()
    assert module.mapping.w_mean is not None
    module.mapping.w_mean.normal_()
    return module


def test_generator_is_mapping_then_synthesis() -> None:
    module, z = network(num_labels=2), randn(3, 3)
    labels = torch.tensor([0, 1, 1])
    options: dict[str, Any] = {"truncation_psi": 0.6, "truncation_cutoff": 2}
    ws = module.mapping(z, labels, **options)
    assert ws.shape == (3, module.num_ws, 4)
    assert_same(module(z, labels, **options, noise="const"), module.synthesis(ws, noise="const"), 0.0)
    assert_same(module(z, labels, noise="none"), module.synthesis(module.mapping(z, labels), noise="none"), 0.0)
    assert not torch.allclose(module(z, labels, noise="none"), module(z, labels.flip(0), noise="none"))
    truncated = module(z, labels, truncation_psi=0.0, noise="none")
    assert_same(truncated, truncated[:1].expand_as(truncated))


@pytest.mark.parametrize("padding_mode", ["reflect", "zeros"])
def test_every_argument_is_stored_and_passed_on(padding_mode: str) -> None:
    given: dict[str, Any] = {
        "resolution": (8, 12),
        "z_dim": 3,
        "w_dim": 4,
        "num_labels": 2,
        "image_channels": 1,
        "channel_base": 16,
        "channel_max": 3,
        "mapping_layers": 3,
        "mapping_lr_multiplier": 0.1,
        "w_mean_decay": 0.9,
        "architecture": "resnet",
        "activation": "swish",
        "padding_mode": padding_mode,
        "resample_method": "nearest",
        "resample_filter": (1, 4, 6, 4, 1),
        "normalize_style": True,
        "clamp": 0.7,
    }
    assert set(given) == set(inspect.signature(Generator).parameters) - {"device", "dtype"}
    module = Generator(**given)
    assert {name: getattr(module, name) for name in given} == given
    Generator(**{name: getattr(module, name) for name in given}).load_state_dict(module.state_dict())

    shared = {name: value for name, value in given.items() if name in inspect.signature(SynthesisNetwork).parameters}
    synthesis, z, labels = SynthesisNetwork(**shared), torch.randn(2, 3), torch.tensor([0, 1])
    mapping = MappingNetwork(
        3, 4, module.num_ws, num_layers=3, num_labels=2, lr_multiplier=0.1, activation="swish", w_mean_decay=0.9
    )
    synthesis.load_state_dict(module.synthesis.state_dict())
    mapping.load_state_dict(module.mapping.state_dict())
    assert_same(module(z, labels, noise="const"), synthesis(mapping(z, labels), noise="const"), 0.0)
    assert module.mapping.w_mean is not None
    assert mapping.w_mean is not None
    assert_same(module.mapping.w_mean, mapping.w_mean, 0.0)  # both are training


def test_every_parameter_gets_a_gradient() -> None:
    module, z = network(num_labels=2), randn(4, 3)
    for name, parameter in module.named_parameters():
        if name.endswith("strength"):
            torch.nn.init.ones_(parameter)
    images = module.train()(z, torch.tensor([0, 1, 0, 1]))
    gradients = torch.autograd.grad(images.square().sum(), list(module.parameters()), create_graph=True)
    sum(gradient.square().sum() for gradient in gradients).backward()  # type: ignore[union-attr]
    assert all(gradient.abs().max() > 0 for gradient in gradients)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


BAD: dict[str, tuple[Any, str]] = {
    "resolution": (lambda: Generator(31), "resolution must be a power of two .*got 31"),
    "z_dim": (lambda: network(z_dim=0), "must be an int of at least 1, got 0"),
    "w_dim": (lambda: network(w_dim=0), "w_dim must be an int of at least 1, got 0"),
    "layers": (lambda: network(mapping_layers=0), "num_layers must be an int of at least 1, got 0"),
    "architecture": (lambda: network(architecture="x"), "architecture must be one of skip, resnet, orig, got 'x'"),
    "z": (lambda: network()(randn(2, 4)), r"z must be \(N, 3\), got \(2, 4\)"),
    "noise": (lambda: network()(randn(2, 3), noise="x"), "noise must be one of random, const, none, got 'x'"),
    "labels": (lambda: network()(randn(2, 3), torch.zeros(2).long()), "labels were given .*num_labels=0"),
    "no labels": (lambda: network(num_labels=2)(randn(2, 3)), r"labels must be .*\(N, 2\), got None"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
