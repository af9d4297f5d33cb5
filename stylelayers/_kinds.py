"""Plain values and the types of constructors' arguments: what a value of a configuration means to a type."""

from __future__ import annotations

import collections.abc
import inspect
import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

__all__ = ["UnfitError", "as_time", "expected", "taken"]

_LISTS = (list, tuple, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_MAPPINGS = (dict, collections.abc.Mapping)
_PATHS = (Path, os.PathLike)
_MADE = "what a _target_ makes"
_UNTYPED = (Any, inspect.Parameter.empty, object)
_NUMBER = re.compile(r"([+-]?(?:\d[\d_]*)?\.?\d+(?:e[+-]?\d+)?)([kKmM]?)")
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d\d):(\d\d)")
_SPOKEN = re.compile(r"(\d*\.?\d+) ?(|s|m|min|h|d)", re.IGNORECASE)
_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_THOUSANDS = {"": 1, "k": 10**3, "m": 10**6}


class UnfitError(ValueError):
    """A value that a type does not take."""


def taken(value: Any, kind: Any) -> Any:
    """The value as an argument of a type takes it.

    Where the meaning is plain, it need not be the type's own: 10k, 1.5M and 1e4 are integers, a word is a list of one,
    a number is a name, ``~`` the home folder, and a time is 12h, 90m, 01:30:00 or a number of seconds.

    Raises:
        UnfitError: the type does not take it.

    Example:
        >>> from collections.abc import Sequence
        >>> taken("10k", int), taken(3.0, int | None), taken("fid", Sequence[str] | None), taken(90, timedelta)
        (10000, 3, ['fid'], '00:00:01:30')
    """
    origin = get_origin(kind) or kind
    if kind in _UNTYPED:
        return value
    if origin in (Union, UnionType):
        return _any_of(value, get_args(kind))
    if origin is Literal:
        return _literal(value, get_args(kind))
    if origin in _READ:
        return _READ[origin](value)
    if origin in _LISTS:
        return _list(value, get_args(kind), pair=origin is tuple)
    if origin in _MAPPINGS:
        return _mapping(value, get_args(kind))
    return _made(value)


def expected(kind: Any) -> str:
    """What a type takes, in words.

    Example:
        >>> from collections.abc import Sequence
        >>> expected(int | Sequence[int] | None)
        'an integer, a list (an integer, ...) or null'
    """
    *others, last = dict.fromkeys(_words(kind))
    return f"{', '.join(others)} or {last}" if others else last


def _words(kind: Any) -> Sequence[str]:
    """Of each thing that a type takes; a class beside plain values is left out."""
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if origin in (Union, UnionType):
        words = [word for part in _alternatives(parts) for word in _words(part)]
        plain = [word for word in words if not word.startswith(_MADE)]
        return words if plain in ([], ["null"]) else plain
    if origin is Literal:
        return [str(part) for part in parts]
    if origin in _LISTS:
        items = [expected(part) for part in parts if part is not Ellipsis and part not in _UNTYPED]
        return [f"a list ({', '.join(items)}{'' if origin is tuple else ', ...'})" if items else "a list"]
    if origin in _MAPPINGS:
        return ["a mapping {name: value, ...}"]
    return _WORDS.get(origin, (f"{_MADE} ({getattr(origin, '__name__', origin)})",))


def _alternatives(kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    """Types without those that another one reads in a stricter way: text that is a path, or a time."""
    if timedelta in kinds:
        return tuple(kind for kind in kinds if kind in (timedelta, type(None)))
    has_path = any((get_origin(kind) or kind) in _PATHS for kind in kinds)
    return tuple(kind for kind in kinds if kind is not str) if has_path else kinds


def _any_of(value: Any, kinds: tuple[Any, ...]) -> Any:
    """As the first type takes it that leaves it as it is, or else as the first one that takes it."""
    results = []
    for kind in _alternatives(kinds):
        try:
            results.append(taken(value, kind))
        except UnfitError:
            continue
    if not results:
        raise UnfitError
    return next((result for result in results if type(result) is type(value) and result == value), results[0])


def _float(value: Any) -> float:
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        value = float(match[1]) * _THOUSANDS[match[2].lower()]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise UnfitError
    return value


def _int(value: Any) -> int:
    number = _float(value)
    if not float(number).is_integer():
        raise UnfitError
    return int(number)


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise UnfitError
    return value


def _str(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise UnfitError
    return str(value)


def _none(value: Any) -> None:
    if value is not None:
        raise UnfitError


def _path(value: Any) -> str:
    if value == "":
        raise UnfitError
    return os.path.expanduser(_str(value))


def _time(value: Any) -> str:
    """Days, hours, minutes and seconds: as they are, from {minutes: 5} or 5m, or from a number of seconds."""
    try:
        time = timedelta(**value) if isinstance(value, Mapping) else timedelta(seconds=_seconds(value))
    except (TypeError, OverflowError):
        raise UnfitError from None
    if time < timedelta(0):
        raise UnfitError
    return as_time(time.total_seconds())


def _seconds(value: Any) -> float:
    if not isinstance(value, str):
        return _float(value)
    if clock := _CLOCK.fullmatch(value):
        return sum(
            int(count or 0) * seconds for count, seconds in zip(clock.groups(), (86400, 3600, 60, 1), strict=True)
        )
    if (spoken := _SPOKEN.fullmatch(value)) is None:
        raise UnfitError
    return float(spoken[1]) * _UNITS[spoken[2].lower()]


def as_time(seconds: float) -> str:
    """Days, hours, minutes and seconds, rounded up."""
    seconds = math.ceil(seconds)
    return f"{seconds // 86400:02d}:{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _literal(value: Any, choices: tuple[Any, ...]) -> Any:
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise UnfitError
    return value


def _list(value: Any, kinds: tuple[Any, ...], *, pair: bool) -> list[Any]:
    if isinstance(value, str) and value:
        value = [value]
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise UnfitError
    items = list(value)
    if not pair or not kinds or kinds[-1] is Ellipsis:
        kinds = (kinds[0] if kinds else Any,) * len(items)
    if len(items) != len(kinds):
        raise UnfitError
    return [taken(item, kind) for item, kind in zip(items, kinds, strict=True)]


def _mapping(value: Any, kinds: tuple[Any, ...]) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise UnfitError
    return {key: taken(item, kinds[1] if kinds else Any) for key, item in value.items()}


def _made(value: Any) -> Any:
    """Of a class or a callable: what Hydra makes, no plain value."""
    if not (isinstance(value, Mapping) and "_target_" in value):
        raise UnfitError
    return value


_READ: dict[Any, Callable[[Any], Any]] = {
    int: _int,
    float: _float,
    bool: _bool,
    str: _str,
    type(None): _none,
    timedelta: _time,
    **dict.fromkeys(_PATHS, _path),
}
_WORDS: dict[Any, Sequence[str]] = {
    int: ("an integer",),
    float: ("a number",),
    bool: ("true", "false"),
    str: ("text",),
    type(None): ("null",),
    timedelta: ("days:hours:minutes:seconds", "12h", "90m", "a number of seconds"),
    **dict.fromkeys(_PATHS, ("a path",)),
}
