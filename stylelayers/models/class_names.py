"""Names of a conditional network's classes, in the order of their numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

__all__ = ["checked_class_names"]


def checked_class_names(names: Sequence[str] | Any, num_labels: int, who: str) -> tuple[str, ...]:
    """`names` as a tuple: one a class, all different, or none at all where they are not known.

    Raises:
        ValueError: anything else.
    """
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{who}: class_names must be a sequence of strings, got {names!r}")
    if names and len(names) != num_labels:
        raise ValueError(f"{who}: class_names must be one for each of {num_labels} classes, got {len(names)}")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{who}: class_names must differ, got {twice[0]!r} more than once")
    return tuple(names)
