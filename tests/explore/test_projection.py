"""Projection: generated images are found again, by pixels and by features, in w and w+."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from stylelayers.explore import (
    FeatureDistance,
    load_distance,
    pixel_distance,
    project,
    sample,
    save_projection,
    style_statistics,
    styles_of_seeds,
)
from stylelayers.explore.projection import _correlation, _jitter, _rate
from tests.conftest import assert_same
from tests.explore.tiny import tiny_generator


def a_target(seed: int = 3) -> Tensor:
    return next(sample(tiny_generator(), [seed]))


@pytest.mark.parametrize("space", ["w", "w+"])
def test_a_generated_image_is_found_again(space: str) -> None:
    generator = tiny_generator()
    found = project(generator, a_target(), space=space, steps=150)
    assert found.distances[-1] < 0.02 * found.distances[0]
    torch.testing.assert_close(generator.synthesis(found.ws, noise="const"), found.image)
    assert pixel_distance(found.image, a_target()).item() == pytest.approx(found.distances[-1])
    assert (found.ws == found.ws[:, :1]).all() == (space == "w")


def test_the_mean_of_w_is_where_it_begins() -> None:
    generator, calls = tiny_generator(), list[tuple[int, float]]()
    mean, deviation = style_statistics(generator)
    found = project(generator, a_target(), steps=2, learning_rate=0.0, on_step=lambda *call: calls.append(call))
    torch.testing.assert_close(found.ws, mean.expand(1, generator.num_ws, -1))
    assert calls == [(1, found.distances[0]), (2, found.distances[1])]
    assert len(found.distances) == 3
    w = styles_of_seeds(generator, range(4000))[:, 0]
    torch.testing.assert_close(mean, w.mean(0), atol=0.05 * float(deviation), rtol=0.0)
    torch.testing.assert_close(deviation, (w - w.mean(0)).square().sum(1).mean().sqrt(), rtol=0.05, atol=0.0)


def test_the_same_seed_finds_the_same() -> None:
    first, second, other = (project(tiny_generator(), a_target(), steps=5, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.ws, second.ws)
    assert not torch.equal(first.ws, other.ws)


def test_noise_maps_are_fitted_and_stay_normal(tmp_path: Path) -> None:
    generator = tiny_generator()
    stored = {name: each.clone() for name, each in generator.state_dict().items()}
    found = project(generator, a_target(), steps=60, fit_noise=True, noise_weight=1e-3)
    assert set(found.noise) == {f"blocks.{block}.conv{conv}.noise.const" for block, conv in ((0, 1), (1, 0), (1, 1))}
    for each in found.noise.values():
        assert abs(float(each.mean())) < 1e-5
        assert abs(float(each.square().mean()) - 1) < 1e-4
    assert found.distances[-1] < 0.3 * found.distances[0]
    assert all(torch.equal(each, stored[name]) for name, each in generator.state_dict().items())
    assert all(parameter.grad is None for parameter in generator.parameters())
    held = load_file(save_projection(found, tmp_path / "ws.safetensors"))
    assert torch.equal(held.pop("ws"), found.ws)
    assert set(held) == set(found.noise)


def test_schedules_are_the_papers() -> None:
    assert [round(_rate(t), 3) for t in (0.025, 0.05, 0.5, 0.75, 0.875)] == [0.51, 1, 1, 1, 0.5]
    assert _rate(0.999) < 0.001
    assert [_jitter(t) for t in (0.0, 0.375, 0.75, 1.0)] == [0.05, 0.0125, 0.0, 0.0]


def test_correlation_is_nought_for_white_noise_and_large_for_signal() -> None:
    assert float(_correlation(torch.ones(16, 16))) == pytest.approx(2 + 2 * 16)
    checks = (torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2.0 - 1
    assert float(_correlation(checks)) == pytest.approx(2)
    assert float(_correlation(torch.randn(64, 64))) < 0.1


class Features(nn.Module):
    """Two maps of edges, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.dropout = nn.Dropout()

    def forward(self, images: Tensor) -> list[Tensor]:
        x = self.dropout(self.conv(images))
        return [x, x.mean((2, 3))]


def test_feature_distances_are_those_of_unit_features() -> None:
    network = Features()
    first, second = torch.rand(2, 1, 3, 8, 8).unbind()
    distance = FeatureDistance(network)
    expected = sum(
        (a / a.norm(dim=1, keepdim=True) - b / b.norm(dim=1, keepdim=True)).square().sum(1).mean()
        for a, b in zip(network.eval()(first), network(second), strict=True)
    )
    assert_same(distance(first, second), torch.as_tensor(expected), 1e-5)
    assert float(distance(first, first)) == 0
    assert float(distance(second, second)) == 0  # another target than before


def test_features_find_an_image_too() -> None:
    found = project(tiny_generator(), a_target(), steps=150, distance=FeatureDistance(Features()))
    assert found.distances[-1] < 0.05 * found.distances[0]
    assert float(pixel_distance(found.image, a_target())) < 0.2 * float(a_target().var())


def test_networks_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_features.py").write_text(
        "from torch import nn\ndef make():\n    return nn.Conv2d(3, 4, 3)\ndef number():\n    return 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    torch.jit.trace(nn.Conv2d(3, 4, 3), torch.zeros(1, 3, 8, 8)).save(str(tmp_path / "features.pt"))
    for name in ("my_features:make", str(tmp_path / "features.pt")):
        assert float(load_distance(name)(a_target(), a_target(4))) > 0
    assert load_distance("pixels") is pixel_distance
    sys.modules.pop("my_features")
    (tmp_path / "text.pt").write_text("no network")
    for name, message in {
        "my_features:number": "expected a torch.nn.Module, got int",
        "my_features:none": "has no attribute 'none'",
        "no_such_module:make": "No module named 'no_such_module'",
        "lpips": "must be pixels, vgg16, a TorchScript file or module:factory, got 'lpips'",
        str(tmp_path / "text.pt"): "is no TorchScript file",
    }.items():
        with pytest.raises(ValueError, match=message):
            load_distance(name)


def test_vgg_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """With weights that need not be fetched."""
    models = pytest.importorskip("torchvision.models")
    make, networks = models.vgg16, list[nn.Module]()

    def untrained(weights: object) -> nn.Module:
        networks.append(make(weights=None))
        return networks[-1]

    monkeypatch.setattr("torchvision.models.vgg16", untrained)
    distance = load_distance("vgg16")
    assert isinstance(distance, FeatureDistance)
    grey = torch.rand(1, 1, 32, 32) * 2 - 1
    assert [each.shape[1:] for each in distance.features(grey)] == [
        (64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)
    ]  # fmt: skip
    from torchvision.transforms.functional import normalize

    x = normalize((grey.expand(-1, 3, -1, -1) + 1) / 2, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    expected = nn.functional.normalize(networks[0].get_submodule("features")[:30](x), dim=1)  # type: ignore[index]
    torch.testing.assert_close(distance.features(grey)[-1], expected)


def test_weights_that_cannot_be_fetched_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchvision.models")

    def offline(weights: object) -> nn.Module:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models.vgg16", offline)
    with pytest.raises(ValueError, match="its weights could not be fetched: no route to host"):
        load_distance("vgg16")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": "z"}, "project: space must be one of w, w\\+, got 'z'"),
        ({"steps": 0}, "project: steps must be an int of at least 1, got 0"),
        ({"target": torch.zeros(1, 3, 8, 9)}, r"project: target must be \(1, 3, 8, 8\), got \(1, 3, 8, 9\)"),
        ({"labels": [0]}, "labels were given, but the generator has no classes"),
    ],
    ids=str,
)
def test_wrong_arguments(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        project(tiny_generator(), **{"target": a_target(), **options})  # type: ignore[arg-type]
