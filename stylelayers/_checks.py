"""Argument checks: each raises a ValueError with the caller, the argument, what it takes and what it got."""

import reprlib
from collections.abc import Collection, Sequence
from math import inf
from typing import Any, TypeVar

_Choice = TypeVar("_Choice")


def is_int(value: object) -> bool:
    """Whether a value is an int, not counting bools."""
    return isinstance(value, int) and not isinstance(value, bool)


def check_ints(caller: str, least: int = 1, **values: Any) -> None:
    """Check that all values are ints of at least `least`.

    Example:
        >>> check_ints("Blur", size=True)
        Traceback (most recent call last):
        ValueError: Blur: size must be an int of at least 1, got True
    """
    for name, value in values.items():
        if not is_int(value) or value < least:
            raise ValueError(f"{caller}: {name} must be an int of at least {least}, got {value!r}")


def check_number(caller: str, *, above: float = -inf, least: float = -inf, most: float = inf, **values: Any) -> None:
    """Check that all values are numbers within the bounds, not nan and not bools.

    Example:
        >>> check_number("Health", above=0, max_loss=-1.0)
        Traceback (most recent call last):
        ValueError: Health: max_loss must be a number above 0, got -1.0
    """
    for name, value in values.items():
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not (above < value or above == -inf) or not least <= value <= most:
            raise ValueError(f"{caller}: {name} must be {_bounds(above, least, most)}, got {value!r}")


def check_choice(caller: str, name: str, value: _Choice, choices: Collection[_Choice]) -> _Choice:
    """Return the value if it is one of the choices.

    Example:
        >>> check_choice("Blur", "padding_mode", "wrap", ("zeros", "reflect"))
        Traceback (most recent call last):
        ValueError: Blur: padding_mode must be one of zeros, reflect, got 'wrap'
    """
    if value not in choices:
        raise ValueError(f"{caller}: {name} must be one of {', '.join(map(str, choices))}, got {value!r}")
    return value


def check_resolution(caller: str, resolution: int | Sequence[int] | Any) -> tuple[int, int]:
    """Return a resolution in pixels, an int or ``(height, width)``, as a pair.

    Example:
        >>> check_resolution("digits", 32), check_resolution("digits", [32, 48])
        ((32, 32), (32, 48))
    """
    pair = resolution if isinstance(resolution, (tuple, list)) else (resolution, resolution)
    if len(pair) != 2 or not all(is_int(side) and side >= 1 for side in pair):
        raise ValueError(
            f"{caller}: resolution must be an int or (height, width) in pixels, got {reprlib.repr(resolution)}"
        )
    return pair[0], pair[1]


def _bounds(above: float, least: float, most: float) -> str:
    if least > -inf and most < inf:
        return f"a number in [{least:g}, {most:g}]"
    lower = f" above {above:g}" if above > -inf else f" of at least {least:g}" if least > -inf else ""
    return f"a number{lower}" + (f" and at most {most:g}" if most < inf else "")
