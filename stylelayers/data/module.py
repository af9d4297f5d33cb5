"""The Lightning data module of any map-style data set of images."""

import os
from collections.abc import Sequence, Sized
from typing import Any, cast

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from .._checks import check_choice, check_ints
from ..models.class_names import checked_class_names, checked_label_kind
from .order import ImageOrder, SeededImages
from .source import CLASSES
from .stream_order import Layout, StreamOrder

ON_ERROR = ("raise", "skip")


class ImageDataModule(LightningDataModule):
    """Shuffled, whole batches of ``(images, labels)`` from a data set.

    An epoch is the data set once in random order, and then as many images drawn again as complete its last
    batch: no batch is partial, not even of a data set smaller than a batch. Each process reads its own share.

    Args:
        dataset: map-style data set of pairs ``(image, label)``; image: float32 ``(C, H, W)`` in [-1, 1], all
            of one size; label: int in ``[0, num_labels)``, a finite float32 vector ``(num_labels,)`` if `label_kind`
            is ``"vectors"``, or 0 if ``num_labels`` is 0.
        batch_size: images per batch and process.
        num_workers: processes that load images; 0 loads them in the training process, None takes all cores but one,
            shared by the processes of this machine.
        num_labels: number of classes, or of numbers in a label vector; 0 for unconditional training.
        class_names: names of the classes, or of the numbers in a vector, in their order, if known; stored with the
            generator.
        label_kind: ``"none"``, ``"classes"`` or ``"vectors"``: several labels at once, or continuous conditions, best
            of a size of about 1. None is ``"classes"`` if there are labels.
        balance_classes: draw each class equally often; the data set must have a method ``labels()`` that returns the
            class of each image, ``(N,)`` int64.
        images_per_class: images of one class that a batch holds of each of its classes, for discriminators that compare
            the images of a class: each group of so many images of :class:`stylelayers.MinibatchStdDev` holds one
            class. It must divide `batch_size`; above 1 the data set must have a method ``labels()``, as above.
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
        >>> import torch
        >>> from stylelayers.data import ImageDataModule
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
        label_kind: str | None = None,
        balance_classes: bool = False,
        images_per_class: int = 1,
        on_error: str = "raise",
        remarks: Sequence[str] = (),
    ) -> None:
        super().__init__()
        check_loader("ImageDataModule", batch_size, num_workers)
        check_ints("ImageDataModule", 0, num_labels=num_labels)
        check_choice("ImageDataModule", "on_error", on_error, ON_ERROR)
        self.class_names = checked_class_names(class_names, num_labels, "ImageDataModule")
        self.label_kind = checked_label_kind(label_kind, num_labels, "ImageDataModule")
        check_groups("ImageDataModule", batch_size, images_per_class, self.label_kind)
        self.remarks = tuple(remarks)
        self.dataset = dataset
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.num_labels = num_labels
        self.balance_classes = balance_classes
        self.images_per_class = images_per_class
        count = len(cast(Sized, dataset))
        self.unreadable: Tensor | None = None
        if on_error == "skip":
            self.unreadable = torch.zeros(count, dtype=torch.bool).share_memory_()
        self.seed = torch.initial_seed() % 2**63
        self._order: ImageOrder | None = None
        self._resumed: Layout | None = None
        self._readers: int | None = None
        self.image_channels, *size = self._first_image().shape
        self.resolution: tuple[int, int] = (size[0], size[1])

    def setup(self, stage: str) -> None:
        """Use the seed of rank 0 on all ranks, and divide a stream for as many loading processes as it has."""
        if self.trainer is not None:
            self.seed, self._readers = self.trainer.strategy.broadcast((self.seed, self.count_workers()))

    def train_dataloader(self) -> DataLoader[Any]:
        """Return a loader of images ``(batch_size, C, H, W)`` and int64 labels ``(batch_size,)`` or float32 vectors."""
        workers = self.count_workers()
        self._order = self._make_order(workers if self._readers is None else self._readers)
        return DataLoader(
            SeededImages(self.dataset, self.seed, self.unreadable),
            batch_size=self.batch_size,
            sampler=self._order,
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

    def draw_label_vectors(self, count: int, seed: int) -> Tensor:
        """The label vectors ``(count, num_labels)`` of images drawn by `seed`, such as for pictures of the training.

        Of a stream they are those of its first images, whatever the seed.
        """
        source, total = torch.Generator().manual_seed(seed), len(cast(Sized, self.dataset))
        drawn = torch.randint(total, (count,), generator=source).tolist()
        if getattr(self.dataset, "stream", None) is not None:
            drawn = [number % total for number in range(count)]
        images = SeededImages(self.dataset, 0, self.unreadable)  # leaves the global random states alone
        return torch.stack([label for _, label in images.__getitems__([(index, index) for index in drawn])])

    def state_dict(self) -> dict[str, Any]:
        """The seed of the order, and how a stream is divided; the place in it is the model's ``images_seen``."""
        layout = self._order.current if isinstance(self._order, StreamOrder) else self._resumed
        return {"seed": self.seed, **({} if layout is None else {"layout": [*layout]})}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seed = state_dict["seed"]
        self._resumed = Layout(*state_dict["layout"]) if "layout" in state_dict else None

    def _make_order(self, workers: int) -> ImageOrder:
        seed, stream = self.seed, getattr(self.dataset, "stream", None)
        if stream is not None:
            return StreamOrder(
                stream,
                self.batch_size,
                seed=seed,
                images_seen=self._images_seen,
                workers=max(workers, 1),
                resumed=self._resumed,
            )
        by_class = self.balance_classes or self.images_per_class > 1
        return ImageOrder(
            len(cast(Sized, self.dataset)),
            self.batch_size,
            seed=seed,
            images_seen=self._images_seen,
            classes=cast(Any, self.dataset).labels() if by_class else None,
            balanced=self.balance_classes,
            images_per_class=self.images_per_class,
        )

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
        if self.label_kind == "vectors":
            _check_vector(label, self.num_labels)
        elif self.num_labels:
            _check_class(label, self.num_labels)
        return image


def check_loader(caller: str, batch_size: int, num_workers: int | None) -> None:
    """Check the arguments of the loader; functions that build a module call it before they read the data."""
    check_ints(caller, batch_size=batch_size)
    if num_workers is not None:
        check_ints(caller, 0, num_workers=num_workers)


def check_groups(caller: str, batch_size: int, images_per_class: int, labels: str) -> None:
    """Check that a batch consists of whole groups of images of one class."""
    check_ints(caller, images_per_class=images_per_class)
    if images_per_class > 1 and labels != CLASSES:
        raise ValueError(f"{caller}: images_per_class must go with labels={CLASSES!r}, got labels={labels!r}")
    if batch_size % images_per_class:
        raise ValueError(f"{caller}: images_per_class must divide batch_size={batch_size}, got {images_per_class}")


def count_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
