"""One meter of a data set: its real features once, then a report for each generator."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .._random_state import preserve_random_state
from ..data import ImageDataModule
from ..models import Generator
from ..models.class_names import difference
from .distances import NEIGHBOURS, frechet_distance, kernel_distance, kid_subset_size, precision_recall
from .feature_space import FeatureSpace, automatic_features, check_resize_filter, feature_space
from .path_length import SIMILARITIES, path_length
from .real_features import RealImages, cache_folder, real_features
from .recognition import recognition
from .report import QualityReport

__all__ = ["METRICS", "QualityMeter"]

MINIMUM = {"fid": 2, "kid": 2, "precision_recall": NEIGHBOURS + 1, "path_length": 3, "recognised": 1}  # images
METRICS = tuple(MINIMUM)
MAX_DEFAULT_SAMPLES = 10_000
DEFAULT = ("fid", "kid", "precision_recall")


@dataclass
class QualityMeter:
    """Measures generators against one data set, whose features it computes once; arguments as of :func:`evaluate`."""

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
        self._check()
        self._images = RealImages(self.data, limit=self.max_real, batch_size=self.batch_size)
        _check_count("data", len(self._images), self.metrics or DEFAULT)
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
        self._wanted = set(self.metrics or (DEFAULT if not classifies else (*DEFAULT, "recognised")))
        if "recognised" in self._wanted and not classifies:
            raise ValueError(f"metrics: recognised needs the features of a classifier, got {self._space.name}")
        self._samples = min(len(self._images), MAX_DEFAULT_SAMPLES) if self.samples is None else self.samples
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
            if "recognised" in self._wanted:
                found |= self._recognition(fake, labels, generator.num_labels)
            if "path_length" in self._wanted:
                found |= self._path_length(generator, z, labels)
        return QualityReport(**self._settings(), **found)

    def _prepare(self, device: torch.device) -> Tensor:
        """The features of the real images, which are read at the first call."""
        self._space.to(device)
        if self._real is None:
            folder = None if self.cache is None else cache_folder() if self.cache == "auto" else Path(self.cache)
            self._real = real_features(self._images, self._content()[0], self._space, device=device, cache=folder)
        return self._real.to(device)

    def _content(self) -> tuple[str, Tensor]:
        if self._summary is None:
            self._summary = self._images.summary()
        return self._summary

    def _latents(self, generator: Generator, device: torch.device) -> tuple[Tensor, Tensor | None]:
        """Latents and labels of all samples: labels as often as in the data, or all alike if those have others."""
        source = torch.Generator().manual_seed(self.seed)
        z = torch.randn(self._samples, generator.z_dim, generator=source).to(device)
        if not generator.num_labels:
            return z, None
        counts = (
            self._content()[1] if self.data.num_labels == generator.num_labels else torch.ones(generator.num_labels)
        )
        return z, torch.multinomial(counts, self._samples, replacement=True, generator=source).to(device)

    def _generated(self, generator: Generator, z: Tensor, labels: Tensor | None) -> Tensor:
        """Features of the images, with random noise."""
        asked = [None] * len(z) if labels is None else labels.split(self.batch_size)
        batches = zip(z.split(self.batch_size), asked, strict=False)
        return torch.cat([self._space(generator(p, q, truncation_psi=self.truncation_psi)) for p, q in batches])

    def _compare(self, real: Tensor, fake: Tensor) -> dict[str, Any]:
        if not fake.isfinite().all():
            raise ValueError("evaluate: the generator's images must be finite, got values that are not")
        found: dict[str, Any] = {}
        if "fid" in self._wanted:
            found["fid"] = frechet_distance(real, fake)
        if "kid" in self._wanted:
            found["kid"], found["kid_deviation"] = kernel_distance(real, fake, seed=self.seed)
            found["kid_subset_size"] = size = kid_subset_size(len(real), len(fake))
            if size == len(real) == len(fake):
                del found["kid_deviation"]  # of subsets that are all the same
        if "precision_recall" in self._wanted:
            found["precision"], found["recall"] = precision_recall(real, fake)
        return found

    def _recognition(self, fake: Tensor, labels: Tensor | None, num_labels: int) -> dict[str, Any]:
        assert self._space.head is not None  # checked by the constructor
        logits = self._space.head(fake)
        found = recognition(logits, labels if logits.shape[1] == num_labels else None)
        return {**vars(found), "classifier_accuracy": self._space.accuracy}

    def _path_length(self, generator: Generator, z: Tensor, labels: Tensor | None) -> dict[str, Any]:
        source = torch.Generator().manual_seed(self.seed + 1)
        other_ends = torch.randn(z.shape, generator=source).to(z)
        length = path_length(
            generator,
            self._space,
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
            "features": self._space.name,
            "resize_filter": self._space.resize_filter,
            "data_filter": getattr(self.data.dataset, "resize_filter", "unknown"),
            "samples": self._samples,
            "real_images": len(self._images),
            "truncation_psi": self.truncation_psi,
            "noise": "random",
            "seed": self.seed,
        }

    def _check(self) -> None:
        if self.metrics is not None and (
            not self.metrics or isinstance(self.metrics, str) or not set(self.metrics) <= set(METRICS)
        ):
            raise ValueError(f"metrics must be some of {', '.join(METRICS)}, or None, got {self.metrics!r}")
        for name, value in (("samples", self.samples), ("max_real", self.max_real)):
            if value is not None or name == "max_real":
                _check_count(name, value, self.metrics or DEFAULT)
        if not _is_int(self.batch_size) or self.batch_size < 1:
            raise ValueError(f"batch_size must be an int of at least 1, got {self.batch_size!r}")
        if not math.isfinite(self.truncation_psi):
            raise ValueError(f"truncation_psi must be a finite number, got {self.truncation_psi}")
        check_resize_filter(self.resize_filter)
        if isinstance(self.similarity, str) and self.similarity not in SIMILARITIES:
            known = ", ".join(SIMILARITIES)
            raise ValueError(f"similarity must be one of {known} or an nn.Module, got {self.similarity!r}")

    def _check_images(self, generator: Generator) -> None:
        for name in ("resolution", "image_channels"):
            ours, theirs = getattr(generator, name), getattr(self.data, name)
            if ours != theirs:
                raise ValueError(f"evaluate: generator and data must have the same {name}, got {ours} and {theirs}")
        classes, others = generator.class_names, self.data.class_names
        if len(classes) == len(others) and classes != others:
            raise ValueError(
                f"evaluate: the generator must have the data's classes, in their order, got one "
                f"{difference(classes, others)}; compare with data without labels"
            )


def _check_count(name: str, count: object, wanted: Iterable[str]) -> None:
    """Raise a ValueError unless there are as many images as the wanted numbers need."""
    least = max(MINIMUM[metric] for metric in wanted)
    if not _is_int(count) or count < least:  # type: ignore[operator]
        needs = ", ".join(f"{metric} {minimum}" for metric, minimum in MINIMUM.items())
        what = "data must hold" if name == "data" else f"{name} must be an int of"
        raise ValueError(
            f"{what} at least {least}{' images' if name == 'data' else ''}, got {count!r}; images needed: {needs}"
        )


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


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
    with preserve_random_state(device):
        torch.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield
