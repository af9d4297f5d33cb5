"""The quality of a generator against data, in one call."""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import nn

from ..checkpoints import load_generator
from ..data import ImageDataModule
from ..models import Generator
from .feature_space import FeatureSpace
from .meter import QualityMeter
from .report import QualityReport

__all__ = ["evaluate"]


def evaluate(
    generator: Generator | str | os.PathLike[str],
    data: ImageDataModule,
    *,
    features: str | nn.Module | FeatureSpace = "auto",
    metrics: Sequence[str] | None = None,
    samples: int | None = None,
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
        features: where they are compared, see :func:`feature_space`; ``"auto"`` is ``"digits"`` for scikit-learn's
            digits, for other data ``"inception"`` or, where that cannot be had, ``"random"`` with a warning.
        metrics: of ``fid``, ``kid``, ``precision_recall``, ``path_length`` and, with a classifier's features,
            ``recognised``; None for all but ``path_length``.
        samples: generated images; None for as many as there are real ones, at most 10,000.
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
