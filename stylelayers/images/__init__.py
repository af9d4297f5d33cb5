"""Image files: the only reader and the only writer. Needs Pillow."""

from .._extras import needs_extra

with needs_extra(__name__, "cli"):
    from .reading import (
        convert_image,
        decode_picture,
        image_to_tensor,
        is_picture,
        open_picture,
        read_picture,
        resize_image,
    )
    from .transparency import over_white
    from .writing import PICTURES, save_each, save_grid, save_picture, tile, to_pixels

__all__ = [
    "PICTURES",
    "convert_image",
    "decode_picture",
    "image_to_tensor",
    "is_picture",
    "open_picture",
    "over_white",
    "read_picture",
    "resize_image",
    "save_each",
    "save_grid",
    "save_picture",
    "tile",
    "to_pixels",
]
