"""Conversion of a configuration's values to the types of arguments."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, Optional, Union

import pytest
from torch import Tensor, nn

from stylelayers._kinds import ConversionError, convert_value, describe_type

MADE = {"_target_": "torch.nn.Identity"}
TIME = "days:hours:minutes:seconds, 12h, 90m"
HOME = os.path.expanduser("~")

CONVERTED: list[tuple[Any, Any, Any]] = [
    (int, 3, 3),
    (int, "10k", 10_000),
    (int, "1.5M", 1_500_000),
    (int, "10_000", 10_000),
    (int, 1e4, 10_000),
    (int, "1e4", 10_000),
    (int | None, None, None),
    (float, 3, 3),
    (float, "2k", 2000.0),
    (float, float("inf"), float("inf")),
    (float | Tensor, 0.1, 0.1),
    (float | str, "auto", "auto"),
    (bool, True, True),
    (int | bool, True, True),
    (int | bool, 1, 1),
    (Union[int, float, None], 1.0, 1.0),  # noqa: UP007
    (Union[list[int], str, int], 2, 2),  # noqa: UP007
    (str, 2024, "2024"),
    (str | None, None, None),
    (str | Path | None, "~/pictures", f"{HOME}/pictures"),
    (str | os.PathLike[str], "~", HOME),
    (str | os.PathLike[str] | None, 2024, "2024"),
    (Path, "10k", "10k"),
    (Sequence[str], "generator.mapping", ["generator.mapping"]),
    (Sequence[str] | None, "fid", ["fid"]),
    (Sequence[str], [], []),
    (int | Sequence[int], [32, 48], [32, 48]),
    (Sequence[tuple[float, float]] | None, [[0, 1], ["10k", 0.1]], [[0, 1], [10_000, 0.1]]),
    (tuple[float, ...], [1, 2, 3], [1, 2, 3]),
    (Mapping[str, float] | None, {"flip": 0}, {"flip": 0}),
    (Literal[16, "16-mixed"], "16-mixed", "16-mixed"),
    (Union[str, timedelta, dict[str, int], None], 600, "00:00:10:00"),  # noqa: UP007
    (Union[str, timedelta, dict[str, int], None], 90_061.5, "01:01:01:02"),  # noqa: UP007
    (Union[str, timedelta, dict[str, int], None], "01:00:00:00", "01:00:00:00"),  # noqa: UP007
    (Union[str, timedelta, dict[str, int], None], {"minutes": 5}, "00:00:05:00"),  # noqa: UP007
    *(
        (timedelta, written, "00:01:30:00")
        for written in ("90m", "90 min", "1.5h", "5400s", "5400", "01:30:00", "0:1:30:00", "0.0625D")
    ),
    (Optional[timedelta], None, None),  # noqa: UP045
    (nn.Module, MADE, MADE),
    (nn.Module | None, None, None),
    (Callable[[int], int], MADE, MADE),
    (str | nn.Module, MADE, MADE),
    (Any, "anything", "anything"),
]

REFUSED: list[tuple[Any, Any, str]] = [
    (int, "abc", "an integer"),
    (int, 1.5, "an integer"),
    (int, True, "an integer"),
    (int, float("inf"), "an integer"),
    (int, float("nan"), "an integer"),
    (int, [3], "an integer"),
    (int, None, "an integer"),
    (float, "fast", "a number"),
    (float, False, "a number"),
    (float | Tensor | None, "k", "a number or null"),
    (bool, "yes", "true or false"),
    (bool, 1, "true or false"),
    (str, 1.5, "text"),
    (str, True, "text"),
    (str, [], "text"),
    (str | Path | None, True, "a path or null"),
    (str | os.PathLike[str], "", "a path"),
    (Sequence[str], 5, "a list (text, ...)"),
    (Sequence[str], "", "a list (text, ...)"),
    (Sequence[str], {"a": 1}, "a list (text, ...)"),
    (int | Sequence[int], "8x8", "an integer or a list (an integer, ...)"),
    (tuple[float, float], [0.1], "a list (a number, a number)"),
    (tuple[float, float], 0.1, "a list (a number, a number)"),
    (Sequence[Any], 3, "a list"),
    (Mapping[str, float], {"flip": "never"}, "a mapping {name: value, ...}"),
    (Mapping[str, float], ["flip"], "a mapping {name: value, ...}"),
    (Literal[16, "16-mixed"], 17, "16 or 16-mixed"),
    (Literal[32, "32"] | bool | None, 17, "32, true, false or null"),
    (Union[str, timedelta, None], "soon", f"{TIME}, a number of seconds or null"),  # noqa: UP007
    (timedelta, -1, f"{TIME} or a number of seconds"),
    (timedelta, "10:00", f"{TIME} or a number of seconds"),
    (timedelta, "10k", f"{TIME} or a number of seconds"),
    (timedelta, "-5m", f"{TIME} or a number of seconds"),
    (timedelta, "inf", f"{TIME} or a number of seconds"),
    (timedelta, {"moons": 1}, f"{TIME} or a number of seconds"),
    (timedelta, True, f"{TIME} or a number of seconds"),
    (nn.Module, 5, "what a _target_ makes (Module)"),
    (nn.Module | None, {"a": 1}, "what a _target_ makes (Module) or null"),
    (Callable[[int], int], "relu", "what a _target_ makes (Callable)"),
]


@pytest.mark.parametrize(("kind", "value", "meant"), CONVERTED, ids=str)
def test_values_are_converted_to_the_type(kind: Any, value: Any, meant: Any) -> None:
    found = convert_value(value, kind)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(("kind", "value", "words"), REFUSED, ids=str)
def test_other_values_are_refused_and_the_type_described(kind: Any, value: Any, words: str) -> None:
    with pytest.raises(ConversionError):
        convert_value(value, kind)
    assert describe_type(kind) == words
