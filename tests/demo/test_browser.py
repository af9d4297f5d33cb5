"""The page in a real browser: Chromium of this machine, without a window, and without the internet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from stylelayers.demo import Explorer, Settings, render
from tests.explore.tiny import tiny_alias_free, tiny_generator

pytest.importorskip("gradio", reason='the page needs gradio: pip install "stylelayers[demo]"')
from stylelayers.demo.page import build_page, data_url
from stylelayers.demo.server import serving
from tests.browser import chromium, driver

PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="module")
def explorer() -> Explorer:
    return Explorer(tiny_generator(labels=3), directions=2)


@pytest.fixture(scope="module")
def address(explorer: Explorer) -> Iterator[str]:
    with serving(build_page(explorer, title="tiny <b>")) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as launched:
        yield launched


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The page once its picture is there; in the end nothing has failed, and nothing was asked from elsewhere."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE)
    asked: list[str] = []
    failed: list[object] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: failed.append(error))
    page.goto(address)
    page.wait_for_selector("#picture img")
    yield page
    page.close()
    assert failed == []
    assert len(asked) > 3
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


def slide(page: Any, label: str, value: float) -> None:
    page.get_by_label(f"range slider for {label}", exact=True).fill(str(value))


def choose(page: Any, label: str, value: int) -> None:
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=str(value), exact=True).click()


def tick(page: Any, group: str, layer: str) -> None:
    page.locator("fieldset", has_text=group).get_by_label(layer).click()


def expect_picture(page: Any, explorer: Explorer, where: str = "#picture", **settings: Any) -> None:
    """Wait for the picture of the settings, byte by byte."""
    expected = data_url(render(explorer, Settings(**settings)))
    driver.expect(page.locator(f"{where} img")).to_have_attribute("src", expected, timeout=PATIENCE)


def test_a_slider_changes_the_picture(page: Any, explorer: Explorer) -> None:
    assert page.get_by_text("tiny <b>", exact=True).is_visible()
    before = page.locator("#picture img").get_attribute("src")
    slide(page, "Direction 1", 4)
    page.wait_for_function("before => document.querySelector('#picture img').src != before", arg=before)
    expect_picture(page, explorer, label=0, amounts=[4.0])
    page.get_by_role("button", name="Back to 0").click()
    page.wait_for_function("before => document.querySelector('#picture img').src == before", arg=before)


def test_every_control_affects_the_picture(page: Any, explorer: Explorer) -> None:
    asked: dict[str, Any] = {"label": 0, "mixed_label": 0}
    expect_picture(page, explorer, **asked)
    page.get_by_label("Seed", exact=True).fill("7")
    expect_picture(page, explorer, **(asked := {**asked, "seed": 7}))
    choose(page, "Class", 2)
    expect_picture(page, explorer, **(asked := {**asked, "label": 2}))
    slide(page, "Truncation ψ", 0.6)
    expect_picture(page, explorer, **(asked := {**asked, "truncation_psi": 0.6}))
    page.get_by_label("Noise").click()
    expect_picture(page, explorer, **(asked := {**asked, "noise": False}))
    tick(page, "Layers taken from the second picture", "1: 8x8")
    expect_picture(page, explorer, **(asked := {**asked, "mixed_layers": [1]}))
    page.get_by_label("Second picture's seed").fill("9")
    expect_picture(page, explorer, **(asked := {**asked, "mixed_seed": 9}))
    choose(page, "Its class", 1)
    expect_picture(page, explorer, **(asked := {**asked, "mixed_label": 1}))
    expect_picture(page, explorer, ".thumbnail", seed=9, label=1, truncation_psi=0.6, noise=False)
    slide(page, "Direction 2", -3)
    expect_picture(page, explorer, **(asked := {**asked, "amounts": [0.0, -3.0]}))
    tick(page, "Layers that move", "0: 4x4")
    expect_picture(page, explorer, **(asked := {**asked, "moved_layers": [1, 2, 3]}))
    page.get_by_label("Seed", exact=True).fill("")
    expect_picture(page, explorer, **{**asked, "seed": 0})


def test_sliders_shift_and_turn_the_picture(browser: Any) -> None:
    explorer = Explorer(tiny_alias_free(), directions=1)
    with serving(build_page(explorer, title="tiny")) as url:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(url)
        page.wait_for_selector("#picture img")
        assert page.get_by_label("Noise").count() == 0
        slide(page, "Shift right", 0.25)
        slide(page, "Turn", -30)
        expect_picture(page, explorer, shift=[0.25, 0.0], turn=-30)
        page.close()


def test_the_downloaded_file_is_the_picture_shown(page: Any, explorer: Explorer, tmp_path: Path) -> None:
    page.get_by_role("button", name="Another").first.click()
    driver.expect(page.get_by_label("Seed", exact=True)).not_to_have_value("0", timeout=PATIENCE)
    seed = int(page.get_by_label("Seed", exact=True).input_value())
    expect_picture(page, explorer, label=0, seed=seed)
    with page.expect_download() as download:
        page.get_by_text("Download PNG").click()
    assert download.value.suggested_filename == f"seed{seed}.png"
    download.value.save_as(tmp_path / "x.png")
    expected = render(explorer, Settings(label=0, seed=seed))
    with Image.open(tmp_path / "x.png") as saved:
        assert (saved.format, saved.mode, saved.tobytes()) == ("PNG", expected.mode, expected.tobytes())
