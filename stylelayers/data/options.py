"""The settings that all sources of pictures share, and the data module that they make of a source."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import Any, cast, get_type_hints

import torch
from torch import Tensor

from .._checks import check_choice, check_ints, check_number
from ..images.resizing import make_frame
from .module import ON_ERROR, ImageDataModule, check_groups, check_loader
from .source import CLASSES, LABEL_KINDS, Labels, Source, label_kind
from .transforms import ImageTransform, TransformedImages, check_channels

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """What a training does with the pictures of any source.

    Args:
        resolution: side in pixels, or ``(height, width)``.
        image_channels: 1 (grey), 2 (grey and alpha), 3 (RGB), 4 (RGB and alpha), or ``"auto"``: as many as the
            pictures have, or the first one where that is not known of all.
        labels: ``"none"``: training is unconditional; ``"classes"`` (or True): class numbers; ``"vectors"``: a vector
            of numbers per image, such as several classes at once or continuous conditions.
        resize: ``"crop"`` covers the target and keeps the centre, ``"fit"`` adds black bars, ``"stretch"`` changes the
            aspect ratio.
        resize_filter: ``"lanczos"``, ``"bicubic"``, ``"bilinear"`` or ``"box"``, all antialiased. Published FIDs depend
            on it: compare only figures of one filter.
        horizontal_flip: mirror a picture left to right with probability 0.5 whenever it is read.
        vertical_flip: mirror it top to bottom likewise.
        balance_classes: draw each class equally often, however many pictures it has.
        images_per_class: images of one class that a batch holds of each of its classes; see :class:`ImageDataModule`.
        max_images: use so many pictures, drawn at random; None for all.
        subset_seed: of that draw, 0 to 2**63 - 1.
        on_error: ``"raise"`` an error that names the first picture that cannot be read, or ``"skip"`` such pictures.
            One that turns out later to be damaged is replaced by another draw, counted and logged.
        batch_size: images per batch and process.
        num_workers: processes that load images; 0 loads them in the training process, None takes all cores but one.

    Example:
        >>> from stylelayers.data import ImageOptions
        >>> ImageOptions(resolution=(32, 48), horizontal_flip=True).resize
        'crop'
    """

    resolution: int | Sequence[int] = 32
    image_channels: int | str = 3
    labels: Labels = "none"
    resize: str = "crop"
    resize_filter: str = "lanczos"
    horizontal_flip: bool = False
    vertical_flip: bool = False
    balance_classes: bool = False
    images_per_class: int = 1
    max_images: int | None = None
    subset_seed: int = 0
    on_error: str = "raise"
    batch_size: int = 32
    num_workers: int | None = None

    def make_module(self, source: Source, caller: str) -> ImageDataModule:
        """The data module of a source whose labels are of the kind that `labels` asks for."""
        channels = source.find_channels() if self.image_channels == AUTO else self.image_channels
        transform = ImageTransform(
            self.resolution,
            cast(int, channels),
            resize=self.resize,
            resize_filter=self.resize_filter,
            horizontal_flip=self.horizontal_flip,
            vertical_flip=self.vertical_flip,
        )
        return ImageDataModule(
            TransformedImages(source, transform, choose_images(caller, len(source), self.max_images, self.subset_seed)),
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            num_labels=source.num_labels,
            class_names=source.class_names,
            label_kind=source.label_kind,
            balance_classes=self.balance_classes,
            images_per_class=self.images_per_class,
            on_error=self.on_error,
            remarks=source.remarks,
        )


def choose_images(caller: str, count: int, max_images: int | None, subset_seed: int) -> Tensor | None:
    """The indices of the pictures that are used, in ascending order; None for all.

    Raises:
        ValueError: `max_images` is larger than `count`.
    """
    if max_images is None or max_images == count:
        return None
    if max_images > count:
        raise ValueError(f"{caller}: max_images must be at most {count}, all there are, got {max_images}")
    generator = torch.Generator().manual_seed(subset_seed)
    return torch.randperm(count, generator=generator)[:max_images].sort().values


def check_options(caller: str, options: ImageOptions) -> ImageOptions:
    """Return the options with ``labels`` as one of its three names.

    Raises:
        ValueError: names `caller` and the option that is out of range, or does not go with another.
    """
    labels = label_kind(options.labels)
    check_choice(caller, "labels", labels, LABEL_KINDS)
    if options.image_channels != AUTO:
        check_channels(caller, cast(int, options.image_channels))
    make_frame(caller, options.resolution, options.resize, options.resize_filter)
    if options.max_images is not None:
        check_ints(caller, max_images=options.max_images)
    check_ints(caller, 0, subset_seed=options.subset_seed)
    check_number(caller, most=2**63 - 1, subset_seed=options.subset_seed)
    check_choice(caller, "on_error", options.on_error, ON_ERROR)
    check_loader(caller, options.batch_size, options.num_workers)
    check_groups(caller, options.batch_size, options.images_per_class, labels)
    if options.balance_classes and labels != CLASSES:
        raise ValueError(f"{caller}: balance_classes must go with labels={CLASSES!r}, got labels={labels!r}")
    return replace(options, labels=cast(Any, labels))


def takes_image_options(build: Callable[..., ImageDataModule]) -> Callable[..., ImageDataModule]:
    """Let a function with an argument ``options`` take each of :class:`ImageOptions` by its own name instead.

    The function gets them checked; its signature and annotations list them, with their defaults.
    """
    shared = {field.name: field.default for field in fields(ImageOptions)}

    @wraps(build)
    def with_options(*args: Any, **named: Any) -> ImageDataModule:
        chosen = {name: named.pop(name) for name in [*named] if name in shared}
        return build(*args, **named, options=check_options(build.__name__, ImageOptions(**chosen)))

    own, hints = inspect.signature(build).parameters, get_type_hints(ImageOptions)
    parameters = [parameter for name, parameter in own.items() if name != "options"]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
        for name, default in shared.items()
    ]
    with_options.__signature__ = inspect.Signature(parameters, return_annotation=ImageDataModule)  # type: ignore[attr-defined]
    with_options.__annotations__ = {**get_type_hints(build), **hints}
    del with_options.__annotations__["options"]
    return with_options
