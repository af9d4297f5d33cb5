"""The grids of a run as the frames of a film, in a page itself."""

import io
import warnings
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from ..images import decode_picture, read_header

_QUALITY = 75  # of WebP, from 0 to 100


@dataclass(frozen=True)
class Frame:
    """A picture in a page.

    Attributes:
        title: what it shows.
        url: its bytes, as a ``data:`` address.
        size: width and height in pixels.
    """

    title: str
    url: str
    size: tuple[int, int]


def film(grids: Sequence[tuple[int | None, Path]], *, frames: int, width: int) -> list[Frame]:
    """At most so many frames, spread evenly from first to last; damaged files are left out, with a warning.

    Args:
        grids: images seen, and the file; None for the end of training.
        frames: at least 0.
        width: largest width in pixels; wider grids are made smaller.
    """
    count = min(frames, len(grids))
    chosen = [grids[round(index * (len(grids) - 1) / max(count - 1, 1))] for index in range(count)]
    if count == 1:
        chosen = [grids[-1]]
    made = []
    for images, path in chosen:
        try:
            picture = decode_picture(path, read_header(path).channels)
        except (ValueError, OSError) as error:
            warnings.warn(f"the report leaves out {str(path)!r}: {error}", stacklevel=2)
            continue
        title = "end of training" if images is None else f"{images:,} images"
        made.append(_frame(title, picture, width))
    return made


def _frame(title: str, picture: Image.Image, width: int) -> Frame:
    if picture.width > width:
        height = max(1, round(picture.height * width / picture.width))
        picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_QUALITY)
    return Frame(title, "data:image/webp;base64," + b64encode(buffer.getvalue()).decode(), picture.size)
