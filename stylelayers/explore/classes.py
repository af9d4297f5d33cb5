"""Classes of a generator, by number or by name."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence

from ..models import Generator

__all__ = ["class_numbers", "class_titles", "parse_classes"]

_MOST_LISTED = 20


def class_numbers(generator: Generator, labels: Sequence[int | str]) -> list[int]:
    """The number of each class: ints are numbers, strings are names.

    Raises:
        ValueError: a generator without classes, no labels, or a class that it does not have.
    """
    count = generator.num_labels
    if not count:
        raise ValueError("labels were given, but the generator has no classes")
    numbers = [_number(generator, label) if isinstance(label, str) else label for label in labels]
    if not numbers or not all(0 <= number < count for number in numbers):
        raise ValueError(f"labels must be in [0, {count}), at least one, got {numbers}")
    return numbers


def class_titles(generator: Generator) -> list[str]:
    """What to call each class: its name, or its number where names are not known."""
    return list(generator.class_names) or [str(number) for number in range(generator.num_labels)]


def parse_classes(generator: Generator, text: str) -> list[int]:
    """Class numbers of names, numbers and ranges between commas: ``"dogs,0,2-3"``.

    Names come first: they may hold commas, digits and dashes.

    Raises:
        ValueError: anything else; a number that is also the name of another class.

    Example:
        >>> from stylelayers import Generator
        >>> generator = Generator(8, num_labels=4, channel_base=16)
        >>> generator.class_names = ("cats", "dogs", "cows, sheep", "pigs")
        >>> parse_classes(generator, "dogs,0,cows, sheep,2-3")
        [1, 0, 2, 2, 3]
    """
    if not generator.num_labels:
        return class_numbers(generator, [text])
    numbers = [number for part in _parts(generator, text) for number in _numbers(generator, part)]
    return class_numbers(generator, numbers)


def _parts(generator: Generator, text: str) -> Iterator[str]:
    """What stands between commas, or a name with commas in it."""
    pieces, names = text.split(","), set(_names(generator))
    longest = 1 + max((name.count(",") for name in names), default=0)
    while pieces:
        lengths = range(min(longest, len(pieces)), 1, -1)
        length = next((n for n in lengths if _spelt(",".join(pieces[:n])) in names), 1)
        yield _spelt(",".join(pieces[:length]))
        del pieces[:length]


def _numbers(generator: Generator, part: str) -> Sequence[int]:
    if part in _names(generator):
        return [_unambiguous(generator, part)]
    match = re.fullmatch(r"(\d+)\s*(?:-\s*(\d+))?", part)
    if match is None:
        return [_number(generator, part)]
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last or last >= generator.num_labels:
        raise ValueError(f"labels must be in [0, {generator.num_labels}), at least one, got [{part}]")
    return range(first, last + 1)


def _unambiguous(generator: Generator, name: str) -> int:
    """The number of the class of a name, unless the name is the number of another."""
    number = _place(_names(generator), name)
    other = int(name) if name.isdecimal() else number
    if other != number and other < generator.num_labels:
        raise ValueError(
            f"labels: {name} is the number of class {generator.class_names[other]!r}, and the name of class number "
            f"{number}; write {other}-{other} for the first, {number}-{number} for the second"
        )
    return number


def _number(generator: Generator, name: str) -> int:
    """The number of the class of a name."""
    names = _names(generator)
    if not names:
        raise ValueError(
            f"labels must be numbers and ranges such as 3 or 0-9, since the names of the classes are not known, "
            f"got {name!r}"
        )
    if _spelt(name) not in names:
        near = difflib.get_close_matches(name, names, 1)
        listed = ", ".join(names[:_MOST_LISTED])
        listed += f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"labels must be among the classes {listed}, got {name!r}{hint}")
    return _place(names, _spelt(name))


def _place(names: list[str], name: str) -> int:
    if (count := names.count(name)) > 1:
        raise ValueError(
            f"labels: {name!r} is the name of {count} classes, but for spaces around it; give their numbers"
        )
    return names.index(name)


def _names(generator: Generator) -> list[str]:
    return [_spelt(name) for name in generator.class_names]


def _spelt(name: str) -> str:
    """A name without spaces around it, its letters as one code each."""
    return unicodedata.normalize("NFC", name).strip()
