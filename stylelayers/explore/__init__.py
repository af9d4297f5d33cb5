"""Explore a trained generator: pictures, walks, style mixing, projection, directions. Needs Pillow."""

from .._extras import needs_extra

with needs_extra(__name__, "cli"):
    from ..images.reading import read_picture
    from ..images.writing import PICTURES, save_each, save_grid, save_picture, tile, to_pixels
    from .classes import class_numbers, class_titles, parse_classes
    from .conditions import label_tensor, parse_vectors
    from .directions import Directions, factorize, load_directions, save_directions, strips
    from .distances import FeatureDistance, load_distance, pixel_distance
    from .latents import latents_of_seeds, slerp
    from .mixing import mixed_styles_grid, mixing_table
    from .motions import can_move, image_motion, motion_path, moved
    from .projection import Projection, project, save_projection, style_statistics
    from .sampling import sample, styles_of_seeds, synthesize
    from .showing import show
    from .videos import VIDEOS, save_video
    from .walks import linear_walk, spherical_walk, walk_styles

__all__ = [
    "PICTURES",
    "VIDEOS",
    "Directions",
    "FeatureDistance",
    "Projection",
    "can_move",
    "class_numbers",
    "class_titles",
    "factorize",
    "image_motion",
    "label_tensor",
    "latents_of_seeds",
    "linear_walk",
    "load_directions",
    "load_distance",
    "mixed_styles_grid",
    "mixing_table",
    "motion_path",
    "moved",
    "parse_classes",
    "parse_vectors",
    "pixel_distance",
    "project",
    "read_picture",
    "sample",
    "save_directions",
    "save_each",
    "save_grid",
    "save_picture",
    "save_projection",
    "save_video",
    "show",
    "slerp",
    "spherical_walk",
    "strips",
    "style_statistics",
    "styles_of_seeds",
    "synthesize",
    "tile",
    "to_pixels",
    "walk_styles",
]
