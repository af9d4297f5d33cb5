"""MappingNetwork: numbers, the mean of w and truncation towards it, labels, the laws of modules."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from stylelayers import MappingNetwork
from tests import reference
from tests.conftest import Case, Law, assert_same, every_law, randn

LAYER_KEYS = ("layers.0.weight", "layers.0.bias", "layers.1.weight", "layers.1.bias")
CASES = {
    "unconditional": Case(partial(MappingNetwork, 3, 4, 2, num_layers=2), [(3,)], ("w_mean", *LAYER_KEYS)),
    "labels": Case(
        partial(MappingNetwork, 3, 4, 2, num_layers=2, num_labels=5, hidden_dim=6, activation="swish"),
        [(3,), (5,)],
        ("w_mean", "embed.weight", "embed.bias", *LAYER_KEYS),
        ("6, 4", "'swish'", "lr_multiplier=0.01"),
    ),
    "no mean": Case(partial(MappingNetwork, 3, 4, 2, num_layers=2, w_mean_decay=None), [(3,)], LAYER_KEYS),
}


@every_law(CASES)
def test_modules_follow_the_layer_laws(law: Law, case: Case) -> None:
    law(case)


def network(**options: Any) -> MappingNetwork:
    module = MappingNetwork(6, 4, 5, **{"num_layers": 3, "dtype": torch.float64, **options})
    if module.w_mean is not None:
        module.w_mean.normal_()
    return module.eval()


@pytest.mark.parametrize("num_labels", [0, 3])
def test_values_match_the_reference(num_labels: int) -> None:
    module, z = network(num_labels=num_labels, lr_multiplier=0.1, activation="relu"), randn(7, 6)
    labels = torch.arange(7) % 3 if num_labels else None
    x = reference.pixel_norm(z)
    if module.embed is not None:
        assert labels is not None
        assert module.embed.bias is not None
        embedded = module.embed.weight.t()[labels] / 3**0.5 + module.embed.bias
        x = torch.cat([x, reference.pixel_norm(embedded.detach())], 1)
    for layer in module.layers:
        weight, bias = (getattr(layer, name) * 0.1 for name in ("weight", "bias"))
        x = reference.bias_act(x @ weight.t() / x.shape[1] ** 0.5, bias, activation="relu")
    ws = module(z, labels)
    assert_same(ws, x[:, None].expand(-1, 5, -1))
    assert_same(module(3 * z, labels), ws, 1e-6)  # z is normalized


def test_truncation_moves_styles_towards_the_mean() -> None:
    module, z = network(), randn(3, 6)
    assert module.w_mean is not None
    ws, mean = module(z), module.w_mean
    assert_same(module(z, truncation_psi=0.0), mean.expand_as(ws))
    assert_same(module(z, truncation_psi=1.0, truncation_cutoff=2), ws, 0.0)
    for psi in (0.7, -0.5, 1.5):
        drawn = mean + psi * (ws - mean)
        assert_same(module(z, truncation_psi=psi), drawn)
        for cutoff in (0, 2, 5):
            y = module(z, truncation_psi=psi, truncation_cutoff=cutoff)
            assert_same(y, torch.cat([drawn[:, :cutoff], ws[:, cutoff:]], 1))


@pytest.mark.parametrize("decay", [0.998, 0.5, 0.0])
def test_mean_of_w_is_updated_in_training_only(decay: float) -> None:
    module, expected = network(w_mean_decay=decay), torch.zeros(4, dtype=torch.float64)
    assert module.w_mean is not None
    module.w_mean.zero_()
    for _ in range(3):
        z = randn(8, 6)
        w = module.eval()(z)[:, 0].detach()
        assert_same(module.w_mean, expected)
        module.train()(z, truncation_psi=0.5)
        expected = decay * expected + (1 - decay) * w.mean(0)
        assert_same(module.w_mean, expected)
        assert not module.w_mean.requires_grad
    module.train()(z[:0])
    assert_same(module.w_mean, expected)  # an empty batch has no mean


def test_labels_may_be_numbers_or_rows() -> None:
    module, z = network(num_labels=3), randn(4, 6)
    labels = torch.tensor([0, 2, 1, 2])
    rows = torch.nn.functional.one_hot(labels, 3)
    ws = module(z, labels)
    for same in (labels.to(torch.uint8), labels.int(), rows, rows.float(), rows.double(), rows.bool()):
        assert_same(module(z, same), ws, 0.0)
    changed = module(z, torch.tensor([0, 2, 1, 0]))
    assert_same(changed[:3], ws[:3])
    assert not torch.allclose(changed[3], ws[3])


def test_labels_without_latents_are_accepted() -> None:
    module = network(num_labels=3)
    alone = MappingNetwork(0, 4, 1, num_labels=3, num_layers=1, dtype=torch.float64)
    rows = torch.eye(3, dtype=torch.float64)
    ws: Tensor = alone(None, rows)
    assert ws.shape == (3, 1, 4)
    assert torch.unique(ws, dim=0).shape == ws.shape
    assert module(randn(1, 6), rows[:1]).shape == (1, 5, 4)


Z = torch.ones(2, 6, dtype=torch.float64)
BAD: dict[str, tuple[Any, str]] = {
    "w_dim": (lambda: MappingNetwork(6, 0, 5), "MappingNetwork: w_dim must be an int of at least 1, got 0"),
    "num_ws": (lambda: MappingNetwork(6, 4, 0), "MappingNetwork: num_ws must be .*got 0"),
    "num_layers": (lambda: MappingNetwork(6, 4, 5, num_layers=0), "MappingNetwork: num_layers must be .*got 0"),
    "no input": (lambda: MappingNetwork(0, 4, 5), "MappingNetwork: .*must be an int of at least 1, got 0"),
    "num_labels": (lambda: MappingNetwork(6, 4, 5, num_labels=-1), r"must be an int of at least \d, got .*-1"),
    "z_dim": (lambda: MappingNetwork(-2, 4, 5, num_labels=3), r"must be an int of at least \d, got .*-2"),
    "activation": (lambda: network(activation="gelu"), "activation must be one of .*got 'gelu'"),
    "z": (lambda: network()(Z[:, :5]), r"MappingNetwork: z must be \(N, 6\), got \(2, 5\)"),
    "z rank": (lambda: network()(Z[0]), r"MappingNetwork: z must be \(N, 6\), got \(6,\)"),
    "no z": (lambda: network()(None), r"MappingNetwork: z must be \(N, 6\), got None"),
    "labels": (lambda: network()(Z, torch.zeros(2).long()), "MappingNetwork: labels .*network with num_labels=0"),
    "no labels": (lambda: network(num_labels=3)(Z), r"MappingNetwork: labels must be .*\(N, 3\), got None"),
    "rows": (lambda: network(num_labels=3)(Z, torch.eye(2)), r"labels must be .*\(N, 3\), got \(2, 2\)"),
    "class beyond": (
        lambda: network(num_labels=3)(Z, torch.tensor([0, 3])),
        r"labels must be class numbers in \[0, 3\), got 3",
    ),
    "class below": (
        lambda: network(num_labels=3)(Z, torch.tensor([-1, 0])),
        r"labels must be class numbers in \[0, 3\), got -1",
    ),
    "float": (lambda: network(num_labels=3)(Z, torch.ones(2)), "must be integer class numbers, got torch.float32"),
    "mean": (
        lambda: network(w_mean_decay=None)(Z, truncation_psi=0.5),
        "MappingNetwork: truncation needs the mean of w; build with w_mean_decay=",
    ),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_raises(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
