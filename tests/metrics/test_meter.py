"""Quality meters: settings, determinism, feature networks, cache, errors."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from stylelayers import AliasFreeGenerator, Generator
from stylelayers.checkpoints import save_generator
from stylelayers.data import ImageDataModule, digits
from stylelayers.metrics import (
    FeatureSpace,
    QualityMeter,
    QualityReport,
    cache_folder,
    classifier_of_digits,
    eq_r,
    eq_t,
    eq_t_frac,
    frechet_distance,
    perceptual_path_length,
    recognition,
    train_classifier,
)
from stylelayers.models import StyleGenerator
from tests.training.tiny import tiny_gan


class Means(nn.Module):
    """Means of quarters of the images; counts what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()), requires_grad=False)
        self.images = 0

    def forward(self, images: Tensor) -> Tensor:
        self.images += len(images)
        assert images.abs().max() <= 1
        return nn.functional.adaptive_avg_pool2d(images * self.scale, 2).flatten(1)


@pytest.fixture
def generator() -> StyleGenerator:
    generator = tiny_gan().generator.eval()
    for name, parameter in generator.named_parameters():
        if name.endswith("noise.strength"):
            nn.init.constant_(parameter, 0.5)
    return generator


def pictures(count: int = 60, *, labels: int = 0, seed: int = 0) -> ImageDataModule:
    images = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    dataset = torch.utils.data.TensorDataset(images, torch.arange(count) % max(labels, 1))
    return ImageDataModule(dataset, batch_size=4, num_labels=labels)


def measure(generator: StyleGenerator | str | Path, **options: Any) -> QualityReport:
    settings: dict[str, Any] = {"features": Means(), "samples": 40, "batch_size": 16, "cache": None}
    return QualityMeter(pictures(), **{**settings, **options})(generator)


# The report --------------------------------------------------------------------------------------------------------


def test_a_report_has_the_numbers_that_were_asked_for_and_their_settings(generator: StyleGenerator) -> None:
    report = measure(generator, metrics=["fid", "perceptual_path_length"], truncation_psi=0.7, seed=3, max_real=50)
    assert set(report.numbers()) == {"fid", "ppl"}
    assert report.as_dict() | report.numbers() == report.as_dict()
    assert (report.features, report.resize_filter, report.data_filter) == ("Means", "none", "unknown")
    assert (report.samples, report.real_images, report.truncation_psi, report.seed) == (40, 50, 0.7, 3)
    assert json.loads(json.dumps(report.as_dict())) == report.as_dict()
    assert "fid " in str(report) and "truncation_psi" in str(report)


def test_the_frechet_distance_is_that_of_the_images_by_hand(generator: StyleGenerator) -> None:
    report = measure(generator, metrics=["fid"])
    z = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    with torch.no_grad():
        fakes = torch.cat([generator(part) for part in z.split(16)]).clamp(-1, 1)
    reals = torch.stack([pictures().dataset[index][0] for index in range(60)])
    assert report.fid == pytest.approx(frechet_distance(Means()(reals), Means()(fakes)), rel=1e-6)


def test_files_and_folders_are_measured_like_the_network(tmp_path: Path, generator: StyleGenerator) -> None:
    save_generator(generator, tmp_path / "generator.safetensors")
    assert measure(tmp_path) == measure(tmp_path / "generator.safetensors") == measure(generator)


def test_a_seed_gives_the_same_numbers_and_nothing_is_disturbed(generator: StyleGenerator) -> None:
    everything = ("fid", "kid", "precision_recall", "perceptual_path_length")
    generator.train()
    means = generator.mapping.state_dict()["w_mean"].clone()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    first = measure(generator, metrics=everything)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(6)
    assert measure(generator, metrics=everything) == first != measure(generator, metrics=everything, seed=1)
    assert generator.training and all(module.training for module in generator.modules())
    assert torch.equal(generator.mapping.state_dict()["w_mean"], means)


def test_samples_are_as_many_as_real_images_by_default(generator: StyleGenerator) -> None:
    assert measure(generator, samples=None).samples == 60


# Feature networks and classifiers ----------------------------------------------------------------------------------


def test_digits_have_features_of_their_own_that_tell_digits_from_noise() -> None:
    data = digits(resolution=8)
    meter = QualityMeter(data, samples=200, cache=None)
    noise = Generator(8, z_dim=4, w_dim=4, num_labels=10, image_channels=1, channel_base=32)
    report = meter(noise)
    accuracy, unseen = report.classifier_accuracy, report.classifier_recognised
    assert accuracy is not None and accuracy > 0.9 and unseen is not None and accuracy >= unseen > 0.8
    assert (report.features, report.data_filter) == ("classifier of digits", "bicubic")
    assert report.recognised is not None and report.asked_recognised is not None and report.class_shares is not None
    assert len(report.class_shares) == 10 and sum(report.class_shares) == pytest.approx(1)
    space = meter._space
    reals = torch.stack([data.dataset[index][0] for index in range(1000)])
    labels = torch.tensor([data.dataset[index][1] for index in range(1000)])
    assert space.head is not None
    seen = recognition(space.head(space(reals)), labels)
    assert seen.recognised > 0.9 and seen.asked_recognised is not None and seen.asked_recognised > 0.95
    assert report.fid is not None and report.fid > 20 * frechet_distance(space(reals[:500]), space(reals[500:]))


def test_training_a_classifier_is_deterministic() -> None:
    images, labels = torch.rand(60, 1, 8, 8), torch.arange(60) % 3
    state = torch.get_rng_state()
    first, again, other = (train_classifier(images, labels, 3, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)
    assert classifier_of_digits.__defaults__ == (1,)  # grey, as the benchmark takes it


def test_a_classifier_of_the_datas_labels(generator: StyleGenerator) -> None:
    report = QualityMeter(pictures(labels=3), features="classifier", samples=20, cache=None)(generator)
    assert report.class_shares is not None and len(report.class_shares) == 3
    assert report.asked_recognised is None  # the generator has no labels
    with pytest.raises(ValueError, match="features=classifier needs data with labels"):
        measure(generator, features="classifier")


def test_shares_by_hand() -> None:
    probabilities = torch.tensor([[0.95, 0.05, 0.0], [0.85, 0.05, 0.10], [0.05, 0.95, 0.0], [0.0, 0.08, 0.92]])
    seen = recognition(probabilities.log(), torch.tensor([0, 0, 0, 2]))
    assert (seen.recognised, seen.class_shares, seen.asked_recognised) == (0.75, (0.5, 0.25, 0.25), 0.75)


def test_labels_are_asked_as_often_as_the_data_have_them() -> None:
    class Remembers(Generator):
        asked = torch.zeros(0, dtype=torch.long)

        def forward(self, z: Tensor, labels: Any = None, **options: Any) -> Tensor:
            assert labels is not None
            self.asked = torch.cat([self.asked, labels])
            return super().forward(z, labels, **options)

    options: dict[str, Any] = {"z_dim": 4, "w_dim": 4, "image_channels": 1, "channel_base": 32}
    images = torch.rand(40, 1, 8, 8)
    labels = torch.tensor([0] * 30 + [2] * 10)
    for num_labels, shares in ((3, [0.75, 0.0, 0.25]), (4, [0.25] * 4)):
        data = ImageDataModule(torch.utils.data.TensorDataset(images, labels), num_labels=3)
        generator = Remembers(8, num_labels=num_labels, **options)
        QualityMeter(data, features=Means(), metrics=["fid"], samples=1000, cache=None)(generator)
        counts = torch.bincount(generator.asked, minlength=num_labels) / 1000
        assert counts.tolist() == pytest.approx(shares, abs=0.05)
        assert (counts == 0).tolist() == [share == 0 for share in shares]


def test_perceptual_path_lengths_are_the_squared_speed_of_the_images(generator: StyleGenerator) -> None:
    class SquaredDifference(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return (a - b).double().square().sum((1, 2, 3))

    generator = generator.double()
    ends = torch.randn(2, 12, 4, dtype=torch.float64)
    space = FeatureSpace("Means", Means())
    options: dict[str, Any] = {"similarity": SquaredDifference(), "batch_size": 5}
    length = perceptual_path_length(generator, space, (ends[0], ends[1]), None, **options)
    ws = [generator.mapping(z).detach() for z in ends]
    speeds = []
    for start, end in zip(*ws, strict=True):

        def image(step: Tensor, start: Tensor = start, end: Tensor = end) -> Tensor:
            result: Tensor = generator.synthesis((start + step * (end - start))[None], noise="const")
            return result

        _, speed = torch.autograd.functional.jvp(image, torch.zeros((), dtype=torch.float64), torch.ones(()).double())
        speeds.append(float(speed.square().sum()))
    kept = sorted(speeds)[:-1]  # as the largest hundredth is left out
    assert length == pytest.approx(sum(kept) / len(kept), rel=1e-2)


# The cache ---------------------------------------------------------------------------------------------------------


def test_features_of_real_images_are_computed_once(tmp_path: Path, generator: StyleGenerator) -> None:
    first, second, network = Means(), Means(), Means()
    report = measure(generator, features=first, cache=tmp_path, metrics=["fid"])
    again = measure(generator, features=second, cache=tmp_path, metrics=["fid"])
    assert again == report == measure(generator, features=network, metrics=["fid"])
    assert first.images == 60 + 40
    assert second.images == 16 + 40  # a batch of the real ones, to see that they are these
    (file,) = tmp_path.iterdir()
    assert file.suffix == ".safetensors"


def test_another_network_filter_or_content_has_a_file_of_its_own(tmp_path: Path, generator: StyleGenerator) -> None:
    def files(data: ImageDataModule, space: FeatureSpace) -> int:
        QualityMeter(data, features=space, metrics=["fid"], samples=8, cache=tmp_path)(generator)
        return len(list(tmp_path.iterdir()))

    space, scaled = FeatureSpace("Means", Means()), Means()
    scaled.scale.mul_(2)
    assert files(pictures(), space) == 1
    assert files(pictures(), replace(space, network=scaled)) == 2
    assert files(pictures(), replace(space, resize_filter="box")) == 3
    assert files(pictures(seed=1), space) == 4
    assert files(pictures(59), space) == 5
    assert files(pictures(labels=3), space) == 5  # labels are no content of images


def test_cached_features_of_changed_code_are_not_used(tmp_path: Path, generator: StyleGenerator) -> None:
    before = measure(generator, cache=tmp_path, metrics=["fid"])

    class Means(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()), requires_grad=False)

        def forward(self, images: Tensor) -> Tensor:
            return nn.functional.adaptive_max_pool2d(images, 2).flatten(1)

    after = measure(generator, features=Means(), cache=tmp_path, metrics=["fid"])
    assert after != before
    assert after == measure(generator, features=Means(), metrics=["fid"])


@pytest.mark.parametrize("damage", [b"", b"damaged", None])
def test_a_damaged_file_is_written_anew(tmp_path: Path, generator: StyleGenerator, damage: bytes | None) -> None:
    report = measure(generator, cache=tmp_path, metrics=["fid"])
    (file,) = tmp_path.iterdir()
    whole = load_file(file)["features"].clone()  # else a map of the file
    file.write_bytes(file.read_bytes()[:-9] if damage is None else damage)
    with pytest.warns(UserWarning, match="are computed anew: .* is damaged"):
        assert measure(generator, cache=tmp_path, metrics=["fid"]) == report
    assert torch.equal(load_file(file)["features"], whole)


def test_a_cache_that_cannot_be_written_is_no_failure(tmp_path: Path, generator: StyleGenerator) -> None:
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="features of real images were not kept"):
        measure(generator, cache=tmp_path / "file" / "folder", metrics=["fid"])


def test_the_folder_of_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, generator: StyleGenerator) -> None:
    monkeypatch.delenv("STYLELAYERS_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "stylelayers"
    monkeypatch.setenv("STYLELAYERS_CACHE", str(tmp_path / "mine"))
    measure(generator, cache="auto", metrics=["fid"])
    assert len(list((tmp_path / "mine").iterdir())) == 1


# Equivariance ------------------------------------------------------------------------------------------------------


def test_equivariance_is_measured_of_alias_free_generators_alone_and_without_features() -> None:
    torch.manual_seed(0)
    plan: dict[str, Any] = {"channel_base": 64, "num_layers": 3, "num_critical": 1, "margin": 4}
    generator = AliasFreeGenerator(24, z_dim=4, w_dim=4, image_channels=1, **plan).eval()
    images = torch.rand(6, 1, 24, 24)
    data = ImageDataModule(torch.utils.data.TensorDataset(images, torch.zeros(6).long()), batch_size=4)
    features, names = Means(), ["eq_t", "eq_t_frac", "eq_r"]
    measured = QualityMeter(data, features=features, metrics=names, samples=5, seed=3, cache=None)(generator)
    settings: dict[str, Any] = {"samples": 5, "seed": 3}
    assert measured.eq_t == pytest.approx(eq_t(generator, **settings), abs=1e-3)
    assert measured.eq_t_frac == pytest.approx(eq_t_frac(generator, **settings), abs=1e-3)
    assert measured.eq_r == pytest.approx(eq_r(generator, **settings), abs=1e-3)
    assert measured.equivariance_samples == 5
    assert list(measured.numbers()) == names
    assert features.images <= 16  # of the constructor's check


# Errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["fid", "is"]}, r"metrics must be some of fid, .* got \['fid', 'is'\]"),
        ({"metrics": "fid"}, "metrics must be some of"),
        ({"metrics": []}, "metrics must be some of"),
        ({"metrics": ["recognised"]}, "recognised needs the features of a classifier, got Means"),
        (
            {"samples": 3},
            "samples must be an int of at least 6, got 3; images needed: fid 2, kid 2, precision_recall 4",
        ),
        ({"samples": True, "metrics": ["recognised"]}, "samples must be an int of at least 1, got True"),
        ({"samples": 1, "metrics": ["fid"]}, "samples must be an int of at least 2, got 1"),
        ({"max_real": 0}, "max_real must be an int of at least 6, got 0"),
        ({"batch_size": 0}, "batch_size must be an int of at least 1, got 0"),
        ({"metrics": ["fid", "eq_t"]}, "eq_t needs an alias-free generator, whose input can be moved, got Generator$"),
        ({"metrics": ["eq_t"], "truncation_psi": 0.7}, "truncation_psi must be 1 for eq_t, got 0.7"),
        ({"metrics": ["eq_t", "eq_r"]}, "eq_r needs images of 24x24, got 8x8"),
        ({"similarity": "l2"}, "similarity must be one of features, vgg, alex, squeeze or an nn.Module, got 'l2'"),
        (
            {"features": "resnet"},
            "features must be inception, classifier, digits, random or an nn.Module, got 'resnet'",
        ),
        ({"features": "inception", "resize_filter": "box"}, "resize_filter must be one of tensorflow, antialias"),
        ({"features": nn.Identity()}, r"Identity must map \(16, 1, 8, 8\) to \(16, d\), got \(16, 1, 8, 8\)"),
    ],
)
def test_settings_that_cannot_be(options: dict[str, Any], message: str, generator: StyleGenerator) -> None:
    with pytest.raises(ValueError, match=message):
        measure(generator, **options)


@pytest.mark.parametrize(
    ("metrics", "least"),
    [
        *((None, 6), (["fid"], 2), (["kid"], 2), (["precision_recall"], 4), (["density_coverage"], 6)),
        (["perceptual_path_length"], 3),
    ],
)
def test_the_least_number_of_images_of_each_metric(
    metrics: list[str] | None, least: int, generator: StyleGenerator
) -> None:
    options: dict[str, Any] = {"features": "random", "metrics": metrics, "cache": None}
    for count in (1, least - 1):
        if 0 < count < least:
            with pytest.raises(
                ValueError, match=rf"data must hold at least {least} images, got {count}; .*fid 2, kid 2"
            ):
                QualityMeter(pictures(count), **options)
    report = QualityMeter(pictures(least), **options)(generator)
    assert report.real_images == report.samples == least
    assert all(math.isfinite(value) for value in report.numbers().values())


def test_subsets_that_are_all_the_images_have_no_deviation(generator: StyleGenerator) -> None:
    assert measure(generator, metrics=["kid"], samples=60).as_dict().keys() >= {"kid", "kid_subset_size"}
    assert measure(generator, metrics=["kid"], samples=60).kid_deviation is None
    deviation = measure(generator, metrics=["kid"], samples=40).kid_deviation
    assert deviation is not None and deviation > 1e-6


def test_generator_and_data_must_have_the_same_images(generator: StyleGenerator) -> None:
    with pytest.raises(ValueError, match=r"the same resolution, got \(8, 8\) and \(16, 16\)"):
        QualityMeter(digits(resolution=16), features=Means(), cache=None)(generator)
    broken = tiny_gan().generator
    with torch.no_grad():
        broken.synthesis.requires_grad_(False)
        next(broken.synthesis.parameters()).fill_(float("nan"))
    with pytest.raises(ValueError, match="images must be finite"):
        measure(broken, features=nn.Flatten())


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            "0123456798",
            r"got one in another order: number 8 is '9' there and '8' here; compare with data without labels",
        ),
        ("abcdefghij", r"got one with 'a', 'b', 'c', 'd', 'e' and 5 more and without '0', "),
    ],
)
def test_generator_and_data_must_have_the_same_classes(names: str, message: str) -> None:
    generator = tiny_gan(labels=10).generator.eval()
    generator.class_names = tuple(names)
    options: dict[str, Any] = {"samples": 4, "metrics": ["fid"], "features": Means(), "cache": None}
    with pytest.raises(ValueError, match=f"QualityMeter: the generator must have the data's classes, .*{message}"):
        QualityMeter(digits(resolution=8), **options)(generator)
    QualityMeter(digits(resolution=8, labels=False), **options)(generator)


def test_weights_that_cannot_be_fetched_end_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3", reason="torch-fidelity is missing")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(fidelity, "load_state_dict_from_url", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=r"features=inception: .* could not be fetched \(no network\); put its file"):
        QualityMeter(pictures(), features="inception")
    with pytest.warns(UserWarning, match="features=auto: images are compared in fixed random filters, as .*no network"):
        assert QualityMeter(pictures(), cache=None)._space.name == "random filters"


def test_inception_takes_grey_images_as_bytes(monkeypatch: pytest.MonkeyPatch, generator: StyleGenerator) -> None:
    fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3", reason="torch-fidelity is missing")
    monkeypatch.setattr(fidelity, "load_state_dict_from_url", lambda *_, **__: None)
    monkeypatch.setattr(fidelity.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)  # random weights
    report = measure(generator, features="inception", samples=4, max_real=4, metrics=["fid"])
    assert (report.features, report.resize_filter[:8]) == ("inception", "bilinear")
    assert report.fid is not None and report.fid > 0
