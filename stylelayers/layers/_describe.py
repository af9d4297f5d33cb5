"""What the layers' `extra_repr` has in common."""

from __future__ import annotations

from typing import Any

__all__ = ["changed"]


def changed(**options: tuple[Any, Any]) -> str:
    """``, name=value`` for every option ``name=(value, default)`` that is not at its default."""
    return "".join(f", {name}={value!r}" for name, (value, default) in options.items() if value != default)
