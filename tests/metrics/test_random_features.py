"""The features that need no download: the same everywhere, and they rank what is worse as worse."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from sklearn.datasets import load_sample_images
from torch import Tensor, nn
from torchvision.transforms.functional import gaussian_blur

from stylelayers import Generator
from stylelayers.data import ImageDataModule, digits
from stylelayers.metrics import QualityMeter, RandomFeatures, frechet_distance, kernel_distance

COUNT = 300


def scans() -> Tensor:
    dataset = digits(resolution=32).dataset
    chosen = torch.randperm(len(dataset), generator=torch.Generator().manual_seed(0))[: 2 * COUNT]  # type: ignore[arg-type]
    return torch.stack([dataset[int(index)][0] for index in chosen])


def photographs() -> Tensor:
    """Pieces of scikit-learn's two photographs, 32x32, halved."""
    images = [torch.tensor(image).permute(2, 0, 1) / 127.5 - 1 for image in load_sample_images().images]
    source = torch.Generator().manual_seed(0)
    places = torch.rand(2 * COUNT, 2, generator=source) * torch.tensor([427 - 64, 640 - 64])
    pieces = [images[i % 2][:, int(y) : int(y) + 64, int(x) : int(x) + 64] for i, (y, x) in enumerate(places)]
    return nn.functional.avg_pool2d(torch.stack(pieces), 2)


def noisy(amount: float) -> Callable[[Tensor], Tensor]:
    return lambda x: x + amount * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))


def blurred(deviation: float) -> Callable[[Tensor], Tensor]:
    size = 2 * round(3 * deviation) + 1
    return lambda x: gaussian_blur(x, [size, size], [deviation, deviation])


def few(count: int) -> Callable[[Tensor], Tensor]:
    return lambda x: x[:count].repeat(-(-len(x) // count), 1, 1, 1)[: len(x)]


def swapped(x: Tensor) -> Tensor:
    """Right textures in wrong places."""
    return x.roll((x.shape[2] // 2, x.shape[3] // 2), (2, 3))


WORSE: dict[str, list[Callable[[Tensor], Tensor]]] = {
    "blur": [blurred(0.6), blurred(1.2), blurred(3.0)],
    "noise": [noisy(0.1), noisy(0.3), noisy(1.0)],
    "contrast": [lambda x: 0.9 * x, lambda x: 0.7 * x, lambda x: 0.4 * x],
    "collapse": [few(60), few(20), few(4)],
    "layout": [swapped],
    "no_image": [lambda x: noisy(0.5)(torch.zeros_like(x))],
}  # fmt: skip


@pytest.mark.parametrize("images", [scans, photographs])
@pytest.mark.parametrize("kind", WORSE)
def test_real_images_are_nearer_than_worse_and_worse_ones(images: Callable[[], Tensor], kind: str) -> None:
    every = images()
    network = RandomFeatures(every.shape[1])
    real, others = network(every[:COUNT]), every[COUNT:]
    seen = [network(others), *(network(spoil(others).clamp(-1, 1)) for spoil in WORSE[kind])]
    for distance in (frechet_distance, lambda a, b: kernel_distance(a, b)[0]):
        distances = [distance(real, features) for features in seen]
        assert distances == sorted(distances)
        assert distances[-1] > 2 * distances[0]


def test_random_features_are_the_same_in_every_process() -> None:
    state = torch.get_rng_state()
    first, second = RandomFeatures(3), RandomFeatures(3)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.filters, second.filters)
    assert first.filters[0, 0, 0].tolist() == pytest.approx([-0.21667, -0.22177, -0.04822], abs=1e-4)


@pytest.mark.parametrize(("size", "levels"), [((4, 4), 1), ((8, 12), 2), ((32, 32), 4), ((64, 128), 4), ((3, 5), 1)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_images_of_any_size(size: tuple[int, int], levels: int, channels: int) -> None:
    features = RandomFeatures(channels)(torch.rand(5, channels, *size) * 2 - 1)
    assert features.shape == (5, 32 * levels) and bool(features.isfinite().all())
    assert features.std(0).min() > 0


def test_other_data_are_measured_offline_with_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    images = torch.utils.data.TensorDataset(torch.rand(40, 1, 8, 8) * 2 - 1, torch.zeros(40).long())
    generator = Generator(8, z_dim=4, w_dim=4, image_channels=1, channel_base=32)
    with pytest.warns(
        UserWarning, match="features=auto: images are compared in fixed random filters, as features=inception"
    ):
        meter = QualityMeter(ImageDataModule(images), cache=None)
    report = meter(generator)
    assert report.features == "random filters" and report.fid is not None and report.fid > 0
    assert QualityMeter(ImageDataModule(images), features="random", cache=None)(generator) == report
