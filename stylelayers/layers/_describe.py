"""Formatting for the layers' `extra_repr`."""

from typing import Any


def non_default_arguments(**options: tuple[Any, Any]) -> str:
    """``, name=value`` for each option ``name=(value, default)`` that differs from its default."""
    return "".join(f", {name}={value!r}" for name, (value, default) in options.items() if value != default)
