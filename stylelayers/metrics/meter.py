"""The quality of generators against one data set, whose features are computed once."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._cache_folder import cache_folder
from .._checks import check_choice, check_ints, is_int
from .._random_state import preserve_random_state
from ..checkpoints import load_generator
from ..data import ImageDataModule
from ..models import StyleGenerator
from .distances import density_coverage, frechet_distance, kernel_distance, kid_subset_size, precision_recall
from .draws import check_labels, draw_latents, remarks
from .equivariance_metrics import check_movable, check_settings, measure_equivariance
from .feature_space import RESIZE_FILTERS, FeatureSpace, automatic_features, feature_space
from .perceptual_path_length import SIMILARITIES, perceptual_path_length
from .real_features import RealImages, real_features
from .recognition import recognition
from .registry import METRICS, default_metrics, min_images
from .report import QualityReport

MAX_DEFAULT_SAMPLES = 10_000


@dataclass
class QualityMeter:
    """Measure the quality of generators against one data set.

    The same seed gives the same numbers. Global random states and the generator's modes are left as they are.

    Args:
        data: real images of the generators' size and channels.
        features: the feature space, see :func:`feature_space`. ``"auto"`` is ``"digits"`` for scikit-learn's digits
            and ``"inception"`` for other data, or ``"random"``, with a warning, if Inception is not available.
        metrics: some of ``fid``, ``kid``, ``precision_recall``, ``density_coverage``, ``perceptual_path_length``, in
            the feature space of a classifier ``recognised``, and of alias-free generators ``eq_t``, ``eq_t_frac``,
            ``eq_r``; None for the first four and ``recognised``.
        samples: number of generated images; None for as many as there are real ones, at most 10,000.
        max_real: largest number of real images.
        truncation_psi: of the styles.
        resize_filter: of Inception, see :func:`feature_space`.
        similarity: see :func:`perceptual_path_length`.
        batch_size: images per batch.
        seed: of latents, labels, noise, subsets and classifier.
        cache: folder for the features of real images; ``"auto"`` for :func:`cache_folder`, None for no cache.

    Raises:
        ValueError: settings that do not fit each other or the data, or weights that cannot be fetched.

    Example:
        >>> import torch
        >>> from stylelayers import Generator
        >>> from stylelayers.data import ImageDataModule
        >>> from stylelayers.metrics import QualityMeter
        >>> images, labels = torch.rand(8, 1, 8, 8) * 2 - 1, torch.zeros(8).long()
        >>> data = ImageDataModule(torch.utils.data.TensorDataset(images, labels))
        >>> meter = QualityMeter(data, features="random", metrics=["precision_recall"], cache=None)
        >>> sorted(meter(Generator(8, z_dim=4, w_dim=4, image_channels=1, channel_base=16)).numbers())
        ['precision', 'recall']
    """

    data: ImageDataModule
    _: KW_ONLY
    features: str | nn.Module | FeatureSpace = "auto"
    metrics: Sequence[str] | None = None
    samples: int | None = None
    max_real: int = 50_000
    truncation_psi: float = 1.0
    resize_filter: str = "tensorflow"
    similarity: str | nn.Module = "features"
    batch_size: int = 64
    seed: int = 0
    cache: str | os.PathLike[str] | None = "auto"

    def __post_init__(self) -> None:
        self._check_settings()
        self._images = RealImages(self.data, limit=self.max_real, batch_size=self.batch_size)
        self._check_count("data", len(self._images))
        automatic = isinstance(self.features, str) and self.features == "auto"
        own = getattr(self.data.dataset, "own_features", None)
        self._space = feature_space(
            automatic_features(own, self.resize_filter) if automatic else self.features,
            resolution=self.data.resolution,
            image_channels=self.data.image_channels,
            labelled=self._images.labelled,
            resize_filter=self.resize_filter,
            seed=self.seed,
        )
        classifies = self._space.head is not None
        self._metrics = self.metrics or default_metrics(with_classifier=classifies)
        if not classifies and (refused := [name for name in self._metrics if METRICS[name].needs_classifier]):
            needed = f"{refused[0]} needs the features of a classifier"
            raise ValueError(f"QualityMeter: metrics: {needed}, got {self._space.name}")
        self._samples = min(len(self._images), MAX_DEFAULT_SAMPLES) if self.samples is None else self.samples
        self._real_features: Tensor | None = None

    @torch.no_grad()
    def __call__(self, generator: StyleGenerator | str | os.PathLike[str]) -> QualityReport:
        """Measure a generator on its device.

        Args:
            generator: a network, or a file or folder that :func:`stylelayers.checkpoints.load_generator` reads.

        Raises:
            ValueError: a generator of other images or classes than the data, or of images that are not finite.
        """
        if not isinstance(generator, StyleGenerator):
            generator = load_generator(generator)
        self._check_generator(generator)
        device = next(generator.parameters()).device
        with _evaluation_mode(generator), _seeded_random_state(self.seed, device):
            numbers = measure_equivariance(
                generator, self._metrics, samples=self._samples, seed=self.seed, batch_size=self.batch_size
            )
            if not all(METRICS[name].needs_motion for name in self._metrics):
                numbers |= self._compare_images(generator, device)
        return QualityReport(
            **self._settings(generator),
            notes=remarks(generator, with_recognition="recognised" in self._metrics),
            **numbers,
        )

    def _compare_images(self, generator: StyleGenerator, device: torch.device) -> dict[str, Any]:
        """All numbers of features."""
        real = self._compute_real_features(device)
        z, labels = draw_latents(generator, self._images, self._samples, seed=self.seed, device=device)
        fake = self._compute_fake_features(generator, z, labels)
        numbers = self._compute_distances(real, fake)
        if "recognised" in self._metrics:
            numbers |= self._compute_recognition(fake, labels, generator)
        if "perceptual_path_length" in self._metrics:
            numbers |= self._compute_path_length(generator, z, labels)
        return numbers

    def _compute_real_features(self, device: torch.device) -> Tensor:
        self._space.to(device)
        if self._real_features is None:
            folder = None if self.cache is None else cache_folder() if self.cache == "auto" else Path(self.cache)
            digest, _ = self._images.summary
            self._real_features = real_features(self._images, digest, self._space, device=device, cache=folder)
        return self._real_features.to(device)

    def _compute_fake_features(self, generator: StyleGenerator, z: Tensor, labels: Tensor | None) -> Tensor:
        label_batches = [None] * len(z) if labels is None else labels.split(self.batch_size)
        batches = zip(z.split(self.batch_size), label_batches, strict=False)
        fake = torch.cat([self._space(generator(z, c, truncation_psi=self.truncation_psi)) for z, c in batches])
        if not fake.isfinite().all():
            raise ValueError("QualityMeter: the generator's images must be finite, got values that are not")
        return fake

    def _compute_distances(self, real: Tensor, fake: Tensor) -> dict[str, Any]:
        numbers: dict[str, Any] = {}
        if "fid" in self._metrics:
            numbers["fid"] = frechet_distance(real, fake)
        if "kid" in self._metrics:
            numbers["kid"], numbers["kid_deviation"] = kernel_distance(real, fake, seed=self.seed)
            numbers["kid_subset_size"] = size = kid_subset_size(len(real), len(fake))
            if size == len(real) == len(fake):
                del numbers["kid_deviation"]  # all subsets are the same
        if "precision_recall" in self._metrics:
            numbers["precision"], numbers["recall"] = precision_recall(real, fake)
        if "density_coverage" in self._metrics:
            numbers["density"], numbers["coverage"] = density_coverage(real, fake)
        return numbers

    def _compute_recognition(self, fake: Tensor, labels: Tensor | None, generator: StyleGenerator) -> dict[str, Any]:
        assert self._space.head is not None  # checked by the constructor
        logits = self._space.head(fake)
        same_classes = generator.label_kind == "classes" and logits.shape[1] == generator.num_labels
        shares = recognition(logits, labels if same_classes else None)
        unseen = {"classifier_accuracy": self._space.accuracy, "classifier_recognised": self._space.recognised}
        return {**vars(shares), **unseen}

    def _compute_path_length(self, generator: StyleGenerator, z: Tensor, labels: Tensor | None) -> dict[str, Any]:
        source = torch.Generator().manual_seed(self.seed + 1)
        ends = torch.randn(z.shape, generator=source).to(z)
        length = perceptual_path_length(
            generator,
            self._space,
            (z, ends),
            labels,
            similarity=self.similarity,
            truncation_psi=self.truncation_psi,
            batch_size=self.batch_size,
        )
        name = self.similarity if isinstance(self.similarity, str) else type(self.similarity).__name__
        return {"ppl": length, "similarity": name}

    def _settings(self, generator: StyleGenerator) -> dict[str, Any]:
        return {
            "features": self._space.name,
            "resize_filter": self._space.resize_filter,
            "data_filter": getattr(self.data.dataset, "resize_filter", "unknown") + self._images.choice,
            "samples": self._samples,
            "real_images": len(self._images),
            "truncation_psi": self.truncation_psi,
            "noise": generator.synthesis.noise_modes[0],
            "seed": self.seed,
        }

    def _check_settings(self) -> None:
        chosen = self.metrics
        if chosen is not None and (not chosen or isinstance(chosen, str) or not set(chosen) <= set(METRICS)):
            raise ValueError(f"QualityMeter: metrics must be some of {', '.join(METRICS)}, or None, got {chosen!r}")
        self._check_count("max_real", self.max_real)
        if self.samples is not None:
            self._check_count("samples", self.samples)
        check_ints("QualityMeter", batch_size=self.batch_size)
        if not isfinite(self.truncation_psi):
            raise ValueError(f"QualityMeter: truncation_psi must be a finite number, got {self.truncation_psi}")
        check_settings(self.metrics or (), self.data.resolution, self.truncation_psi)
        check_choice("QualityMeter", "resize_filter", self.resize_filter, RESIZE_FILTERS)
        if isinstance(self.similarity, str) and self.similarity not in SIMILARITIES:
            known = f"one of {', '.join(SIMILARITIES)} or an nn.Module"
            raise ValueError(f"QualityMeter: similarity must be {known}, got {self.similarity!r}")

    def _check_count(self, argument: str, count: object) -> None:
        """Raise a ValueError unless there are as many images as the metrics need."""
        least = min_images(self.metrics or default_metrics(with_classifier=False))
        if not is_int(count) or count < least:  # type: ignore[operator]
            expected = f"hold at least {least} images" if argument == "data" else f"be an int of at least {least}"
            needed = ", ".join(f"{name} {metric.min_images}" for name, metric in METRICS.items())
            raise ValueError(f"QualityMeter: {argument} must {expected}, got {count!r}; images needed: {needed}")

    def _check_generator(self, generator: StyleGenerator) -> None:
        check_movable(generator, self._metrics)
        for name in ("resolution", "image_channels"):
            ours, theirs = getattr(generator, name), getattr(self.data, name)
            if ours != theirs:
                raise ValueError(f"QualityMeter: generator and data must have the same {name}, got {ours} and {theirs}")
        check_labels(generator, self.data)


@contextmanager
def _evaluation_mode(generator: StyleGenerator) -> Iterator[None]:
    training = [module for module in generator.modules() if module.training]
    generator.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _seeded_random_state(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch on the CPU and on `device` inside the block; restore the random states after it."""
    with preserve_random_state(device):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
