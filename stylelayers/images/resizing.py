"""Resizing to one resolution: the frame (crop, bars or stretch) and the filter."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageOps

from .._checks import check_choice, check_resolution

RESIZE_MODES = ("crop", "fit", "stretch")
RESIZE_FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "box": Image.Resampling.BOX,
}
"""Pillow's filters by name; all are antialiased."""


@dataclass(frozen=True)
class Frame:
    """How a picture of any size becomes one of a resolution.

    Args:
        resolution: ``(height, width)`` in pixels.
        resize: ``"crop"`` scales the picture to cover the target and crops it around its centre; ``"fit"`` keeps all
            of it, centred between black (or transparent) bars; ``"stretch"`` keeps all of it and changes its aspect
            ratio.
        resize_filter: ``"lanczos"``, ``"bicubic"``, ``"bilinear"`` or ``"box"``, all antialiased.

    Example:
        >>> from PIL import Image
        >>> from stylelayers.images import Frame
        >>> Frame((32, 48), "fit").apply(Image.new("RGB", (200, 100))).size
        (48, 32)
    """

    resolution: tuple[int, int]
    resize: str = "crop"
    resize_filter: str = "lanczos"

    def apply(self, image: Image.Image) -> Image.Image:
        """The picture at the resolution."""
        height, width = self.resolution
        if image.size == (width, height):
            return image
        filter = RESIZE_FILTERS[self.resize_filter]
        if self.resize == "crop":
            return ImageOps.fit(image, (width, height), filter)
        inner = image.resize(self.scaled(*image.size), filter)
        if self.resize == "stretch":
            return inner
        canvas = Image.new(image.mode, (width, height))
        canvas.paste(inner, ((width - inner.width) // 2, (height - inner.height) // 2))
        return canvas

    def scaled(self, width: int, height: int) -> tuple[int, int]:
        """Width and height that a whole picture is scaled to, before it is cropped or gets bars."""
        rows, columns = self.resolution
        if self.resize == "stretch":
            return columns, rows
        pick = max if self.resize == "crop" else min
        scale = pick(rows / height, columns / width)
        return max(1, round(width * scale)), max(1, round(height * scale))

    def describe(self) -> str:
        """For reports of quality: ``"Lanczos, antialiased, crop"``."""
        return f"{self.resize_filter.capitalize()}, antialiased, {self.resize}"


def make_frame(caller: str, resolution: int | Sequence[int], resize: str, resize_filter: str) -> Frame:
    """A frame of checked arguments.

    Raises:
        ValueError: names the argument that is out of range.
    """
    check_choice(caller, "resize", resize, RESIZE_MODES)
    check_choice(caller, "resize_filter", resize_filter, tuple(RESIZE_FILTERS))
    return Frame(check_resolution(caller, resolution), resize, resize_filter)
