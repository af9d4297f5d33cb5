"""The handwritten digits that scikit-learn carries: training data without a download."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from .._checks import check_choice, check_ints, check_resolution
from .module import ImageDataModule, check_groups, check_loader
from .options import AUTO
from .source import CLASSES, NONE, Labels, Source, label_kind
from .transforms import ImageTransform


def digits(
    *,
    resolution: int | Sequence[int] = 32,
    image_channels: int = 1,
    labels: Labels = "classes",
    images_per_class: int = 1,
    batch_size: int = 32,
    num_workers: int = 0,
) -> ImageDataModule:
    """1,797 scans of handwritten digits, 8x8 pixels of 17 grey levels, resized once and kept in memory.

    Ink is +1 and the background -1. The scans keep their square shape: a rectangular image has background on
    either side. They are enlarged bicubically, since a Lanczos filter leaves a faint second outline around
    the strokes.

    Args:
        resolution: side in pixels, or ``(height, width)``.
        image_channels: 1 (grey) or 3 (the same value in red, green and blue).
        labels: ``"classes"``: the digit, 0 to 9, is the label; ``"none"``: training is unconditional.
        images_per_class: images of one class that a batch holds of each of its classes; see :class:`ImageDataModule`.
        batch_size: images per batch and process.
        num_workers: processes that load images; 0 loads them in the training process.

    Returns:
        A data module of pairs of float32 images ``(C, H, W)`` in [-1, 1] and labels.

    Raises:
        ValueError: an argument is out of range.
        ModuleNotFoundError: scikit-learn is not installed.

    Example:
        >>> from stylelayers.data import digits
        >>> data = digits(resolution=16, batch_size=64)  # doctest: +SKIP
    """
    from sklearn.datasets import load_digits

    check_ints("digits", image_channels=image_channels)
    check_choice("digits", "image_channels", image_channels, (1, 3))
    size = check_resolution("digits", resolution)
    kind = check_choice("digits", "labels", label_kind(labels), (NONE, CLASSES))
    check_loader("digits", batch_size, num_workers)
    check_groups("digits", batch_size, images_per_class, kind)
    scans = load_digits()
    transform = ImageTransform(size, 1, resize="fit", resize_filter="bicubic")
    greys = scans.images.astype(np.float32) * (255.0 / 16.0)  # (1797, 8, 8) in [0, 255]
    images = torch.stack([transform(grey) for grey in greys])  # (1797, 1, H, W)
    targets = torch.from_numpy(scans.target).long() * (kind == CLASSES)
    names = [str(digit) for digit in range(10)] if kind == CLASSES else []
    return ImageDataModule(
        _Digits(images.expand(-1, image_channels, -1, -1), targets),
        batch_size=batch_size,
        num_workers=num_workers,
        num_labels=len(names),
        class_names=names,
        images_per_class=images_per_class,
    )


def digit_source(labels: str = AUTO) -> Source:
    """The scans as they are, 8x8 bytes.

    Raises:
        ValueError: `labels` is neither ``"none"`` nor ``"classes"`` or ``"auto"``.
    """
    from sklearn.datasets import load_digits

    check_choice("digits", "labels", labels, (AUTO, NONE, CLASSES))
    scans = load_digits()
    pictures = (scans.images * (255.0 / 16.0)).round().astype(np.uint8)
    if labels == NONE:
        return Source(pictures=pictures, channels=1)
    names = [str(digit) for digit in range(10)]
    return Source(
        pictures=pictures,
        labels=torch.from_numpy(scans.target).long(),
        num_labels=len(names),
        class_names=names,
        channels=1,
    )


class _Digits(TensorDataset):
    """Pairs of an image ``(C, H, W)`` and a label."""

    resize_filter = "bicubic"  # for reports of quality,
    own_features = "digits"  # which compare images in these features

    def labels(self) -> Tensor:
        """The class of each image."""
        return self.tensors[1]
