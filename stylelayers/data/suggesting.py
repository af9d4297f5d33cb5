"""The training that suits a data set, from what it holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..models.pyramid import Pyramid
from .inspecting import DataFacts
from .opening import DIGITS, OpenedData
from .source import NONE

_SECTION = "data"
_SIDES = (16, 1024)  # suggested, in pixels
_FEW = 20_000  # images, below which the discriminator learns them by heart without augmentation
_PIXELS, _BATCHES = 4096, (4, 32)  # published: a process trains on 4096 / side images per step
_DIGITS_SIDE = 32  # the default of ``data=digits``
_LARGE = 2  # times the resolution, from which preparing saves most of the loading


@dataclass(frozen=True)
class Suggestion:
    """What training would do with a data set.

    Attributes:
        command: to type.
        resolution: a side, or ``(height, width)``.
        batch_size: that the values published for this resolution have.
        notes: what else to know.
    """

    command: str
    resolution: int | tuple[int, int]
    batch_size: int
    notes: tuple[str, ...]


def suggest_training(data: OpenedData, facts: DataFacts) -> Suggestion:
    """The command that trains on a data set at the largest resolution that it has, and what it will do."""
    resolution = _DIGITS_SIDE if data.group == DIGITS else suggest_resolution(facts)
    own = data.group == DIGITS  # its defaults are its own
    arguments: dict[str, Any] = {} if own else {**data.arguments, "resolution": _text(resolution)}
    if not own and facts.channels != 3:
        arguments["image_channels"] = 1 if facts.channels <= 2 else 3
    if not own and facts.labels != NONE:
        arguments["labels"] = facts.labels
    parts = [f"{_SECTION}={data.group}", *(f"{_SECTION}.{name}={_quote(value)}" for name, value in arguments.items())]
    if facts.images < _FEW and not own:
        parts.append("augment=ada")
    longer = max(resolution) if isinstance(resolution, tuple) else resolution
    least, most = _BATCHES
    return Suggestion(
        "stylelayers train " + " ".join(parts),
        resolution,
        max(min(_PIXELS // longer, most), least),
        tuple(_notes(data, facts, resolution, arguments)),
    )


def suggest_resolution(facts: DataFacts) -> int | tuple[int, int]:
    """The size of all images if networks have it, else the largest power of two that nine of ten images reach."""
    if facts.different_sizes == 1:
        width, height = facts.widths[0], facts.heights[0]
        try:
            Pyramid.for_resolution("suggest_resolution", (height, width))
        except ValueError:
            pass
        else:
            return height if height == width else (height, width)
    least, most = _SIDES
    return min(max(1 << facts.short_side.bit_length() - 1, least), most)


def _notes(
    data: OpenedData, facts: DataFacts, resolution: int | tuple[int, int], arguments: Mapping[str, Any]
) -> list[str]:
    height, width = resolution if isinstance(resolution, tuple) else (resolution, resolution)
    notes = []
    if facts.images < _FEW and data.group != DIGITS:
        notes.append(f"fewer than {_FEW:,} images: augmentation keeps the discriminator from learning them by heart")
    if "resolution" in arguments and (facts.widths[0] < width or facts.heights[0] < height):
        notes.append(f"some images are smaller than {width}x{height} and are enlarged")
    if facts.channels in (2, 4):
        kept = f"{_SECTION}.image_channels={facts.channels}"
        notes.append(f"transparent pixels are shown over white; {kept} keeps the transparency")
    if facts.unreadable:
        notes.append(f"unreadable images end the run; {_SECTION}.on_error=skip leaves them out")
    if facts.widths[1] >= _LARGE * width and facts.heights[1] >= _LARGE * height and "root" in arguments:
        size = f"{width}x{height}" if width != height else f"{width}"
        command = f"stylelayers prepare {_quote(arguments['root'])} packed.zip --resolution {size}"
        notes.append(f"prepared images load faster: {command}")
    return notes


def _text(resolution: int | tuple[int, int]) -> str:
    return f"[{resolution[0]},{resolution[1]}]" if isinstance(resolution, tuple) else str(resolution)


def _quote(value: Any) -> str:
    """A value for a shell and Hydra."""
    text = str(value)
    if all(letter.isalnum() or letter in "/._-+[],:" for letter in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return "'\"" + escaped.replace("'", "'\\''") + "\"'"
