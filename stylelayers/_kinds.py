"""Conversion of a configuration's plain values to the types of arguments, by their annotations."""

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

_LISTS = (list, tuple, collections.abc.Sequence, collections.abc.Iterable, collections.abc.Collection)
_MAPPINGS = (dict, collections.abc.Mapping)
_PATHS = (Path, os.PathLike)
_BUILT = "what a _target_ makes"
_UNTYPED = (Any, inspect.Parameter.empty, object)
_NUMBER = re.compile(r"([+-]?(?:\d[\d_]*)?\.?\d+(?:e[+-]?\d+)?)([kKmM]?)")
_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d\d):(\d\d)")
_WITH_UNIT = re.compile(r"(\d*\.?\d+) ?(|s|m|min|h|d)", re.IGNORECASE)
_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_THOUSANDS = {"": 1, "k": 10**3, "m": 10**6}


class ConversionError(ValueError):
    """A value that has no conversion to a type."""


def convert_value(value: Any, annotation: Any) -> Any:
    """Convert a plain value to what an argument with this annotation accepts.

    10k, 1.5M and 1e4 are integers, a word is a list of one, a number is also text, ``~`` is the home folder, and a time
    is 12h, 90m, 01:30:00 or a number of seconds.

    Raises:
        ConversionError: the type does not accept the value.

    Example:
        >>> from collections.abc import Sequence
        >>> convert_value("10k", int), convert_value("fid", Sequence[str] | None), convert_value(90, timedelta)
        (10000, ['fid'], '00:00:01:30')
    """
    origin = get_origin(annotation) or annotation
    if annotation in _UNTYPED:
        return value
    if origin in (Union, UnionType):
        return _union(value, get_args(annotation))
    if origin is Literal:
        return _literal(value, get_args(annotation))
    if origin in _CONVERTERS:
        return _CONVERTERS[origin](value)
    if origin in _LISTS:
        return _list(value, get_args(annotation), pair=origin is tuple)
    if origin in _MAPPINGS:
        return _mapping(value, get_args(annotation))
    return _built(value)


def describe_type(annotation: Any) -> str:
    """The values that a type accepts, in words.

    Example:
        >>> from collections.abc import Sequence
        >>> describe_type(int | Sequence[int] | None)
        'an integer, a list (an integer, ...) or null'
    """
    *others, last = dict.fromkeys(_words(annotation))
    return f"{', '.join(others)} or {last}" if others else last


def _words(annotation: Any) -> Sequence[str]:
    """One description per alternative; classes are left out if there are plain values too."""
    origin, parts = get_origin(annotation) or annotation, get_args(annotation)
    if origin in (Union, UnionType):
        words = [word for part in _alternatives(parts) for word in _words(part)]
        plain = [word for word in words if not word.startswith(_BUILT)]
        return words if plain in ([], ["null"]) else plain
    if origin is Literal:
        return [str(part) for part in parts]
    if origin in _LISTS:
        items = [describe_type(part) for part in parts if part is not Ellipsis and part not in _UNTYPED]
        return [f"a list ({', '.join(items)}{'' if origin is tuple else ', ...'})" if items else "a list"]
    if origin in _MAPPINGS:
        return ["a mapping {name: value, ...}"]
    return _WORDS.get(origin, (f"{_BUILT} ({getattr(origin, '__name__', origin)})",))


def _alternatives(annotations: tuple[Any, ...]) -> tuple[Any, ...]:
    """The types without ``str`` if another one reads text more strictly: a path or a time."""
    if timedelta in annotations:
        return tuple(annotation for annotation in annotations if annotation in (timedelta, type(None)))
    has_path = any((get_origin(annotation) or annotation) in _PATHS for annotation in annotations)
    return tuple(annotation for annotation in annotations if annotation is not str) if has_path else annotations


def _union(value: Any, annotations: tuple[Any, ...]) -> Any:
    """Convert to the first type that leaves the value unchanged, or else to the first that accepts it."""
    results = []
    for annotation in _alternatives(annotations):
        try:
            results.append(convert_value(value, annotation))
        except ConversionError:
            continue
    if not results:
        raise ConversionError
    return next((result for result in results if type(result) is type(value) and result == value), results[0])


def _float(value: Any) -> float:
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        value = float(match[1]) * _THOUSANDS[match[2].lower()]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        raise ConversionError
    return value


def _int(value: Any) -> int:
    number = _float(value)
    if not float(number).is_integer():
        raise ConversionError
    return int(number)


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConversionError
    return value


def _str(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ConversionError
    return str(value)


def _none(value: Any) -> None:
    if value is not None:
        raise ConversionError


def _path(value: Any) -> str:
    if value == "":
        raise ConversionError
    return os.path.expanduser(_str(value))


def _time(value: Any) -> str:
    """Convert a clock time, 5m, {minutes: 5} or a number of seconds to days:hours:minutes:seconds."""
    try:
        time = timedelta(**value) if isinstance(value, Mapping) else timedelta(seconds=_seconds(value))
    except (TypeError, OverflowError):
        raise ConversionError from None
    if time < timedelta(0):
        raise ConversionError
    return format_time(time.total_seconds())


def _seconds(value: Any) -> float:
    if not isinstance(value, str):
        return _float(value)
    if clock := _CLOCK.fullmatch(value):
        return sum(
            int(count or 0) * seconds for count, seconds in zip(clock.groups(), (86400, 3600, 60, 1), strict=True)
        )
    if (amount := _WITH_UNIT.fullmatch(value)) is None:
        raise ConversionError
    return float(amount[1]) * _UNITS[amount[2].lower()]


def format_time(seconds: float) -> str:
    """Days, hours, minutes and seconds, rounded up: ``00:00:01:30``."""
    seconds = math.ceil(seconds)
    return f"{seconds // 86400:02d}:{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _literal(value: Any, choices: tuple[Any, ...]) -> Any:
    if not any(type(value) is type(choice) and value == choice for choice in choices):
        raise ConversionError
    return value


def _list(value: Any, annotations: tuple[Any, ...], *, pair: bool) -> list[Any]:
    if isinstance(value, str) and value:
        value = [value]
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise ConversionError
    items = list(value)
    if not pair or not annotations or annotations[-1] is Ellipsis:
        annotations = (annotations[0] if annotations else Any,) * len(items)
    if len(items) != len(annotations):
        raise ConversionError
    return [convert_value(item, annotation) for item, annotation in zip(items, annotations, strict=True)]


def _mapping(value: Any, annotations: tuple[Any, ...]) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise ConversionError
    return {key: convert_value(item, annotations[1] if annotations else Any) for key, item in value.items()}


def _built(value: Any) -> Any:
    """A class or a callable accepts what Hydra builds, and no plain value."""
    if not (isinstance(value, Mapping) and "_target_" in value):
        raise ConversionError
    return value


_CONVERTERS: dict[Any, Callable[[Any], Any]] = {
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
