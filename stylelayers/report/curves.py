"""Curves of metrics as the parts of an SVG: paths, axes, and points for the reader of a page to look up."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

import numpy as np

from .._better import DIRECTIONS
from .reading import Series

WIDTH, HEIGHT = 420, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 10, 26  # margins
_TOGETHER = (
    ("quality/fid",),
    ("loss/generator", "loss/discriminator"),
    ("logits/real", "logits/fake"),
    ("quality/precision", "quality/recall"),
    ("quality/density", "quality/coverage"),
    ("quality/recognised", "quality/asked_recognised", "quality/smallest_class"),
)
_ORDER = ("quality", "loss", "logits", "penalty", "samples")  # of prefixes; the others follow by name
_MOST_POINTS = 200  # of a curve; longer ones are averaged in pieces
_MOST_DOTS = 40  # of a curve whose points are marked
_LOG_RATIO = 30  # of the largest to the smallest value, from which on an axis is logarithmic
_OUTLIERS = 0.05  # share of the ranges at either end that an axis may cut off


@dataclass(frozen=True)
class Axis:
    """Places of values along one side of a chart."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def place(self, value: float) -> float:
        """The place of a value, or of the nearest that is on the axis."""
        values = (self.low, self.high, min(max(value, self.low), self.high))
        low, high, at = map(log10, values) if self.is_log else values
        return round(self.start + (at - low) / (high - low) * (self.end - self.start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Places and labels of round values."""
        values = _decades(self.low, self.high) if self.is_log else _round_steps(self.low, self.high)
        return [(self.place(value), short(value)) for value in values]


@dataclass(frozen=True)
class Curve:
    """One metric: its line, the range around it where it is an average, dots, and its points ``(place, x, value)``."""

    name: str
    line: str
    band: str
    dots: str
    points: Sequence[tuple[float, float, str]]


@dataclass(frozen=True)
class Chart:
    """Metrics that share their axes."""

    x: Axis
    y: Axis
    curves: Sequence[Curve]


def charts(series: Series) -> list[Chart]:
    """A chart for each metric, or several that belong together; values that are not finite are left out."""
    finite = {name: [point for point in points if isfinite(point[1])] for name, points in series.items()}
    finite = {name: points for name, points in finite.items() if points}
    end = max((points[-1][0] for points in finite.values()), default=0.0)
    x = Axis(0, max(end, 1.0), LEFT, WIDTH - RIGHT)
    return [_chart(x, {name: finite[name] for name in names}) for names in _groups(finite)]


def short(value: float) -> str:
    """A number in few characters: 12.5k, 25M, 0.003."""
    for least, size, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def _groups(names: Iterable[str]) -> list[tuple[str, ...]]:
    """The names of each chart, in the order of the charts."""
    known = set(names)
    groups = [tuple(name for name in group if name in known) for group in _TOGETHER]
    grouped = {name for group in groups for name in group}
    groups += [(name,) for name in sorted(known - grouped)]

    def order(group: tuple[str, ...]) -> int:
        prefix = group[0].partition("/")[0]
        return _ORDER.index(prefix) if prefix in _ORDER else len(_ORDER)

    return sorted(filter(None, groups), key=order)


def _chart(x: Axis, series: Series) -> Chart:
    pieces = {name: _averaged(points) for name, points in series.items()}
    y = _value_axis(np.concatenate(list(pieces.values())), may_be_log=not any(map(_is_high_best, series)))
    return Chart(x, y, [_curve(name, found, len(series[name]), x, y) for name, found in pieces.items()])


def _averaged(points: Sequence[tuple[float, float]]) -> np.ndarray:
    """Mean place, mean value, least and largest value of successive points, in at most `_MOST_POINTS` rows."""
    pieces = np.array_split(np.array(points), min(len(points), _MOST_POINTS))
    return np.array([(*piece.mean(0), piece[:, 1].min(), piece[:, 1].max()) for piece in pieces])


def _is_high_best(name: str) -> bool:
    """Whether a metric is a share that is best at 1, or a ratio in dB."""
    return DIRECTIONS.get(name.removeprefix("quality/")) == "max"


def _value_axis(rows: np.ndarray, *, may_be_log: bool) -> Axis:
    """An axis for the means and, but for outliers, the ranges around them."""
    low, high = rows[:, 1].min(), rows[:, 1].max()
    is_log = bool(may_be_log and low > 0 and high / low >= _LOG_RATIO)
    least, most = np.quantile(rows[:, 2], _OUTLIERS), np.quantile(rows[:, 3], 1 - _OUTLIERS)
    low, high = low if is_log and least <= 0 else min(low, least), max(high, most)
    margin = 0.0 if is_log else 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return Axis(float(low - margin), float(high + margin), HEIGHT - BOTTOM, TOP, is_log)


def _curve(name: str, rows: np.ndarray, count: int, x: Axis, y: Axis) -> Curve:
    """The curve of averages of `count` points."""
    places = [(x.place(at), y.place(mean)) for at, mean, _, _ in rows]
    edges = [(x.place(at), y.place(high)) for at, _, _, high in rows]
    edges += [(x.place(at), y.place(low)) for at, _, low, _ in rows[::-1]]
    shown = [
        (place, round(at), f"{mean:.4g}") for (place, _), (at, mean, *_) in zip(places, rows.tolist(), strict=True)
    ]
    return Curve(
        name,
        line=_path(places),
        band=_path(edges) + "Z" if len(rows) < count else "",
        dots="".join(f"M{at:g} {value:g}h0" for at, value in places) if len(rows) <= _MOST_DOTS else "",
        points=shown,
    )


def _path(places: Iterable[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in places)


def _round_steps(low: float, high: float) -> list[float]:
    """About four multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 4
    power = 10 ** floor(log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [number * step for number in range(ceil(low / step), floor(high / step) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Powers of ten, at most five of them, or 1, 2 and 5 times those of a narrow range."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    step = ceil(len(powers) / 5)
    factors = (1, 2, 5) if len(powers) <= 3 else (1,)
    return [v for power in powers if power % step == 0 for f in factors if low <= (v := f * 10.0**power) <= high]
