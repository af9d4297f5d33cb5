"""Training data: one data module for any data set, and functions that build it for the usual ones."""

from .._extras import needs_extra

with needs_extra(__name__, "train"):
    from ..images.reading import convert_image, image_to_tensor, resize_image
    from .digits_set import digits
    from .folder import image_folder
    from .module import ImageDataModule
    from .torchvision_sets import torchvision_dataset
    from .transforms import ImageTransform, TransformedImages

__all__ = [
    "ImageDataModule",
    "ImageTransform",
    "TransformedImages",
    "convert_image",
    "digits",
    "image_folder",
    "image_to_tensor",
    "resize_image",
    "torchvision_dataset",
]
