"""Training data: one data module for any data set, and functions that build it for the usual ones.

Only what builds the data module needs lightning, and imports it at the first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .._extras import needs_extra

with needs_extra(__name__, "train"):
    from .source import Source
    from .transforms import ImageTransform, TransformedImages

if TYPE_CHECKING:
    from .archive import image_archive
    from .digits_set import digits
    from .folder import image_folder
    from .huggingface import huggingface_dataset
    from .module import ImageDataModule
    from .options import ImageOptions
    from .pairs import dataset_images
    from .torchvision_sets import torchvision_dataset

_IMPORTED_AT_FIRST_USE = {
    "ImageDataModule": "module",
    "ImageOptions": "options",
    "dataset_images": "pairs",
    "digits": "digits_set",
    "huggingface_dataset": "huggingface",
    "image_archive": "archive",
    "image_folder": "folder",
    "torchvision_dataset": "torchvision_sets",
}

__all__ = [
    "ImageDataModule",
    "ImageOptions",
    "ImageTransform",
    "Source",
    "TransformedImages",
    "dataset_images",
    "digits",
    "huggingface_dataset",
    "image_archive",
    "image_folder",
    "torchvision_dataset",
]


def __getattr__(name: str) -> Any:
    if name not in _IMPORTED_AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs_extra(__name__, "train"):
        return getattr(import_module(f".{_IMPORTED_AT_FIRST_USE[name]}", __name__), name)
