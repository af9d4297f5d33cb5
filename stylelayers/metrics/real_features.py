"""Real images in a fixed order, and their features, cached on disk under a hash of the images."""

import hashlib
import warnings
from collections.abc import Iterator
from functools import cached_property
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

_VERSION = "1"  # of the cache files


class RealImages:
    """Batches of the images and labels of a data module in order, the same in every iteration.

    Random transforms of an image are seeded by its index.

    Args:
        data: the images.
        limit: largest number of images; of more, evenly spaced ones are used, and the first ones of a stream.
        batch_size: images per batch.

    Attributes:
        choice: how those of a stream were chosen, for reports.
    """

    def __init__(self, data: ImageDataModule, *, limit: int, batch_size: int) -> None:
        self.data, self.batch_size = data, batch_size
        total = len(cast(Any, data.dataset))
        first = getattr(data.dataset, "stream", None) is not None and limit < total
        last = limit - 1 if first else total - 1
        spaced = torch.linspace(0, last, min(limit, total), dtype=torch.float64).round().long()
        self.indices: list[int] = spaced.tolist()
        self.choice = f", first {limit:,} images of a stream" if first else ""

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        loader = DataLoader(
            SeededImages(self.data.dataset, seed=0, unreadable=self.data.unreadable),
            batch_size=self.batch_size,
            sampler=cast(Any, [(index, index) for index in self.indices]),
            generator=torch.Generator(),  # so that the global one is not used
            num_workers=self.data.count_workers(),
        )
        yield from loader

    def labelled(self) -> tuple[Tensor, Tensor, int]:
        """All images, their labels and the number of classes.

        Raises:
            ValueError: data without labels.
        """
        if self.data.label_kind != "classes":
            found = "vectors" if self.data.num_labels else "none"
            raise ValueError(
                f"QualityMeter: features=classifier needs data with labels that are classes, got {found}; choose other "
                f"features"
            )
        images, labels = zip(*self, strict=True)
        return torch.cat(images), torch.cat(labels), self.data.num_labels

    @cached_property
    def summary(self) -> tuple[str, Tensor]:
        """Hash of the number, size and values of the images, and their labels, class numbers or vectors."""
        digest = hashlib.sha256(repr((len(self), self.data.image_channels, self.data.resolution)).encode())
        found = []
        for images, labels in self:
            digest.update(_bytes(images))
            found.append(labels)
        return digest.hexdigest(), torch.cat(found)


def real_features(
    images: RealImages, digest: str, space: FeatureSpace, *, device: torch.device, cache: Path | None
) -> Tensor:
    """Features ``(N, d)`` of all images, on `device`, from the cache if possible.

    Cached features are compared with computed ones of the first batch, as the code of the network may have changed.

    Args:
        images: the images.
        digest: their hash, see :attr:`RealImages.summary`.
        space: the feature network.
        device: of the network.
        cache: folder of the files; None for no cache.
    """
    path = None if cache is None else cache / f"{_cache_key(digest, space)}.safetensors"
    batches = (space(batch.to(device)) for batch, _ in images)
    first = next(batches)
    cached = _read_cached(path, len(images), first.cpu())
    if cached is not None:
        return cached.to(device)
    features = torch.cat([first, *batches])
    if path is not None:
        _write_cached(path, features.cpu(), space)
    return features


def _cache_key(digest: str, space: FeatureSpace) -> str:
    """Hash of the images, the resize filter, and the layers and state of the network."""
    key = hashlib.sha256("\n".join([_VERSION, digest, space.resize_filter, repr(space.network)]).encode())
    for name, tensor in space.network.state_dict().items():
        key.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        key.update(_bytes(tensor.cpu()))
    return key.hexdigest()


def _bytes(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().view(-1).view(torch.uint8).numpy().data


def _read_cached(path: Path | None, count: int, first: Tensor) -> Tensor | None:
    """The features in a file; None if there is no intact file, or its features differ from the computed `first`."""
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


def _write_cached(path: Path, features: Tensor, space: FeatureSpace) -> None:
    metadata = {"features": space.name, "resize_filter": space.resize_filter}
    try:
        save_tensors({"features": features}, path, metadata=metadata)
    except OSError as error:
        warnings.warn(f"features of real images were not kept: {error}", stacklevel=3)
