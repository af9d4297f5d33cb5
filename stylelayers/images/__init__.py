"""Image files: the only reader and the only writer. Needs Pillow."""

from .._extras import needs_extra

with needs_extra(__name__, "cli"):
    from .conversion import convert_image, image_to_tensor
    from .reading import decode_picture, is_picture, open_picture, read_header, read_picture, read_pixels
    from .resizing import Frame
    from .transparency import over_white
    from .writing import PICTURES, grid_columns, save_each, save_grid, save_picture, tile, to_pixels

__all__ = [
    "PICTURES",
    "Frame",
    "convert_image",
    "decode_picture",
    "grid_columns",
    "image_to_tensor",
    "is_picture",
    "open_picture",
    "over_white",
    "read_header",
    "read_picture",
    "read_pixels",
    "save_each",
    "save_grid",
    "save_picture",
    "tile",
    "to_pixels",
]
