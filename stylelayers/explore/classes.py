"""Classes of a generator, by number or by name."""

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence

from ..models import StyleGenerator

_MAX_LISTED_NAMES = 20


def class_numbers(
    generator: StyleGenerator, labels: Sequence[int | str], *, caller: str = "class_numbers"
) -> list[int]:
    """The number of each class; ints are numbers, strings are names.

    Args:
        generator: of classes.
        labels: numbers or names, at least one.
        caller: named in errors.

    Returns:
        Numbers in ``[0, num_labels)``, in the order of the labels.

    Raises:
        ValueError: a generator without classes or of label vectors, no labels, or a class that it does not have.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import class_numbers
        >>> generator = Generator(8, z_dim=4, w_dim=4, num_labels=2, channel_base=16)
        >>> generator.class_names = ("cats", "dogs")
        >>> class_numbers(generator, ["dogs", 0])
        [1, 0]
    """
    count = generator.num_labels
    if generator.label_kind == "vectors":
        raise ValueError(f"{caller}: labels of the generator are vectors, not classes")
    if not count:
        raise ValueError(f"{caller}: labels were given, but the generator has no classes")
    numbers = [number_of_name(generator, label, caller) if isinstance(label, str) else label for label in labels]
    if not numbers or not all(0 <= number < count for number in numbers):
        raise ValueError(f"{caller}: labels must be in [0, {count}), at least one, got {numbers}")
    return numbers


def class_titles(generator: StyleGenerator) -> list[str]:
    """The name of each class, or entry of label vectors, or its number if the generator knows no names.

    Args:
        generator: of any kind.

    Returns:
        One text a label; empty without labels.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import class_titles
        >>> class_titles(Generator(8, z_dim=4, w_dim=4, num_labels=2, channel_base=16))
        ['0', '1']
    """
    return list(generator.class_names) or [str(number) for number in range(generator.num_labels)]


def parse_classes(generator: StyleGenerator, text: str) -> list[int]:
    """Class numbers of comma-separated names, numbers and ranges, such as ``"dogs,0,2-3"``.

    Names take precedence, as they may contain commas, digits and dashes.

    Args:
        generator: of classes.
        text: as above; spaces around the parts are ignored.

    Returns:
        Numbers in ``[0, num_labels)``, in the order of the text.

    Raises:
        ValueError: a generator without classes, text that is none of them, or a number that is also the name of another
            class.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import parse_classes
        >>> generator = Generator(8, z_dim=4, w_dim=4, num_labels=4, channel_base=16)
        >>> generator.class_names = ("cats", "dogs", "cows, sheep", "pigs")
        >>> parse_classes(generator, "dogs,0,cows, sheep,2-3")
        [1, 0, 2, 2, 3]
    """
    if not generator.num_labels:
        return class_numbers(generator, [text], caller="parse_classes")
    numbers = [number for part in _split(generator, text) for number in _parse_part(generator, part)]
    return class_numbers(generator, numbers, caller="parse_classes")


def _split(generator: StyleGenerator, text: str) -> Iterator[str]:
    """Split at commas, except for those of names."""
    pieces, names = text.split(","), set(known_names(generator))
    longest = 1 + max((name.count(",") for name in names), default=0)
    while pieces:
        lengths = range(min(longest, len(pieces)), 1, -1)
        length = next((n for n in lengths if _normalize(",".join(pieces[:n])) in names), 1)
        yield _normalize(",".join(pieces[:length]))
        del pieces[:length]


def _parse_part(generator: StyleGenerator, part: str) -> Sequence[int]:
    """Class numbers of a name, a number or a range."""
    if part in known_names(generator):
        return [_unambiguous_number(generator, part)]
    match = re.fullmatch(r"(\d+)\s*(?:-\s*(\d+))?", part)
    if match is None:
        return [number_of_name(generator, part, "parse_classes")]
    first, last = int(match[1]), int(match[2] or match[1])
    if first > last or last >= generator.num_labels:
        raise ValueError(f"parse_classes: labels must be in [0, {generator.num_labels}), at least one, got [{part}]")
    return range(first, last + 1)


def _unambiguous_number(generator: StyleGenerator, name: str) -> int:
    """The number of the class of a name, unless the name is the number of another class."""
    number = number_of_name(generator, name, "parse_classes")
    other = int(name) if name.isdecimal() else number
    if other != number and other < generator.num_labels:
        raise ValueError(
            f"parse_classes: labels: {name} is the number of class {generator.class_names[other]!r}, and the name of "
            f"class number {number}; write {other}-{other} for the first, {number}-{number} for the second"
        )
    return number


def number_of_name(generator: StyleGenerator, name: str, caller: str) -> int:
    """The place of the label of a name; a ValueError for a name that none or several have."""
    names, name = known_names(generator), _normalize(name)
    if not names:
        raise ValueError(
            f"{caller}: labels must be numbers and ranges such as 3 or 0-9, since the names of the classes are not "
            f"known, got {name!r}"
        )
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        more = f" and {len(names) - _MAX_LISTED_NAMES} more" if len(names) > _MAX_LISTED_NAMES else ""
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(names[:_MAX_LISTED_NAMES]) + more
        what = "names" if generator.label_kind == "vectors" else "classes"
        raise ValueError(f"{caller}: labels must be among the {what} {known}, got {name!r}{hint}")
    if (count := names.count(name)) > 1:
        raise ValueError(
            f"{caller}: labels: {name!r} is the name of {count} classes, but for spaces around it; give their numbers"
        )
    return names.index(name)


def known_names(generator: StyleGenerator) -> list[str]:
    """Names of the labels as :func:`number_of_name` compares them."""
    return [_normalize(name) for name in generator.class_names]


def _normalize(name: str) -> str:
    """A name without surrounding spaces, in Unicode's composed form."""
    return unicodedata.normalize("NFC", name).strip()
