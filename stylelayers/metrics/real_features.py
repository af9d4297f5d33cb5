"""Real images read in order, their content hash, and their features kept on disk under it."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from torch.utils.data import DataLoader

from .._whole_files import save_tensors
from ..data import ImageDataModule
from ..data.order import SeededImages
from .feature_space import FeatureSpace

__all__ = ["RealImages", "cache_folder", "real_features"]

_VERSION = "1"  # of the cache's files


class RealImages:
    """The images of a data module in order, each with the random numbers of its place: the same at every reading.

    Args:
        data: the images.
        limit: of the images; evenly spaced ones are taken of more.
        batch_size: images at a time.
    """

    def __init__(self, data: ImageDataModule, *, limit: int, batch_size: int) -> None:
        self.data, self.batch_size = data, batch_size
        total = len(cast(Any, data.dataset))
        self.indices = torch.linspace(0, total - 1, min(limit, total), dtype=torch.float64).round().long().tolist()

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        loader = DataLoader(
            SeededImages(self.data.dataset, seed=0),
            batch_size=self.batch_size,
            sampler=cast(Any, [(index, index) for index in self.indices]),
            generator=torch.Generator(),  # leaves the global one alone
            num_workers=self.data.num_workers,
        )
        yield from loader

    def labelled(self) -> tuple[Tensor, Tensor, int]:
        """All images, labels and the number of classes.

        Raises:
            ValueError: the data have no labels.
        """
        if not self.data.num_labels:
            raise ValueError("features=classifier needs data with labels; set data.labels=true or other features")
        images, labels = zip(*self, strict=True)
        return torch.cat(images), torch.cat(labels), self.data.num_labels

    def summary(self) -> tuple[str, Tensor]:
        """A hash of size and values of all images, and the count ``(num_labels,)`` of each class."""
        digest = hashlib.sha256(repr((len(self), self.data.image_channels, self.data.resolution)).encode())
        counts = torch.zeros(self.data.num_labels, dtype=torch.float64)
        for images, labels in self:
            digest.update(_bytes(images))
            counts += torch.bincount(labels, minlength=len(counts))[: len(counts)]
        return digest.hexdigest(), counts


def real_features(
    images: RealImages, content: str, space: FeatureSpace, *, device: torch.device, cache: Path | None
) -> Tensor:
    """Features ``(N, d)`` of all images, on `device`; from the cache if they are there.

    What the cache holds is compared with the features of the first images, so that a network whose code has changed
    does not find those of its former self.

    Args:
        images: the images.
        content: their hash, see :meth:`RealImages.summary`.
        space: the feature network.
        device: of the network.
        cache: folder of the files; None for no cache.
    """
    path = None if cache is None else cache / f"{_key(content, space)}.safetensors"
    batches = (space(batch.to(device)) for batch, _ in images)
    first = next(batches)
    kept = _read(path, len(images), first.cpu())
    if kept is not None:
        return kept.to(device)
    features = torch.cat([first, *batches])
    _write(path, features.cpu(), space)
    return features


def cache_folder() -> Path:
    """Where features are kept unless told otherwise: ``$STYLELAYERS_CACHE``, or a folder of the user's cache."""
    if "STYLELAYERS_CACHE" in os.environ:
        return Path(os.environ["STYLELAYERS_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "stylelayers"


def _key(content: str, space: FeatureSpace) -> str:
    """Of the images, of the resize filter and of the network: its layers and its state."""
    digest = hashlib.sha256("\n".join([_VERSION, content, space.resize_filter, repr(space.network)]).encode())
    for name, tensor in space.network.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(_bytes(tensor.cpu()))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data


def _read(path: Path | None, count: int, first: Tensor) -> Tensor | None:
    """The features in the file; None without a whole file, or with features that are not those of the network."""
    if path is None or not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            features = cast(Tensor, file.get_tensor("features"))
    except (SafetensorError, OSError) as error:
        warnings.warn(f"features of real images are computed anew: {path} is damaged ({error})", stacklevel=3)
        return None
    same = (features.shape, features.dtype) == ((count, first.shape[1]), first.dtype) and torch.allclose(
        features[: len(first)], first, rtol=1e-2, atol=1e-3 * float(first.abs().mean())
    )
    return features if same else None


def _write(path: Path | None, features: Tensor, space: FeatureSpace) -> None:
    if path is None:
        return
    metadata = {"features": space.name, "resize_filter": space.resize_filter}
    try:
        save_tensors({"features": features}, path, metadata=metadata)
    except OSError as error:
        warnings.warn(f"features of real images were not kept: {error}", stacklevel=3)
