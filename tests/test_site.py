"""The site of `docs/`: an entry for every public name, the strictness of its build, and its search in a browser.

The sources are tested everywhere, the rules of the build where Sphinx is installed (`pip install -e ".[docs]"`), and
the built site where `STYLELAYERS_SITE` names its folder, as in `.ci/run`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOCS = Path(__file__).parent.parent / "docs"
PACKAGES = [path.stem for path in sorted((DOCS / "reference").glob("*.rst")) if path.stem != "index"]
ALL_PACKAGES = {
    "functional", "layers", "models", "losses", "augment", "testing", "compat", "checkpoints", "explore", "export",
    "images", "data", "metrics", "training",
}  # fmt: skip
ENTRIES = re.compile(r"^\.\. names::\n\n((?:   .+\n?)+)", re.MULTILINE)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
BROKEN = {  # page → its text; each line of `COMPLAINTS` is about one of them
    "index.md": "# Start\n\n```{toctree}\npage\n```\n",
    "page.md": "# Page\n\n[file](missing.md), [heading](index.md#nowhere)\n\n{math}`\\nocommand`\n\n"
    "{py:func}`stylelayers.losses.missing_penalty`\n",
    "orphan.md": "# Orphan\n",
}
COMPLAINTS = ("missing.md", "'nowhere'", "nocommand", "missing_penalty", "orphan.md")


def package(name: str) -> ModuleType:
    return import_module(f"stylelayers.{name}")


def names_with_entries(name: str) -> list[str]:
    source = (DOCS / "reference" / f"{name}.rst").read_text(encoding="utf-8")
    return " ".join(ENTRIES.findall(source)).split()


def missing(entries: dict[str, list[str]], name: str) -> list[str]:
    """Public names of a package without an entry here or, if another package exports the same object, there."""
    documented = {id(getattr(package(home), entry)) for home, names in entries.items() for entry in names}
    return [public for public in package(name).__all__ if id(getattr(package(name), public)) not in documented]


def test_every_package_has_a_page() -> None:
    assert set(PACKAGES) == ALL_PACKAGES


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_has_an_entry(name: str) -> None:
    entries = {home: names_with_entries(home) for home in PACKAGES}
    assert missing(entries, name) == []
    assert set(entries[name]) <= set(package(name).__all__)


def test_every_name_has_one_entry() -> None:
    objects = [id(getattr(package(name), entry)) for name in PACKAGES for entry in names_with_entries(name)]
    assert len(objects) == len(set(objects))


def test_the_package_itself_has_no_name_of_its_own() -> None:
    import stylelayers

    named = {*package("layers").__all__, *package("models").__all__, *PACKAGES}
    assert set(stylelayers.__all__) <= named


def test_what_the_build_refuses(tmp_path: Path) -> None:
    pytest.importorskip("furo", reason='the site needs Sphinx: pip install -e ".[docs]"')
    source = tmp_path / "source"
    source.mkdir()
    for page, text in BROKEN.items():
        (source / page).write_text(text)
    options = ["-q", "-W", "--keep-going", "-c", str(DOCS), str(source), str(tmp_path / "site")]
    built = subprocess.run([sys.executable, "-m", "sphinx", *options], capture_output=True, text=True)
    assert built.returncode == 1
    assert [complaint for complaint in COMPLAINTS if complaint not in built.stderr] == []


def test_links_lead_to_the_same_place_on_the_site(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sphinx", reason='the site needs Sphinx: pip install -e ".[docs]"')
    monkeypatch.syspath_prepend(DOCS / "_extensions")
    on_site = import_module("repository_links").with_links_of_site
    assert on_site("[docs/data.md](docs/data.md)", "README.md", "docs/index.md") == "[](data.md)"
    assert on_site("[rooms](CONTRIBUTING.md#rooms)", "README.md", "docs/index.md") == "[rooms](contributing.md#rooms)"
    assert on_site("![x](docs/digits.png)", "README.md", "docs/index.md") == "![x](digits.png)"
    assert on_site("[a](../README.md), [b](../examples/a.py)", "docs/a.md", "docs/a.md") == (
        "[a](index.md), [b](../examples/a.py)"
    )
    assert on_site("[a](../data.md)", "docs/from/a.md", "docs/from/a.md") == "[a](../data.md)"
    assert on_site("[a](https://arxiv.org/abs/1), [b](#b)", "README.md", "docs/index.md") == (
        "[a](https://arxiv.org/abs/1), [b](#b)"
    )


@pytest.fixture(scope="session")
def site() -> Path:
    if "STYLELAYERS_SITE" not in os.environ:
        pytest.skip("STYLELAYERS_SITE names no built site; .ci/run builds one")
    return Path(os.environ["STYLELAYERS_SITE"]).absolute()


def test_the_built_site_has_the_entries(site: Path) -> None:
    inventory = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    names = {line.split()[0] for line in zlib.decompress(inventory).decode().splitlines()}
    entries = {
        name: [public for public in package(name).__all__ if f"stylelayers.{name}.{public}" in names]
        for name in PACKAGES
    }
    assert [public for name in PACKAGES for public in missing(entries, name)] == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None or find_spec("playwright") is None:
        pytest.skip("needs playwright, and chromium on PATH (the system's package; none is downloaded)")
    driver: Any = import_module("playwright.sync_api")
    with driver.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield chromium
        chromium.close()


def test_the_search_finds_an_entry_without_a_server(site: Path, browser: Any) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((site / "index.html").as_uri())
    page.get_by_label("Search").fill("modulated")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="stylelayers.layers.ModulatedConv2d").click()
    assert page.locator("[id='stylelayers.layers.ModulatedConv2d']").is_visible()
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    page.close()


@pytest.mark.parametrize("name", ["index", "gallery", "derivatives", "reference/layers", "reference/configuration"])
def test_pages_are_no_wider_than_a_narrow_screen(site: Path, browser: Any, name: str) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.goto((site / f"{name}.html").as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
