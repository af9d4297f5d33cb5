"""Axes and curves: places, ticks, groups, averages."""

from __future__ import annotations

import math
import re

import pytest

from stylelayers.report.curves import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, charts, short


def places(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def test_a_curve_spans_the_chart() -> None:
    chart = charts({"a": [(0, 1.0), (100, 2.0)]})[0]
    (x0, y0), (x1, y1) = places(chart.curves[0].line)
    assert (x0, x1) == (LEFT, WIDTH - RIGHT)
    assert TOP < y1 < y0 < HEIGHT - BOTTOM
    assert chart.curves[0].points == [(x0, 0, "1"), (x1, 100, "2")]
    assert chart.curves[0].band == "" and len(places(chart.curves[0].dots)) == 2


def test_wide_ranges_are_logarithmic() -> None:
    chart = charts({"a": [(0, 1.0), (1, 10.0), (2, 100.0)]})[0]
    ys = [y for _, y in places(chart.curves[0].line)]
    assert chart.y.is_log and ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.2)
    assert not charts({"a": [(0, 0.0), (2, 100.0)]})[0].y.is_log
    assert not charts({"a": [(0, 10.0), (2, 100.0)]})[0].y.is_log


def test_long_curves_are_averages_within_their_range() -> None:
    points = [(float(n), float(n % 2)) for n in range(4000)]
    curve = charts({"a": points})[0].curves[0]
    assert len(curve.points) == 200 and curve.dots == ""
    assert {text for _, _, text in curve.points} == {"0.5"}
    ys = {y for _, y in places(curve.band)}
    middle = {y for _, y in places(curve.line)}
    assert len(ys) == 2 and len(middle) == 1 and min(ys) < min(middle) < max(ys)


def test_metrics_that_belong_together_share_a_chart() -> None:
    names = ("z", "penalty/r1", "logits/fake", "loss/discriminator", "loss/generator", "quality/recall", "quality/fid")
    found = [[curve.name for curve in chart.curves] for chart in charts({name: [(1, 1.0)] for name in names})]
    together = ["loss/generator", "loss/discriminator"]
    assert found == [["quality/fid"], ["quality/recall"], together, ["logits/fake"], ["penalty/r1"], ["z"]]


def test_values_that_are_not_finite_are_left_out() -> None:
    assert charts({"a": [(0, math.nan), (1, math.inf)]}) == []
    assert [text for _, _, text in charts({"a": [(0, math.nan), (1, 2.0)]})[0].curves[0].points] == ["2"]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3, 7), (0.001, 0.0012), (1e5, 3e7), (-1e-9, 1e-9), (5, 5.5)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    ticks = Axis(low, high, 0, 100).ticks()
    assert 2 <= len(ticks) <= 6
    assert all(0 <= place <= 100 for place, _ in ticks)
    assert len({text for _, text in ticks}) == len(ticks)


@pytest.mark.parametrize(("low", "high"), [(1, 100), (0.03, 1.9), (1e-9, 1e9), (2, 70)])
def test_logarithmic_ticks(low: float, high: float) -> None:
    ticks = Axis(low, high, 0, 100, is_log=True).ticks()
    assert 2 <= len(ticks) <= 8 and all(0 <= place <= 100 for place, _ in ticks)


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0, 1e-12])
def test_a_constant_has_an_axis(value: float) -> None:
    chart = charts({"a": [(0, value), (5, value)]})[0]
    assert chart.y.low < value < chart.y.high and chart.y.ticks()


def test_short_numbers() -> None:
    numbers = (0, 0.00123456, 999, 9_999, 12_500, 1_500_000, 2.5e9, -20_000)
    assert [*map(short, numbers)] == ["0", "0.001235", "999", "9999", "12.5k", "1.5M", "2.5G", "-20k"]
