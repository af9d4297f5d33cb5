"""The quality of a generator against data, in one call."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...checkpoints import load_generator
from ...models import Generator
from ..data import ImageDataModule
from ..random_state import randomness_kept
from .distances import frechet_distance, kernel_distance, kid_subset_size, precision_recall
from .feature_space import FeatureSpace, feature_space
from .path_length import SIMILARITIES, path_length
from .real_features import RealImages, cache_folder, real_features
from .recognition import recognition
from .report import QualityReport

__all__ = ["METRICS", "QualityMeter", "evaluate"]

METRICS = ("fid", "kid", "precision_recall", "path_length", "recognised")
DEFAULT = ("fid", "kid", "precision_recall")


class QualityMeter:
    """Measures generators against one data set, whose features it computes once; arguments as of :func:`evaluate`."""

    def __init__(
        self,
        data: ImageDataModule,
        *,
        features: str | nn.Module | FeatureSpace = "inception",
        metrics: Sequence[str] = DEFAULT,
        samples: int = 10_000,
        max_real: int = 50_000,
        truncation_psi: float = 1.0,
        resize_filter: str = "tensorflow",
        similarity: str | nn.Module = "features",
        batch_size: int = 64,
        seed: int = 0,
        cache: str | os.PathLike[str] | None = "auto",
    ) -> None:
        _check(metrics, samples, max_real, batch_size, similarity)
        self.data, self.metrics, self.samples = data, tuple(metrics), samples
        self.truncation_psi, self.similarity, self.batch_size, self.seed = truncation_psi, similarity, batch_size, seed
        self.cache = cache_folder() if cache == "auto" else None if cache is None else Path(cache)
        self.images = RealImages(data, limit=max_real, batch_size=batch_size)
        self.space = feature_space(
            features,
            resolution=data.resolution,
            image_channels=data.image_channels,
            labelled=self.images.labelled,
            resize_filter=resize_filter,
            seed=seed,
        )
        if "recognised" in self.metrics and self.space.head is None:
            raise ValueError(f"metrics: recognised needs the features of a classifier, got {self.space.name}")
        self._summary: tuple[str, Tensor] | None = None
        self._real: Tensor | None = None

    @torch.no_grad()
    def __call__(self, generator: Generator) -> QualityReport:
        """The report of a generator, measured where its parameters are."""
        device = next(generator.parameters()).device
        self._check_images(generator)
        with _evaluating(generator), _seeded(self.seed, device):
            real = self._prepare(device)
            z, labels = self._latents(generator, device)
            fake = self._generated(generator, z, labels)
            found = self._compare(real, fake)
            if "recognised" in self.metrics:
                found |= self._recognition(fake, labels, generator.num_labels)
            if "path_length" in self.metrics:
                found |= self._path_length(generator, z, labels)
        return QualityReport(**self._settings(), **found)

    def _prepare(self, device: torch.device) -> Tensor:
        self.space.to(device)
        if self._real is None:
            content, _ = self.summary()
            self._real = real_features(self.images, content, self.space, device=device, cache=self.cache)
        return self._real.to(device)

    def summary(self) -> tuple[str, Tensor]:
        """See :meth:`RealImages.summary`."""
        if self._summary is None:
            self._summary = self.images.summary()
        return self._summary

    def _latents(self, generator: Generator, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """Latents and labels of all samples: labels as often as in the data, or all alike if those have others."""
        source = torch.Generator().manual_seed(self.seed)
        z = torch.randn(self.samples, generator.latent_dim, generator=source).to(device)
        if not generator.num_labels:
            return z, None
        counts = self.summary()[1] if self.data.num_labels == generator.num_labels else torch.ones(generator.num_labels)
        return z, torch.multinomial(counts, self.samples, replacement=True, generator=source).to(device)

    def _generated(self, generator: Generator, z: Tensor, labels: Tensor | None) -> Tensor:
        """Features of the images, with random noise."""
        asked = [None] * len(z) if labels is None else labels.split(self.batch_size)
        batches = zip(z.split(self.batch_size), asked, strict=False)
        return torch.cat([self.space(generator(p, q, truncation_psi=self.truncation_psi)) for p, q in batches])

    def _compare(self, real: Tensor, fake: Tensor) -> dict[str, Any]:
        if not fake.isfinite().all():
            raise ValueError("evaluate: the generator's images must be finite, got values that are not")
        found: dict[str, Any] = {}
        if "fid" in self.metrics:
            found["fid"] = frechet_distance(real, fake)
        if "kid" in self.metrics:
            found["kid"], found["kid_deviation"] = kernel_distance(real, fake, seed=self.seed)
            found["kid_subset_size"] = kid_subset_size(len(real), len(fake))
        if "precision_recall" in self.metrics:
            found["precision"], found["recall"] = precision_recall(real, fake)
        return found

    def _recognition(self, fake: Tensor, labels: Tensor | None, num_labels: int) -> dict[str, Any]:
        assert self.space.head is not None  # checked by the constructor
        logits = self.space.head(fake)
        found = recognition(logits, labels if logits.shape[1] == num_labels else None)
        return {**vars(found), "classifier_accuracy": self.space.accuracy}

    def _path_length(self, generator: Generator, z: Tensor, labels: Tensor | None) -> dict[str, Any]:
        source = torch.Generator().manual_seed(self.seed + 1)
        other_ends = torch.randn(z.shape, generator=source).to(z)
        length = path_length(
            generator,
            self.space,
            (z, other_ends),
            labels,
            similarity=self.similarity,
            truncation_psi=self.truncation_psi,
            batch_size=self.batch_size,
        )
        name = self.similarity if isinstance(self.similarity, str) else type(self.similarity).__name__
        return {"path_length": length, "similarity": name}

    def _settings(self) -> dict[str, Any]:
        return {
            "features": self.space.name,
            "resize_filter": self.space.resize_filter,
            "data_filter": getattr(self.data.dataset, "resize_filter", "unknown"),
            "samples": self.samples,
            "real_images": len(self.images),
            "truncation_psi": self.truncation_psi,
            "noise": "random",
            "seed": self.seed,
        }

    def _check_images(self, generator: Generator) -> None:
        for name in ("resolution", "image_channels"):
            ours, theirs = getattr(generator, name), getattr(self.data, name)
            if ours != theirs:
                raise ValueError(f"evaluate: generator and data must have the same {name}, got {ours} and {theirs}")


def evaluate(
    generator: Generator | str | os.PathLike[str],
    data: ImageDataModule,
    *,
    features: str | nn.Module | FeatureSpace = "inception",
    metrics: Sequence[str] = DEFAULT,
    samples: int = 10_000,
    max_real: int = 50_000,
    truncation_psi: float = 1.0,
    resize_filter: str = "tensorflow",
    similarity: str | nn.Module = "features",
    batch_size: int = 64,
    seed: int = 0,
    cache: str | os.PathLike[str] | None = "auto",
    device: torch.device | str = "cpu",
) -> QualityReport:
    """Compare a generator's images with real ones; the same numbers for the same seed, random states left alone.

    Args:
        generator: a network, which stays where it is, or what :func:`load_generator` takes.
        data: real images of the generator's size and channels.
        features: where they are compared, see :func:`feature_space`.
        metrics: of ``fid``, ``kid``, ``precision_recall``, ``path_length`` and, with a classifier's features,
            ``recognised``.
        samples: generated images.
        max_real: real images at most.
        truncation_psi: of the styles.
        resize_filter: of Inception, see :func:`feature_space`.
        similarity: of the path length, see :func:`path_length`.
        batch_size: images at a time.
        seed: of latents, labels, noise, subsets and classifier.
        cache: folder for the features of the real images, ``"auto"`` for :func:`cache_folder`, None for none.
        device: for a generator that is read from a file.

    Raises:
        ValueError: settings, data and generator that do not fit together, or images that are not finite.
    """
    network = generator if isinstance(generator, Generator) else load_generator(generator, device=device)
    meter = QualityMeter(
        data,
        features=features,
        metrics=metrics,
        samples=samples,
        max_real=max_real,
        truncation_psi=truncation_psi,
        resize_filter=resize_filter,
        similarity=similarity,
        batch_size=batch_size,
        seed=seed,
        cache=cache,
    )
    return meter(network)


def _check(metrics: Sequence[str], samples: int, max_real: int, batch_size: int, similarity: str | nn.Module) -> None:
    unknown = [name for name in metrics if name not in METRICS]
    if isinstance(metrics, str) or unknown or not metrics:
        raise ValueError(f"metrics must be some of {', '.join(METRICS)}, got {metrics!r}")
    for name, value, least in (("samples", samples, 4), ("max_real", max_real, 4), ("batch_size", batch_size, 1)):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be an int of at least {least}, got {value!r}")
    if isinstance(similarity, str) and similarity not in SIMILARITIES:
        raise ValueError(f"similarity must be one of {', '.join(SIMILARITIES)} or an nn.Module, got {similarity!r}")


@contextmanager
def _evaluating(generator: Generator) -> Iterator[None]:
    training = [module for module in generator.modules() if module.training]
    generator.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers of the CPU and of `device` start at `seed`, and afterwards go on where they were."""
    with randomness_kept(device):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
