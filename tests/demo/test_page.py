"""What the page offers, without a browser."""

from __future__ import annotations

from typing import Any

import pytest

from stylelayers.demo import Explorer, Settings, render
from tests.explore.tiny import tiny_alias_free, tiny_generator

gr = pytest.importorskip("gradio", reason='the page needs gradio: pip install "stylelayers[demo]"')


@pytest.mark.parametrize(("names", "shown"), [((), "012"), (("a", "<b>", "2"), ("a", "<b>", "2"))])
def test_classes_are_shown_by_name(names: tuple[str, ...], shown: tuple[str, ...]) -> None:
    from stylelayers.demo.page import build_page

    generator = tiny_generator(labels=3)
    generator.class_names = names
    page = build_page(Explorer(generator, directions=2), title="tiny")
    choices = [block.choices for block in page.blocks.values() if isinstance(block, gr.Dropdown)]
    assert choices == [[(name, number) for number, name in enumerate(shown)]] * 2


def test_label_vectors_are_sliders_by_name() -> None:
    from stylelayers.demo.page import build_page, data_url

    generator = tiny_generator(labels=2)
    generator.label_kind, generator.class_names = "vectors", ("a.b", "c")
    explorer = Explorer(generator, directions=1)
    page: Any = build_page(explorer, title="tiny")
    assert not [block for block in page.blocks.values() if isinstance(block, gr.Dropdown)]
    shown, thumbnail = (call for call in page.fns.values() if "render" in call.fn.__name__)
    labels = ["a.b", "c"]
    assert [block.label for block in shown.inputs if isinstance(block, gr.Slider)] == [
        *labels, "Truncation ψ", *labels, "Direction 1"
    ]  # fmt: skip
    values = [block.value for block in shown.inputs]
    values[1:3], values[6:8] = [0.5, 1.0], [-1.0, 0.0]
    first, second = Settings(label=[0.5, 1.0]), Settings(seed=1, label=[-1.0, 0.0])
    for call, settings in ((shown, first), (thumbnail, second)):
        assert data_url(render(explorer, settings)) in call.fn(*values[: len(call.inputs)])


def test_a_generator_of_vectors_gets_none_in_silence() -> None:
    generator = tiny_generator(labels=2)
    generator.label_kind = "vectors"
    with pytest.raises(ValueError, match=r"labels must be given: vectors of 2 numbers such as 0\.2,0\.8"):
        render(Explorer(generator), Settings(seed=1))


def test_alias_free_generators_have_sliders_of_their_position() -> None:
    from stylelayers.demo.page import build_page, data_url

    explorer = Explorer(tiny_alias_free(labels=2), directions=1)
    page: Any = build_page(explorer, title="tiny")
    shown, thumbnail = (call for call in page.fns.values() if "render" in call.fn.__name__)
    labels = [block.label for block in shown.inputs if isinstance(block, gr.Slider)]
    assert labels == ["Truncation ψ", "Shift right", "Shift down", "Turn", "Direction 1"]
    assert not [block for block in page.blocks.values() if getattr(block, "label", "") == "Noise" and block.visible]
    values = [block.value for block in shown.inputs]
    values[-4:] = [0.25, -0.1, 30, 2.0]
    settings = Settings(label=0, shift=[0.25, -0.1], turn=30, amounts=[2.0])
    assert data_url(render(explorer, settings)) in shown.fn(*values)
    assert data_url(render(explorer, Settings(seed=1, label=0))) in thumbnail.fn(*values[: len(thumbnail.inputs)])


def test_other_generators_have_no_such_sliders() -> None:
    from stylelayers.demo.page import build_page

    page: Any = build_page(Explorer(tiny_generator(), directions=1), title="tiny")
    sliders = [block.label for block in page.blocks.values() if isinstance(block, gr.Slider)]
    assert sliders == ["Truncation ψ", "Direction 1"]
