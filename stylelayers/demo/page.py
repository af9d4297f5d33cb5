"""The page: controls and the picture of their settings. Pictures stay in memory; nothing is fetched or sent."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
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
LAUNCH_OPTIONS: dict[str, Any] = {"css": _STYLE, "theme": gr.themes.Default(primary_hue="indigo")}
"""Style and theme, which Gradio takes at launch."""
_NUM_SEEDS = 2**32
_MAX_PIXELATED_SIDE = 256
_MAX_MOVE, _SLIDERS_PER_ROW = 6, 4
_MAX_OPEN_SLIDERS = 8
_MAX_SHIFT = 0.5  # of the width or height
_SAVE_SCRIPT = "this.href = this.parentElement.querySelector('img').src"  # the picture is not sent twice


def build_page(explorer: Explorer, *, title: str = "stylelayers") -> gr.Blocks:
    """Build the page: controls for all :class:`Settings`, and their picture."""
    with gr.Blocks(title=title, analytics_enabled=False, fill_width=True) as page:
        gr.Markdown(escape(title), elem_id="title")
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                shown = gr.HTML(elem_id="picture", elem_classes="picture")
            with gr.Column(scale=6, min_width=320):
                with gr.Row():
                    first = _build_first_controls(explorer)
                    second, thumbnail = _build_second_controls(explorer)
                layers = gr.CheckboxGroup(
                    _layer_choices(explorer), value=[], label="Layers taken from the second picture"
                )
                motion = _build_motion_controls(explorer)
                moved, sliders = _build_direction_controls(explorer)
        controls: dict[str, Component] = {**first, **second, "mixed_layers": layers, "moved_layers": moved}

        def parse_settings(values: Sequence[Any]) -> Settings:
            named = _with_vectors(dict(zip([*controls, *motion], values, strict=False)))
            seeds = {name: named[name] or 0 for name in ("seed", "mixed_seed")}  # None is an empty field
            return Settings(**{**named, **seeds}, amounts=values[len(controls) + len(motion) :])

        def render_picture(*values: Any) -> str:
            return _picture_html(explorer, parse_settings(values))

        def render_thumbnail(*values: Any) -> str:
            return _thumbnail_html(explorer, parse_settings(values).second())

        _update_on_change(page, [*controls.values(), *motion.values(), *sliders], shown, render_picture)
        _update_on_change(page, [*controls.values()], thumbnail, render_thumbnail)
    return page


def _build_first_controls(explorer: Explorer) -> dict[str, Component]:
    with gr.Column(min_width=240), gr.Group():
        seed = _build_seed("Seed", 0)
        label = _build_label(explorer, "label", "Class", "Condition")
        psi = gr.Slider(0, 1.5, 1, step=0.01, label="Truncation ψ", visible=explorer.can_truncate)
        noise = gr.Checkbox(True, label="Noise", visible=explorer.has_noise)
    return {"seed": seed, **label, "truncation_psi": psi, "noise": noise}


def _build_second_controls(explorer: Explorer) -> tuple[dict[str, Component], gr.HTML]:
    with gr.Column(min_width=240), gr.Group():
        seed = _build_seed("Second picture's seed", 1)
        label = _build_label(explorer, "mixed_label", "Its class", "Its condition")
        thumbnail = gr.HTML(elem_classes="thumbnail", padding=True)
    return {"mixed_seed": seed, **label}, thumbnail


def _build_motion_controls(explorer: Explorer) -> dict[str, Component]:
    """Sliders that move and turn the image, none for a generator that cannot."""
    if not explorer.can_move:
        return {}
    with gr.Accordion("Shift (parts of the width and height) and turn (degrees)"), gr.Row(elem_classes="sliders"):
        return {
            "shift.x": gr.Slider(-_MAX_SHIFT, _MAX_SHIFT, 0, step=0.005, label="Shift right", min_width=120),
            "shift.y": gr.Slider(-_MAX_SHIFT, _MAX_SHIFT, 0, step=0.005, label="Shift down", min_width=120),
            "turn": gr.Slider(-180, 180, 0, step=1, label="Turn", min_width=120),
        }


def _build_direction_controls(explorer: Explorer) -> tuple[gr.CheckboxGroup, list[gr.Slider]]:
    """The layers that move, and a slider per direction."""
    sliders: list[gr.Slider] = []
    with gr.Accordion("Directions that change pictures most"):
        for first in range(0, explorer.num_directions, _SLIDERS_PER_ROW):
            with gr.Row(elem_classes="sliders"):
                numbers = range(first, min(first + _SLIDERS_PER_ROW, explorer.num_directions))
                sliders += [_build_slider(f"Direction {number + 1}") for number in numbers]
        layers = gr.CheckboxGroup(
            _layer_choices(explorer), value=list(range(explorer.generator.num_ws)), label="Layers that move"
        )
        back = gr.Button("Back to 0", size="sm")
    back.click(lambda: [0] * len(sliders), None, sliders, queue=False, show_progress="hidden")
    return layers, sliders


def _build_slider(label: str) -> gr.Slider:
    return gr.Slider(-_MAX_MOVE, _MAX_MOVE, 0, step=0.1, label=label, min_width=120, buttons=[])


def _build_seed(name: str, seed: int) -> gr.Number:
    another = gr.Button("Another", render=False)
    number = gr.Number(seed, label=name, minimum=0, maximum=_NUM_SEEDS - 1, precision=0, buttons=[another])
    another.click(lambda: randrange(_NUM_SEEDS), None, number, queue=False, show_progress="hidden")
    return number


def _build_label(explorer: Explorer, key: str, of_classes: str, of_vectors: str) -> dict[str, Component]:
    """A list of the classes, or a slider for each number of a label vector, under keys for :func:`_with_vectors`."""
    titles = class_titles(explorer.generator)
    if explorer.generator.label_kind != "vectors":
        classes = [(title, label) for label, title in enumerate(titles)]
        return {key: gr.Dropdown(classes, value=0 if classes else None, label=of_classes, visible=bool(classes))}
    with gr.Accordion(of_vectors, open=len(titles) <= _MAX_OPEN_SLIDERS, elem_classes="sliders"):
        return {f"{key}.{title}": gr.Slider(-1, 1, 0, step=0.01, label=title, buttons=[]) for title in titles}


def _with_vectors(named: Mapping[str, Any]) -> dict[str, Any]:
    """Join the values under ``label.<name>`` to the vector ``label``, and so for all keys with a point."""
    joined: dict[str, Any] = {}
    for name, value in named.items():
        key, point, _ = name.partition(".")
        if point:
            joined.setdefault(key, []).append(value)
        else:
            joined[key] = value
    return joined


def _layer_choices(explorer: Explorer) -> list[tuple[str, int]]:
    return [(name, layer) for layer, name in enumerate(layer_names(explorer.generator))]


def _update_on_change(
    page: gr.Blocks, controls: Sequence[Any], shown: gr.HTML, render_html: Callable[..., str]
) -> None:
    """Show `render_html(*values)` when the page loads or a control changes.

    Changes during rendering wait, and only the last of them is shown.
    """
    triggers = [page.load, *(control.change for control in controls)]
    gr.on(triggers, render_html, controls, shown, queue=False, show_progress="hidden", trigger_mode="always_last")


def _picture_html(explorer: Explorer, settings: Settings) -> str:
    image = render(explorer, settings)
    name = f"seed{settings.seed}"
    kind = ' class="pixels"' if max(image.size) <= _MAX_PIXELATED_SIDE else ""
    save = f'<a href="#" download="{name}.png" onclick="{_SAVE_SCRIPT}">Download PNG</a>'
    return f'<img{kind} alt="{name}" src="{data_url(image)}">{save}'


def _thumbnail_html(explorer: Explorer, settings: Settings) -> str:
    return f'<img alt="seed{settings.seed}" src="{data_url(render(explorer, settings))}">'


def data_url(image: Image.Image) -> str:
    """The image as a ``data:`` URL of a PNG file."""
    file = BytesIO()
    image.save(file, format="PNG")
    return "data:image/png;base64," + b64encode(file.getvalue()).decode()
