"""The handwritten digits that scikit-learn carries: training data without a download."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from .module import ImageDataModule, check_loader
from .transforms import ImageTransform, check_image_arguments


def digits(
    *,
    resolution: int | Sequence[int] = 32,
    image_channels: int = 1,
    labels: bool = True,
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
        labels: return the digit, 0 to 9, as the label; if False, training is unconditional.
        batch_size: images per batch and process.
        num_workers: processes that load images; 0 loads them in the training process.

    Raises:
        ValueError: an argument is out of range.
        ModuleNotFoundError: scikit-learn is not installed.
    """
    from sklearn.datasets import load_digits

    size = check_image_arguments("digits", resolution, image_channels)
    check_loader("digits", batch_size, num_workers)
    scans = load_digits()
    transform = ImageTransform(size, 1, resize="fit", resample=Image.Resampling.BICUBIC)
    greys = scans.images.astype(np.float32) * (255.0 / 16.0)  # (1797, 8, 8) in [0, 255]
    images = torch.stack([transform(grey) for grey in greys])  # (1797, 1, H, W)
    targets = torch.from_numpy(scans.target).long() * labels
    names = [str(digit) for digit in range(10)] if labels else []
    return ImageDataModule(
        _Digits(images.expand(-1, image_channels, -1, -1), targets),
        batch_size=batch_size,
        num_workers=num_workers,
        num_labels=len(names),
        class_names=names,
    )


class _Digits(TensorDataset):
    """Pairs of an image ``(C, H, W)`` and a label."""

    resize_filter = "bicubic"  # for reports of quality,
    own_features = "digits"  # which compare images in these features
