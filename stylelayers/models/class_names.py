"""What the labels of a conditional network are: class numbers or vectors, and the names of their entries."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

LABEL_KINDS = ("none", "classes", "vectors")
"""No labels; the number of one class; or one number for each entry: several labels at once, continuous conditions."""


def checked_class_names(names: Sequence[str] | Any, num_labels: int, caller: str) -> tuple[str, ...]:
    """Return `names` as a tuple: one for each class and all different, or empty if they are not known.

    Raises:
        ValueError: anything else.
    """
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{caller}: class_names must be a sequence of strings, got {names!r}")
    if names and len(names) != num_labels:
        raise ValueError(f"{caller}: class_names must be one for each of {num_labels} classes, got {len(names)}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{caller}: class_names must differ, got {twice[0]!r} more than once")
    return tuple(names)


def checked_label_kind(kind: str | Any, num_labels: int, caller: str) -> str:
    """Return `kind`, or for None the usual one: ``"classes"`` if there are labels, else ``"none"``.

    Raises:
        ValueError: an unknown kind, labels of the kind ``"none"``, or another kind without labels.
    """
    if kind is None:
        return "classes" if num_labels else "none"
    known = LABEL_KINDS[1:] if num_labels else LABEL_KINDS[:1]
    if not isinstance(kind, str) or kind not in known:
        raise ValueError(f"{caller}: label_kind must be {' or '.join(known)} for num_labels={num_labels}, got {kind!r}")
    return kind


def difference(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """Describe what `theirs` has and lacks compared with `ours`, or the first class whose number differs."""
    missing, more = ([name for name in a if name not in b] for a, b in ((ours, theirs), (theirs, ours)))
    parts = [f"{how} {quoted(names)}" for how, names in (("with", more), ("without", missing)) if names]
    if not parts:
        number = next(number for number, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b)
        parts = [f"in another order: number {number} is {theirs[number]!r} there and {ours[number]!r} here"]
    return " and ".join(parts)


def quoted(names: Sequence[str], most: int = 5) -> str:
    """The first few names, quoted, and how many more there are."""
    return ", ".join(map(repr, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")
