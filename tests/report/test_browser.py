"""The page in a browser, from the disk: nothing fails, nothing is fetched, slider and curves answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from stylelayers.report import write_report
from tests.browser import chromium, driver
from tests.report.folders import make_run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as launched:
        yield launched


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = make_run(tmp_path_factory.mktemp("runs") / "RUN", overrides=["long=" + "x" * 300])
    return write_report(folder).as_uri()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page; in the end nothing has failed, and nothing but itself was asked for."""
    page = browser.new_page()
    asked: list[str] = []
    failed: list[object] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(error))
    page.on("console", lambda message: failed.append(message.text))
    page.goto(address)
    yield page
    page.close()
    assert failed == []
    assert [url for url in asked if not url.startswith("data:")] == [address]


def shown_frame(page: Any) -> list[str]:
    return list(page.locator(".film img:visible").evaluate_all("all => all.map(each => each.dataset.title)"))


def test_the_slider_changes_the_picture(page: Any) -> None:
    slider = page.get_by_label("frame")
    assert shown_frame(page) == ["end of training"]
    slider.fill("1")
    assert shown_frame(page) == [page.locator(".film output").inner_text()] == ["1,000 images"]
    slider.press("ArrowLeft")
    assert shown_frame(page) == ["0 images"]
    page.get_by_label("play").click()
    driver.expect(page.locator(".film output")).to_have_text("end of training")
    assert shown_frame(page) == ["end of training"]
    assert page.locator(".film img:visible").evaluate("image => image.naturalWidth") == 60


def test_curves_are_drawn_and_tell_their_values(page: Any) -> None:
    chart = page.locator(".chart", has_text="loss/generator")
    box = chart.locator("svg").bounding_box()
    line = chart.locator(".line").first.bounding_box()
    assert line["width"] > 0.8 * box["width"] and line["height"] > 0.6 * box["height"]
    assert chart.locator(".line").first.evaluate("path => getComputedStyle(path).stroke") != "none"
    values = chart.locator(".key output")
    assert values.all_inner_texts() == ["9", "1"]
    chart.locator("svg").hover(position={"x": 0.15 * box["width"], "y": 0.5 * box["height"]})
    assert values.all_inner_texts() == ["1", "9"]
    assert "at 0" in chart.inner_text()
    page.mouse.move(0, 0)
    assert values.all_inner_texts() == ["9", "1"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_it_fits_any_screen(page: Any, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.locator("summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == (scheme == "dark")
