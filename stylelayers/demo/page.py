"""The page: controls, and a picture that follows them. Pictures stay in memory; nothing is fetched or sent."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from html import escape
from io import BytesIO
from random import randrange
from typing import Any

from .._extras import needs_extra
from ..explore import class_titles
from .rendering import Explorer, Settings, layer_names, render

with needs_extra(__name__, "demo"):
    import gradio as gr
    from gradio.components import Component
    from PIL import Image

__all__ = ["LOOK", "build_page", "data_url"]

_STYLE = """
.picture img { width: 100%; max-width: 75vh; display: block; margin: auto; border-radius: 6px; }
.picture img.pixels, .thumbnail img { image-rendering: pixelated; }
.picture a { display: block; width: fit-content; margin: 12px auto; padding: 6px 16px; border-radius: 6px;
  border: 1px solid var(--border-color-primary); color: var(--body-text-color); text-decoration: none; }
.sliders .min_value, .sliders .max_value { display: none; }
.thumbnail { background: var(--block-background-fill); }
.thumbnail img { height: 96px; border-radius: 4px; }
#title p { font-size: 20px; }
footer { display: none !important; }
"""
LOOK: dict[str, Any] = {"css": _STYLE, "theme": gr.themes.Default(primary_hue="indigo")}
"""What Gradio wants to know when the page is served."""
_SEEDS = 2**32
_SHOWN_AS_PIXELS = 256
_FARTHEST, _SLIDERS_A_ROW = 6, 4
_SAVE = "this.href = this.parentElement.querySelector('img').src"  # the picture need not be sent twice


def build_page(explorer: Explorer, *, title: str = "stylelayers") -> gr.Blocks:
    """Controls for all of :class:`Settings`, and the picture that follows them.

    Args:
        explorer: whose pictures are shown.
        title: of the page.
    """
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as page:
        gr.Markdown(escape(title), elem_id="title")
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                shown = gr.HTML(elem_id="picture", elem_classes="picture")
            with gr.Column(scale=6, min_width=320):
                with gr.Row():
                    first = _first_controls(explorer)
                    second, thumbnail = _second_controls(explorer)
                layers = gr.CheckboxGroup(_layers(explorer), value=[], label="Layers taken from the second picture")
                moved, sliders = _direction_controls(explorer)
        controls: dict[str, Component] = {**first, **second, "mixed_layers": layers, "moved_layers": moved}

        def settings(values: Sequence[Any]) -> Settings:
            named = dict(zip(controls, values, strict=False))
            seeds = {name: named[name] or 0 for name in ("seed", "mixed_seed")}  # None is an empty field
            return Settings(**{**named, **seeds}, amounts=values[len(controls) :])

        def picture(*values: Any) -> str:
            return _picture(explorer, settings(values))

        def second_picture(*values: Any) -> str:
            return _thumbnail(explorer, settings(values).second())

        _follow(page, [*controls.values(), *sliders], shown, picture)
        _follow(page, [*controls.values()], thumbnail, second_picture)
    return page


def _first_controls(explorer: Explorer) -> dict[str, Component]:
    with gr.Column(min_width=240), gr.Group():
        seed, label = _seed_and_label(explorer, "Seed", 0, "Class")
        psi = gr.Slider(0, 1.5, 1, step=0.01, label="Truncation ψ", visible=explorer.can_truncate)
        noise = gr.Checkbox(True, label="Noise")
    return {"seed": seed, "label": label, "truncation_psi": psi, "noise": noise}


def _second_controls(explorer: Explorer) -> tuple[dict[str, Component], gr.HTML]:
    with gr.Column(min_width=240), gr.Group():
        seed, label = _seed_and_label(explorer, "Second picture's seed", 1, "Its class")
        thumbnail = gr.HTML(elem_classes="thumbnail", padding=True)
    return {"mixed_seed": seed, "mixed_label": label}, thumbnail


def _direction_controls(explorer: Explorer) -> tuple[gr.CheckboxGroup, list[gr.Slider]]:
    """Which layers move, and a slider for each direction."""
    sliders: list[gr.Slider] = []
    with gr.Accordion("Directions that change pictures most"):
        for first in range(0, explorer.num_directions, _SLIDERS_A_ROW):
            with gr.Row(elem_classes="sliders"):
                numbers = range(first, min(first + _SLIDERS_A_ROW, explorer.num_directions))
                sliders += [_slider(f"Direction {number + 1}") for number in numbers]
        layers = gr.CheckboxGroup(
            _layers(explorer), value=list(range(explorer.generator.num_ws)), label="Layers that move"
        )
        back = gr.Button("Back to 0", size="sm")
    back.click(lambda: [0] * len(sliders), None, sliders, queue=False, show_progress="hidden")
    return layers, sliders


def _slider(label: str) -> gr.Slider:
    return gr.Slider(-_FARTHEST, _FARTHEST, 0, step=0.1, label=label, min_width=120, buttons=[])


def _seed_and_label(explorer: Explorer, seed_name: str, seed: int, label_name: str) -> tuple[gr.Number, gr.Dropdown]:
    another = gr.Button("Another", render=False)
    number = gr.Number(seed, label=seed_name, minimum=0, maximum=_SEEDS - 1, precision=0, buttons=[another])
    another.click(lambda: randrange(_SEEDS), None, number, queue=False, show_progress="hidden")
    classes = [(title, label) for label, title in enumerate(class_titles(explorer.generator))]
    labels = gr.Dropdown(classes, value=0 if classes else None, label=label_name, visible=bool(classes))
    return number, labels


def _layers(explorer: Explorer) -> list[tuple[str, int]]:
    return [(name, layer) for layer, name in enumerate(layer_names(explorer.generator))]


def _follow(page: gr.Blocks, controls: Sequence[Any], shown: gr.HTML, html: Callable[..., str]) -> None:
    """Show `html(*values)` when the page is opened, and again whenever a control has changed.

    While one picture is made further changes wait, and only the last of them is shown.
    """
    triggers = [page.load, *(control.change for control in controls)]
    gr.on(triggers, html, controls, shown, queue=False, show_progress="hidden", trigger_mode="always_last")


def _picture(explorer: Explorer, settings: Settings) -> str:
    image = render(explorer, settings)
    name = f"seed{settings.seed}"
    kind = ' class="pixels"' if max(image.size) <= _SHOWN_AS_PIXELS else ""
    save = f'<a href="#" download="{name}.png" onclick="{_SAVE}">Download PNG</a>'
    return f'<img{kind} alt="{name}" src="{data_url(image)}">{save}'


def _thumbnail(explorer: Explorer, settings: Settings) -> str:
    return f'<img alt="seed{settings.seed}" src="{data_url(render(explorer, settings))}">'


def data_url(image: Image.Image) -> str:
    """The image as a PNG file inside an address."""
    file = BytesIO()
    image.save(file, format="PNG")
    return "data:image/png;base64," + b64encode(file.getvalue()).decode()
