"""Helpers of all commands: parse numbers, load a generator, show progress."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from ..checkpoints import load_generator
from ..explore import parse_classes, parse_vectors
from ..explore.conditions import expected_vectors, is_vector
from ..models import StyleGenerator

_MAX_NUMBERS, _MAX_PIXELS = 10_000_000, 1 << 28


class FailedError(RuntimeError):
    """A failure that the arguments are not to blame for; exit code 1."""


def parse_numbers(option: str, text: str) -> list[int]:
    """Parse numbers and inclusive ranges.

    Raises:
        ValueError: other text, or more than ten million numbers; names the option.

    Example:
        >>> parse_numbers("--seeds", "0,5,7-9")
        [0, 5, 7, 8, 9]
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (0, -1) if match is None else (int(match[1]), int(match[2] or match[1]))
        if first > last:
            raise ValueError(f"{option} must be numbers and ranges such as 0-63 or 0,5,7-9, got {text!r}")
        if len(found) + last - first >= _MAX_NUMBERS:
            raise ValueError(f"{option} must be at most {_MAX_NUMBERS:,} numbers, got {text!r}")
        found += range(first, last + 1)
    return found


def parse_shift(option: str, text: str) -> tuple[float, float]:
    """Parse a shift.

    Raises:
        ValueError: other text; names the option.

    Example:
        >>> parse_shift("--move", "0.25,-0.1")
        (0.25, -0.1)
    """
    try:
        x, y = map(float, text.split(","))
    except ValueError:
        expected = "two numbers such as 0.25,0 (parts of the width to the right, of the height down)"
        raise ValueError(f"{option} must be {expected}, got {text!r}") from None
    return x, y


def parse_labels(generator: StyleGenerator, labels: Sequence[str] | None) -> list[int | list[float]] | None:
    """Class numbers of the option ``--labels``, or label vectors; see :func:`parse_classes`, :func:`parse_vectors`.

    Numbers with a decimal point, one for each class, are a vector that mixes classes, such as 0.5,0.5.

    Raises:
        ValueError: text that is neither, or no vectors for a generator that was trained on them.
    """
    takes_vectors = generator.label_kind == "vectors"
    if takes_vectors and not labels:
        raise ValueError(f"--labels must be given: {expected_vectors(generator)}")
    found: list[int | list[float]] = []
    for text in labels or ():
        if takes_vectors or (text not in generator.class_names and is_vector(generator, text)):
            found += parse_vectors(generator, text).tolist()
        else:
            found += parse_classes(generator, text)
    return found or None


def check_choice(option: str, value: str, choices: Iterable[str]) -> str:
    """Return the value if it is one of the choices."""
    if value not in choices:
        raise ValueError(f"{option} must be one of {', '.join(choices)}, got {value!r}")
    return value


def check_picture_size(generator: StyleGenerator, images: int, columns: int, zoom: int) -> None:
    """Raise a ValueError for a grid of images that is too large for one picture."""
    rows, columns = ceil(images / columns), min(images, columns)
    height, width = (count * side * zoom for count, side in zip((rows, columns), generator.resolution, strict=True))
    if height * width > _MAX_PIXELS:
        raise ValueError(
            f"{images:,} images at zoom {zoom} make a picture of {width}x{height} pixels; at most {_MAX_PIXELS:,} are "
            f"written"
        )


def load(model: Path, device: str) -> StyleGenerator:
    """Load a generator on a device, and make that device deterministic.

    Raises:
        ValueError: an unknown device.
        FailedError: a file that is no generator.
    """
    chosen = _find_device(device)
    with failing_for_files():
        return load_generator(model, device=chosen)


def as_one_line(text: str) -> str:
    """Make foreign text safe for a terminal: no line breaks, escape sequences spelled out."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in " ".join(text.split()))


@contextmanager
def failing_for_files() -> Iterator[None]:
    """Turn a ValueError about the content of a file into a :class:`FailedError`."""
    try:
        yield
    except ValueError as error:
        raise FailedError(str(error)) from None


@contextmanager
def show_progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr if it is a terminal; yields a function that advances it by a number."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield lambda count: bar.advance(task, count)


def count_images(batches: Iterable[Tensor], description: str, total: int) -> Iterator[Tensor]:
    """Pass batches on while a progress bar counts their images."""
    with show_progress(description, total) as advance:
        for batch in batches:
            yield batch
            advance(len(batch))


def _find_device(name: str) -> torch.device:
    if name == "auto":
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        name = "cpu" if found is None else found.type
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"--device {name!r} cannot be used: {(str(error) or 'unknown').splitlines()[0]}") from None
    if device.type == "meta":
        raise ValueError("--device 'meta' cannot be used: it holds no numbers")
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = False, True
    return device
