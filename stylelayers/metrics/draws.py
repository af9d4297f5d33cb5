"""Latents and labels of the generated images that are compared with real ones."""

import torch
from torch import Tensor

from ..data import ImageDataModule
from ..images.transparency import COLOR_CHANNELS
from ..models import StyleGenerator
from ..models.class_names import difference
from .real_features import RealImages


def draw_latents(
    generator: StyleGenerator, real: RealImages, samples: int, *, seed: int, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Latents, and labels as frequent as in the data, or equally frequent if the data have other classes.

    Label vectors are those of real images, drawn with replacement.
    """
    source = torch.Generator().manual_seed(seed)
    z = torch.randn(samples, generator.z_dim, generator=source).to(device)
    if not generator.num_labels:
        return z, None
    _, labels = real.summary
    if generator.label_kind == "vectors":
        return z, labels[torch.randint(len(labels), (samples,), generator=source)].to(device)
    shares = torch.ones(generator.num_labels)
    if _kind_and_number(real.data) == ("classes", generator.num_labels):
        shares = torch.bincount(labels, minlength=generator.num_labels).double()
    return z, torch.multinomial(shares, samples, replacement=True, generator=source).to(device)


def check_labels(generator: StyleGenerator, data: ImageDataModule) -> None:
    """Raise a ValueError for a generator of classes other than the data's, or of label vectors that the data lack."""
    kind, number = _kind_and_number(data)
    if generator.label_kind == "vectors" and (kind, number) != ("vectors", generator.num_labels):
        raise ValueError(
            f"QualityMeter: the generator's labels are vectors of {generator.num_labels} numbers, which are drawn from "
            f"those of real images: the data must have such labels, got {kind}{f' ({number})' if number else ''}; "
            f"compare with the data of its run"
        )
    names, others = generator.class_names, data.class_names
    if len(names) == len(others) and names != others:
        raise ValueError(
            f"QualityMeter: the generator must have the data's classes, in their order, got one "
            f"{difference(names, others)}; compare with data without labels"
        )


def remarks(generator: StyleGenerator, *, with_recognition: bool) -> tuple[str, ...]:
    """What the numbers depend on, or leave out, for some images and labels alone."""
    vectors = generator.label_kind == "vectors"
    found = {
        "images are composited over white": generator.image_channels in COLOR_CHANNELS,
        "label vectors are those of real images": vectors,
        "asked_recognised is left out, as the labels are no classes": vectors and with_recognition,
    }
    return tuple(text for text, applies in found.items() if applies)


def _kind_and_number(data: ImageDataModule) -> tuple[str, int]:
    return data.label_kind, data.num_labels
