"""The Lightning data module of any map-style data set of images."""

import os
from collections.abc import Sequence, Sized
from typing import Any, cast

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .._checks import check_choice, check_ints
from ..models.class_names import checked_class_names
from .order import ImageOrder, SeededImages

ON_ERROR = ("raise", "skip")


class ImageDataModule(LightningDataModule):
    """Shuffled, whole batches of ``(images, labels)`` from a data set.

    An epoch is the data set once in random order, and then as many images drawn again as complete its last
    batch: no batch is partial, not even of a data set smaller than a batch. Each process reads its own share.

    Args:
        dataset: map-style data set of pairs ``(image, label)``; image: float32 ``(C, H, W)`` in [-1, 1], all
            of one size; label: int in ``[0, num_labels)``, or 0 if ``num_labels`` is 0.
        batch_size: images per batch and process.
        num_workers: processes that load images; 0 loads them in the training process, None takes all cores but one,
            shared by the processes of this machine.
        num_labels: number of classes; 0 for unconditional training.
        class_names: names of the classes in the order of their numbers, if known; stored with the generator.
        balance_classes: draw each class equally often; the data set must have a method ``labels()`` that returns the
            class of each image, ``(N,)`` int64.
        on_error: ``"raise"`` an error that names the first image that cannot be read, or ``"skip"`` it: another draw
            stands in, the same one after a resume.
        remarks: printed in the first line of a run after the numbers of images and classes.

    Attributes:
        image_channels: channels of the first image.
        resolution: ``(height, width)`` of the first image.
        unreadable: bool ``(N,)``, the images that could not be read so far; None for ``on_error="raise"``.
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
        num_workers: int | None = 0,
        num_labels: int = 0,
        class_names: Sequence[str] = (),
        balance_classes: bool = False,
        on_error: str = "raise",
        remarks: Sequence[str] = (),
    ) -> None:
        super().__init__()
        check_loader("ImageDataModule", batch_size, num_workers)
        check_ints("ImageDataModule", 0, num_labels=num_labels)
        check_choice("ImageDataModule", "on_error", on_error, ON_ERROR)
        self.class_names = checked_class_names(class_names, num_labels, "ImageDataModule")
        self.remarks = tuple(remarks)
        self.dataset = dataset
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.num_labels = num_labels
        self.balance_classes = balance_classes
        count = len(cast(Sized, dataset))
        self.unreadable = torch.zeros(count, dtype=torch.bool).share_memory_() if on_error == "skip" else None
        self.seed = torch.initial_seed() % 2**63
        self.image_channels, *size = self._first_image().shape
        self.resolution: tuple[int, int] = (size[0], size[1])

    def setup(self, stage: str) -> None:
        """Use the seed of rank 0 on all ranks."""
        if self.trainer is not None:
            self.seed = self.trainer.strategy.broadcast(self.seed)

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader of images ``(batch_size, C, H, W)`` and int64 labels ``(batch_size,)``."""
        workers = self.count_workers()
        return DataLoader(
            SeededImages(self.dataset, self.seed, self.unreadable),
            batch_size=self.batch_size,
            sampler=ImageOrder(
                len(cast(Sized, self.dataset)),
                self.batch_size,
                seed=self.seed,
                images_seen=self._images_seen,
                classes=cast(Any, self.dataset).labels() if self.balance_classes else None,
            ),
            generator=torch.Generator().manual_seed(self.seed),  # leaves the global one to training
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def count_workers(self) -> int:
        """The number of processes that load images for this one."""
        if self.num_workers is not None:
            return self.num_workers
        processes = 1 if self.trainer is None else self.trainer.num_devices
        return max(count_cores() // processes - 1, 0)

    def state_dict(self) -> dict[str, Any]:
        """The seed of the order; the place in it is the model's ``images_seen``."""
        return {"seed": self.seed}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seed = state_dict["seed"]

    def _images_seen(self) -> int | None:
        return None if self.trainer is None else getattr(self.trainer.lightning_module, "images_seen", None)

    def _first_image(self) -> Tensor:
        """Check the first image and its label, and return the image."""
        if len(cast(Sized, self.dataset)) == 0:
            raise ValueError("ImageDataModule: dataset must hold at least 1 image, got an empty one")
        image, label = SeededImages(self.dataset, self.seed, self.unreadable)[0, 0]
        if not isinstance(image, Tensor) or image.dtype != torch.float32 or image.ndim != 3:
            came = f"{image.dtype} {tuple(image.shape)}" if isinstance(image, Tensor) else type(image).__name__
            raise ValueError(f"ImageDataModule: dataset images must be torch.float32 tensors (C, H, W), got {came}")
        if not -1.0 <= image.min() <= image.max() <= 1.0:
            low, high = image.min().item(), image.max().item()
            raise ValueError(f"ImageDataModule: dataset images must be in [-1, 1], got values in [{low:g}, {high:g}]")
        if self.num_labels and not 0 <= int(label) < self.num_labels:
            raise ValueError(
                f"ImageDataModule: labels must be in [0, {self.num_labels}), the number of labels, got {label}"
            )
        return image


def check_loader(caller: str, batch_size: int, num_workers: int | None) -> None:
    """Check the arguments of the loader; functions that build a module call it before they read the data."""
    check_ints(caller, batch_size=batch_size)
    if num_workers is not None:
        check_ints(caller, 0, num_workers=num_workers)


def count_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
