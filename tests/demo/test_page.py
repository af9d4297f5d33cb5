"""What the page offers, without a browser."""

from __future__ import annotations

import pytest

from stylelayers.demo import Explorer
from tests.explore.tiny import tiny_generator

gr = pytest.importorskip("gradio", reason='the page needs gradio: pip install "stylelayers[demo]"')


@pytest.mark.parametrize(("names", "shown"), [((), "012"), (("a", "<b>", "2"), ("a", "<b>", "2"))])
def test_classes_are_shown_by_name(names: tuple[str, ...], shown: tuple[str, ...]) -> None:
    from stylelayers.demo.page import build_page

    generator = tiny_generator(labels=3)
    generator.class_names = names
    page = build_page(Explorer(generator, directions=2), title="tiny")
    choices = [block.choices for block in page.blocks.values() if isinstance(block, gr.Dropdown)]
    assert choices == [[(name, number) for number, name in enumerate(shown)]] * 2
