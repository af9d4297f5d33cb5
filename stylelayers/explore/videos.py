"""Video files: GIF with Pillow, MP4 (H.264) with PyAV; equal frames give equal bytes."""

import os
import warnings
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import ModuleType

from PIL import Image
from torch import Tensor

from .._whole_files import whole_file
from ..images.writing import as_image, check_ending

VIDEOS = (".gif", ".mp4")
"""File endings of videos."""
_ALPHA_MODES = ("LA", "RGBA")
_X264 = {"crf": "16", "preset": "medium", "threads": "1"}  # the bytes depend on the number of threads


def save_video(frames: Iterable[Tensor], path: str | os.PathLike[str], *, fps: float = 30, zoom: int = 1) -> Path:
    """Write frames as an endless GIF or as an MP4, by the path's ending; the file is written completely or not at all.

    Args:
        frames: bytes ``(H, W, 1 to 4)`` of one size, read one by one. An alpha channel is dropped with a warning.
        path: missing folders are created.
        fps: frames per second, in [0.01, 1000]. A GIF shows a frame for whole hundredths of a second, at least two.
        zoom: side in file pixels of one image pixel.

    Returns:
        The path.

    Raises:
        ValueError: another ending, no frames, `fps` out of range, or MP4 without PyAV.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from stylelayers.explore import save_video
        >>> frames = [torch.full((8, 8, 1), value, dtype=torch.uint8) for value in (0, 255)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_video(frames, f"{folder}/blinking.gif", fps=2).name
        'blinking.gif'
    """
    path = Path(path)
    ending = check_video(path, fps)
    images = (as_image(frame, zoom) for frame in frames)
    first = next(images, None)
    if first is None:
        raise ValueError("save_video: a video needs at least 1 frame")
    if first.mode in _ALPHA_MODES:
        warnings.warn(f"a {ending} file holds no alpha channel: the colours are shown without it", stacklevel=2)
    with whole_file(path, flush=False) as unfinished:
        (_write_gif if ending == ".gif" else _write_mp4)(unfinished, map(_drop_alpha, chain([first], images)), fps)
    return path


def check_video(path: Path, fps: float) -> str:
    """The path's ending; raise a ValueError unless such a file can be written here at that speed."""
    ending = check_ending(path, VIDEOS)
    if not 0.01 <= fps <= 1000:  # a GIF cannot show a frame for eleven minutes, nor an MP4 for an hour
        raise ValueError(f"save_video: fps must be in [0.01, 1000], got {fps}")
    if ending == ".mp4":
        _import_av()
    return ending


def _write_gif(path: Path, images: Iterator[Image.Image], fps: float) -> None:
    duration = 10 * max(2, round(100 / fps))  # viewers slow shorter ones down
    first = next(images)
    first.save(path, format="GIF", save_all=True, append_images=images, duration=duration, loop=0)


def _write_mp4(path: Path, images: Iterator[Image.Image], fps: float) -> None:
    """Write H.264 in yuv420p, which all players support and which needs even sides."""
    av = _import_av()
    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact", "movflags": "+faststart"}) as file:
        stream = None
        for image in images:
            image = _pad_to_even(image.convert("RGB"))
            if stream is None:
                stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=_X264)
                stream.width, stream.height = image.size
                stream.pix_fmt = "yuv420p"
                stream.codec_context.flags |= av.codec.context.Flags.bitexact
            file.mux(stream.encode(av.VideoFrame.from_image(image)))
        if stream is not None:
            file.mux(stream.encode())


def _drop_alpha(image: Image.Image) -> Image.Image:
    return image.convert(image.mode[:-1]) if image.mode in _ALPHA_MODES else image


def _pad_to_even(image: Image.Image) -> Image.Image:
    """Pad odd sides with a black row or column."""
    width, height = image.size
    return image if width % 2 == height % 2 == 0 else image.crop((0, 0, width + width % 2, height + height % 2))


def _import_av() -> ModuleType:
    try:
        import av
    except ImportError:
        raise ValueError('save_video: MP4 needs PyAV: pip install "stylelayers[video]"; GIF does not') from None
    return av
