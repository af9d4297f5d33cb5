"""ImageDataModule: how batches are drawn, what loaders are given, what samples are refused."""

import itertools
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import TensorDataset

from stylelayers.data import ImageDataModule, digits, image_folder
from tests.data.pictures import numbered


def drawn(module: ImageDataModule) -> list[list[int]]:
    """The indices of each batch of an epoch over ``numbered``."""
    return [(images[:, 0, 0, 0] * 1000).round().int().tolist() for images, _ in module.train_dataloader()]


@pytest.mark.parametrize(("count", "batch_size", "batches"), [(10, 4, 3), (8, 4, 2), (3, 8, 1), (1, 5, 1)])
def test_epochs_are_whole_batches_of_all_images(count: int, batch_size: int, batches: int) -> None:
    module = ImageDataModule(numbered(count), batch_size=batch_size)
    epoch = drawn(module)
    assert [len(batch) for batch in epoch] == [batch_size] * batches
    assert len(module.train_dataloader()) == batches
    indices = list(itertools.chain(*epoch))
    assert sorted(indices[:count]) == list(range(count))
    repeats = torch.bincount(torch.tensor(indices))
    assert repeats.max() - repeats.min() <= 1


def test_every_epoch_has_its_own_order() -> None:
    torch.manual_seed(0)
    loader = ImageDataModule(numbered(50), batch_size=50).train_dataloader()
    first, second = ([images.flatten(1)[:, 0] for images, _ in loader] for _ in range(2))
    assert not torch.equal(first[0], first[0].sort().values)
    assert not torch.equal(first[0], second[0])
    assert torch.equal(first[0].sort().values, second[0].sort().values)


@pytest.mark.parametrize(("count", "batches"), [(10, 2), (3, 1)])
def test_processes_share_an_epoch_in_whole_batches(monkeypatch: pytest.MonkeyPatch, count: int, batches: int) -> None:
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    indices = []
    for rank in range(2):
        monkeypatch.setattr("torch.distributed.get_rank", lambda rank=rank: rank)
        epoch = drawn(ImageDataModule(numbered(count), batch_size=4))
        assert [len(batch) for batch in epoch] == [4] * batches
        indices += list(itertools.chain(*epoch))
    repeats = torch.bincount(torch.tensor(indices), minlength=count)
    assert math.floor(8 * batches / count) <= repeats.min() <= repeats.max() <= math.ceil(8 * batches / count)


def test_loader_options() -> None:
    module = ImageDataModule(numbered(4), batch_size=2, num_workers=2, num_labels=4)
    loader = module.train_dataloader()
    assert (loader.num_workers, loader.persistent_workers) == (2, True)
    assert loader.pin_memory == torch.cuda.is_available()
    assert not ImageDataModule(numbered(4), batch_size=2).train_dataloader().persistent_workers
    assert (module.image_channels, module.resolution, module.num_labels) == (1, (2, 2), 4)


def test_data_sets_can_be_sent_to_workers(mixed: Path) -> None:
    for module in (digits(), image_folder(mixed, labels=True)):
        copy = pickle.loads(pickle.dumps(module.dataset))
        assert torch.equal(copy[3][0], module.dataset[3][0])
        assert copy[3][1] == module.dataset[3][1]


@pytest.mark.parametrize(
    ("images", "label", "match"),
    [
        (torch.zeros(0, 1, 2, 2), 0, "at least 1 image, got an empty one"),
        (
            torch.zeros(1, 1, 2, 2, dtype=torch.uint8),
            0,
            r"float32 tensors \(C, H, W\), got torch.uint8 \(1, 2, 2\)",
        ),
        (torch.zeros(1, 2, 2), 0, r"float32 tensors \(C, H, W\), got torch.float32 \(2, 2\)"),
        (torch.full((1, 1, 2, 2), 255.0), 0, r"in \[-1, 1\], got values in \[255, 255\]"),
        (torch.full((1, 1, 2, 2), math.nan), 0, r"in \[-1, 1\], got values in \[nan, nan\]"),
        (torch.zeros(1, 1, 2, 2), 3, r"labels must be in \[0, 3\).*got 3"),
        (torch.zeros(1, 1, 2, 2), -1, r"labels must be in \[0, 3\).*got -1"),
    ],
)
def test_data_sets_are_checked(images: torch.Tensor, label: int, match: str) -> None:
    dataset = TensorDataset(images, torch.full((len(images),), label))
    with pytest.raises(ValueError, match=match):
        ImageDataModule(dataset, num_labels=3)


def labelled(label: Any) -> Any:
    return [(torch.zeros(1, 4, 4), label)] * 3


def test_label_vectors_are_read_in_batches() -> None:
    labels = torch.rand(5, 2)
    pairs = TensorDataset(torch.zeros(5, 1, 4, 4), labels)
    module = ImageDataModule(pairs, batch_size=5, num_labels=2, label_kind="vectors", class_names=("a", "b"))
    ((_, batch),) = list(module.train_dataloader())
    assert (batch.dtype, batch.shape) == (torch.float32, (5, 2))
    assert torch.equal(batch[batch[:, 0].argsort()], labels[labels[:, 0].argsort()])


@pytest.mark.parametrize(("count", "kind"), [(0, "none"), (2, "classes")])
def test_labels_are_classes_unless_told(count: int, kind: str) -> None:
    assert ImageDataModule(labelled(0), num_labels=count).label_kind == kind


@pytest.mark.parametrize(("label", "options", "message"), [
    (0, {}, r"labels must be finite torch\.float32 vectors \(2,\) for label_kind='vectors', got int$"),
    ([0.0, 1.0], {}, "got list$"),
    (torch.zeros(3), {}, r"got torch\.float32 \(3,\)$"),
    (torch.zeros(2, dtype=torch.float64), {}, r"got torch\.float64 \(2,\)$"),
    (torch.zeros(1, 2), {}, r"got torch\.float32 \(1, 2\)$"),
    (torch.tensor([0, torch.nan]), {}, r"got \[0\.0, nan\]$"),
    (torch.zeros(2), {"label_kind": None}, r"class numbers unless .* 'vectors', got torch\.float32 \(2,\)$"),
    (torch.zeros(2), {"num_labels": 0}, "label_kind must be none for num_labels=0, got 'vectors'$"),
    (torch.zeros(2), {"label_kind": "rows"}, "label_kind must be classes or vectors for num_labels=2, got 'rows'$"),
    (torch.zeros(2), {"class_names": ["a"]}, "class_names must be one for each of 2 classes, got 1$"),
])  # fmt: skip
def test_label_vectors_are_checked(label: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^ImageDataModule: .*{message}|^ImageDataModule: {message}"):
        ImageDataModule(labelled(label), **{"num_labels": 2, "label_kind": "vectors", **options})
