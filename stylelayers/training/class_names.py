"""Names of classes: where networks come from, and where a run goes on, a number must mean the same class."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

from ..checkpoints import describe

__all__ = ["check_class_names", "class_names_of", "difference", "quoted", "warn_of_other_classes"]


def check_class_names(saved: Sequence[str], own: Sequence[str], path: object) -> None:
    """Raise a ValueError if both are known and differ: the labels of a resumed run would change their meaning.

    Args:
        saved, own: names of the checkpoint's classes and of the data's, empty where they are not known.
        path: of the checkpoint.
    """
    if saved and own and list(saved) != list(own):
        raise ValueError(
            f"resume must name a checkpoint of a run with the data's classes, in their order, got {path}, "
            f"{difference(saved, own)}; resume with its data, or begin a new run with model.initialize_from"
        )


def warn_of_other_classes(initial: Sequence[str], own: Sequence[str]) -> None:
    """Warn if the classes of the networks that training begins with were others than the data's."""
    if initial and own and list(initial) != list(own):
        warnings.warn(
            f"model.initialize_from: its networks were trained on other classes than the data's, "
            f"{difference(initial, own)}; a class number does not mean what they learned",
            stacklevel=2,
        )


def class_names_of(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Names of the classes of a file or run, empty where they are not known."""
    try:
        return describe(path).class_names
    except ValueError:
        return ()


def difference(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """What `theirs` have and lack, or the first number that means another class."""
    missing, more = ([name for name in a if name not in b] for a, b in ((ours, theirs), (theirs, ours)))
    parts = [f"{how} {quoted(names)}" for how, names in (("with", more), ("without", missing)) if names]
    if not parts:
        number = next(number for number, (a, b) in enumerate(zip(theirs, ours, strict=True)) if a != b)
        parts = [f"in another order: number {number} is {theirs[number]!r} there and {ours[number]!r} here"]
    return " and ".join(parts)


def quoted(names: Sequence[str], most: int = 5) -> str:
    """The first few names for a message, and how many more there are."""
    return ", ".join(map(repr, names[:most])) + (f" and {len(names) - most} more" if len(names) > most else "")
