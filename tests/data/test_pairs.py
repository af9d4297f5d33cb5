"""dataset_images: any data set of pairs; pictures and targets of every kind, and what others are told."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from stylelayers.data import dataset_images
from tests.data.pictures import pairs

GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)
RGB = np.stack([GREY, GREY + 64, GREY + 128], axis=-1)
PICTURES: dict[str, Any] = {
    "Pillow": Image.fromarray(RGB),
    "array": RGB,
    "tensor": torch.from_numpy(RGB).movedim(-1, 0),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures_of_every_kind_are_the_same_images(kind: str) -> None:
    module = dataset_images([(PICTURES[kind], 0)], resolution=8)
    expected = torch.from_numpy(RGB).movedim(-1, 0) / 127.5 - 1
    torch.testing.assert_close(module.dataset[0][0], expected)
    grey = dataset_images([(torch.from_numpy(GREY)[None], 0)], resolution=8, image_channels="auto")
    assert grey.image_channels == 1
    torch.testing.assert_close(grey.dataset[0][0][0], torch.from_numpy(GREY) / 127.5 - 1)


@pytest.mark.parametrize("targets", [(2, 0), (torch.tensor(2), torch.tensor(0)), (np.int64(2), np.int64(0))])
def test_targets_are_classes(targets: tuple[Any, Any]) -> None:
    module = dataset_images([(RGB, target) for target in targets], resolution=8, labels="classes")
    assert (module.num_labels, module.label_kind, [label for _, label in pairs(module)]) == (3, "classes", [2, 0])
    names = ["a", "b", "c", "d"]
    named = dataset_images([(RGB, target) for target in targets], class_names=names, labels="classes")
    assert (named.num_labels, named.class_names) == (4, tuple(names))


def test_known_targets_are_taken_without_the_pictures() -> None:
    class Known(list[Any]):
        targets = (1, 1, 0)

    module = dataset_images(
        Known([(RGB, None)] * 3), labels="classes", balance_classes=True, batch_size=2, num_workers=0
    )
    assert [label for _, label in pairs(module)] == [1, 1, 0]
    labels = torch.cat([labels for _, labels in module.train_dataloader()])
    assert labels.bincount().tolist() == [2, 2]


@pytest.mark.parametrize("target", [[0.5, 2.0], (0.5, 2), np.array([0.5, 2]), torch.tensor([0.5, 2.0]).double()])
def test_targets_are_vectors(target: Any) -> None:
    module = dataset_images([(RGB, target)], resolution=8, labels="vectors", class_names=["age", "smile"])
    assert (module.num_labels, module.label_kind, module.class_names) == (2, "vectors", ("age", "smile"))
    label: Any = module.dataset[0][1]
    assert (label.dtype, label.tolist()) == (torch.float32, [0.5, 2.0])


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (None, {}, r"dataset must be a map-style data set, .*, got nothing$"),
        (iter([]), {}, r"dataset must be a map-style data set, .*, got list_iterator$"),
        ([], {}, "dataset must hold at least 1 image, got an empty one"),
        ([RGB], {}, r"dataset must be of pairs \(image, target\), got an item of ndarray"),
        ([(RGB, 0, 1)], {}, r"pairs \(image, target\), got an item of 3 values"),
        ([(RGB, 0), (RGB, -1)], {"labels": "classes"}, "class numbers from 0 on, got -1 for image 1"),
        ([(RGB, True)], {"labels": "classes"}, "class numbers from 0 on, got True for image 0"),
        ([(RGB, 3)], {"labels": "vectors"}, "rows of finite numbers, got 3"),
        ([(RGB, [float("nan")])], {"labels": "vectors"}, "rows of finite numbers, got"),
        (
            [(RGB, 1)],
            {"labels": "classes", "class_names": ["a"]},
            "must be one for each of 2 classes, got 1",
        ),
    ],
)
def test_other_data_sets_are_refused(data: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"^dataset_images: .*{message}"):
        dataset_images(data, **options)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (torch.rand(3, 8, 8), r"tensors must be torch.uint8 .*, got torch.float32 \(3, 8, 8\); .* ImageDataModule"),
        (torch.zeros(8, 8, dtype=torch.uint8), r"tensors must be torch.uint8 .*, got torch.uint8 \(8, 8\)"),
        (np.zeros((8, 8, 3)), r"arrays must be of grey .*, got float64 \(8, 8, 3\)"),
    ],
)
def test_pixels_of_another_kind_are_named(picture: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^image 0 cannot be read: {message}"):
        dataset_images([(picture, 0)])
