"""The Lightning data module of any map-style data set of images."""

from collections.abc import Sequence, Sized
from typing import Any, cast

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .._checks import check_ints
from ..models.class_names import checked_class_names, checked_label_kind
from .order import ImageOrder, SeededImages


class ImageDataModule(LightningDataModule):
    """Shuffled, whole batches of ``(images, labels)`` from a data set.

    An epoch is the data set once in random order, and then as many images drawn again as complete its last
    batch: no batch is partial, not even of a data set smaller than a batch. Each process reads its own share.

    Args:
        dataset: map-style data set of pairs ``(image, label)``; image: float32 ``(C, H, W)`` in [-1, 1], all
            of one size; label: int in ``[0, num_labels)``, a finite float32 vector ``(num_labels,)`` if `label_kind`
            is ``"vectors"``, or 0 if ``num_labels`` is 0.
        batch_size: images per batch and process.
        num_workers: processes that load images; 0 loads them in the training process.
        num_labels: number of classes, or of numbers in a label vector; 0 for unconditional training.
        class_names: names of the classes, or of the numbers in a vector, in their order, if known; stored with the
            generator.
        label_kind: ``"none"``, ``"classes"`` or ``"vectors"``: several labels at once, or continuous conditions, best
            of a size of about 1. None is ``"classes"`` if there are labels.
        remarks: printed in the first line of a run after the numbers of images and classes.

    Attributes:
        image_channels: channels of the first image.
        resolution: ``(height, width)`` of the first image.
        seed: of the order and of the data set's random numbers: torch's seed when the module was built, or that of
            the checkpoint. A model with an attribute `images_seen` resumes the order where it stopped.

    Raises:
        ValueError: an argument is out of range, the data set is empty or its first pair is not as above.

    Example:
        >>> pairs = torch.utils.data.TensorDataset(torch.zeros(5, 3, 16, 16), torch.zeros(5).long())
        >>> data = ImageDataModule(pairs, batch_size=4)
        >>> [tuple(batch.shape) for batch, labels in data.train_dataloader()]
        [(4, 3, 16, 16), (4, 3, 16, 16)]
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        batch_size: int = 32,
        num_workers: int = 0,
        num_labels: int = 0,
        class_names: Sequence[str] = (),
        label_kind: str | None = None,
        remarks: Sequence[str] = (),
    ) -> None:
        super().__init__()
        check_loader("ImageDataModule", batch_size, num_workers)
        check_ints("ImageDataModule", 0, num_labels=num_labels)
        self.class_names = checked_class_names(class_names, num_labels, "ImageDataModule")
        self.label_kind = checked_label_kind(label_kind, num_labels, "ImageDataModule")
        self.remarks = tuple(remarks)
        self.dataset = dataset
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.num_labels = num_labels
        self.seed = torch.initial_seed() % 2**63
        self.image_channels, *size = _first_image(dataset, num_labels, self.label_kind).shape
        self.resolution: tuple[int, int] = (size[0], size[1])

    def setup(self, stage: str) -> None:
        """Use the seed of rank 0 on all ranks."""
        if self.trainer is not None:
            self.seed = self.trainer.strategy.broadcast(self.seed)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader of images ``(batch_size, C, H, W)`` and int64 labels ``(batch_size,)`` or float32 vectors."""
        return DataLoader(
            SeededImages(self.dataset, self.seed),
            batch_size=self.batch_size,
            sampler=ImageOrder(
                len(cast(Sized, self.dataset)), self.batch_size, seed=self.seed, images_seen=self._images_seen
            ),
            generator=torch.Generator().manual_seed(self.seed),  # leaves the global one to training
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def draw_label_vectors(self, count: int, seed: int) -> Tensor:
        """The label vectors ``(count, num_labels)`` of images drawn by `seed`, such as for pictures of the training."""
        source = torch.Generator().manual_seed(seed)
        drawn = torch.randint(len(cast(Sized, self.dataset)), (count,), generator=source).tolist()
        images = SeededImages(self.dataset, seed=0)  # leaves the global random states alone
        return torch.stack([label for _, label in images.__getitems__([(index, index) for index in drawn])])

    def state_dict(self) -> dict[str, Any]:
        """The seed of the order; the place in it is the model's ``images_seen``."""
        return {"seed": self.seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seed = state_dict["seed"]

    def _images_seen(self) -> int | None:
        return None if self.trainer is None else getattr(self.trainer.lightning_module, "images_seen", None)


def check_loader(caller: str, batch_size: int, num_workers: int) -> None:
    """Check the arguments of the loader; functions that build a module call it before they read the data."""
    check_ints(caller, batch_size=batch_size)
    check_ints(caller, 0, num_workers=num_workers)


def _first_image(dataset: Dataset[Any], num_labels: int, label_kind: str) -> Tensor:
    """Check the first image and its label, and return the image."""
    if len(cast(Sized, dataset)) == 0:
        raise ValueError("ImageDataModule: dataset must hold at least 1 image, got an empty one")
    image, label = dataset[0]
    if not isinstance(image, Tensor) or image.dtype != torch.float32 or image.ndim != 3:
        came = f"{image.dtype} {tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
        raise ValueError(f"ImageDataModule: dataset images must be torch.float32 tensors (C, H, W), got {came}")
    if not -1.0 <= image.min() <= image.max() <= 1.0:
        low, high = image.min().item(), image.max().item()
        raise ValueError(f"ImageDataModule: dataset images must be in [-1, 1], got values in [{low:g}, {high:g}]")
    if label_kind == "vectors":
        _check_vector(label, num_labels)
    elif num_labels:
        _check_class(label, num_labels)
    return image


def _check_class(label: Any, num_labels: int) -> None:
    if isinstance(label, Tensor) and label.numel() != 1:
        raise ValueError(
            f"ImageDataModule: labels must be class numbers unless label_kind is 'vectors', got {label.dtype} "
            f"{tuple(label.shape)}"
        )
    if not 0 <= int(label) < num_labels:
        raise ValueError(f"ImageDataModule: labels must be in [0, {num_labels}), the number of labels, got {label}")


def _check_vector(label: Any, num_labels: int) -> None:
    came = type(label).__name__
    if isinstance(label, Tensor):
        came = f"{label.dtype} {tuple(label.shape)}"
        if label.dtype == torch.float32 and label.shape == (num_labels,):
            if label.isfinite().all():
                return
            came = str(label.tolist())
    raise ValueError(
        f"ImageDataModule: labels must be finite torch.float32 vectors ({num_labels},) for label_kind='vectors', got "
        f"{came}"
    )
