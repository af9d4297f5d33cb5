"""What all commands do: read numbers, load a generator, show progress."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import ceil, sqrt
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from ..checkpoints import load_generator
from ..explore import parse_classes
from ..models import Generator

__all__ = [
    "FailedError",
    "check_choice",
    "classes_if_given",
    "counted",
    "failing",
    "in_one_line",
    "load",
    "numbers",
    "numbers_if_given",
    "progress",
    "square",
]

_MOST_NUMBERS = 10_000_000


class FailedError(RuntimeError):
    """What could not be done although the arguments were right; exit code 1."""


def numbers(option: str, text: str) -> list[int]:
    """Numbers and ranges with both ends: ``"0,5,7-9"`` → ``[0, 5, 7, 8, 9]``.

    Raises:
        ValueError: other text; names the option.

    Example:
        >>> numbers("--seeds", "0,5,7-9")
        [0, 5, 7, 8, 9]
    """
    found: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", part)
        first, last = (0, -1) if match is None else (int(match[1]), int(match[2] or match[1]))
        if first > last:
            raise ValueError(f"{option} must be numbers and ranges such as 0-63 or 0,5,7-9, got {text!r}")
        if len(found) + last - first >= _MOST_NUMBERS:
            raise ValueError(f"{option} must be at most {_MOST_NUMBERS:,} numbers, got {text!r}")
        found += range(first, last + 1)
    return found


def numbers_if_given(option: str, text: str | None) -> list[int] | None:
    """:func:`numbers` of an option that may be left out."""
    return None if text is None else numbers(option, text)


def classes_if_given(generator: Generator, labels: str | None) -> list[int] | None:
    """Class numbers of the option ``--labels``, which may be left out; see :func:`parse_classes`."""
    return None if labels is None else parse_classes(generator, labels)


def check_choice(option: str, value: str, choices: Iterable[str]) -> str:
    """The value, unless it is none of the choices."""
    if value not in choices:
        raise ValueError(f"{option} must be one of {', '.join(choices)}, got {value!r}")
    return value


def load(model: Path, device: str) -> Generator:
    """The generator of a path on the device of a name, set to give the same numbers every time.

    Raises:
        ValueError: no such device.
        FailedError: a file that is no generator.
    """
    chosen = _device(device)
    with failing():
        return load_generator(model, device=chosen)


def in_one_line(text: str) -> str:
    """Text from anywhere, fit for a terminal: without line breaks, and with escape sequences spelled out."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in " ".join(text.split()))


@contextmanager
def failing() -> Iterator[None]:
    """A ValueError within is of what a file holds, not of the arguments: :class:`FailedError`."""
    try:
        yield
    except ValueError as error:
        raise FailedError(str(error)) from None


@contextmanager
def progress(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on stderr that goes on by the number that the given function is called with; only on a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield lambda count: bar.advance(task, count)


def counted(batches: Iterable[Tensor], description: str, total: int) -> Iterator[Tensor]:
    """The batches as they come, with a bar that counts what is in them."""
    with progress(description, total) as advance:
        for batch in batches:
            yield batch
            advance(len(batch))


def square(count: int) -> int:
    """Columns of a grid that is about as wide as high."""
    return max(1, ceil(sqrt(count)))


def _device(name: str) -> torch.device:
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
