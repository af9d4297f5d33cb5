"""``stylelayers demo``: explore a generator in the browser."""

import webbrowser
from importlib.util import find_spec
from time import sleep
from typing import Annotated

import typer

from ..demo import Explorer
from .options import Device, Model
from .support import FailedError, load

EXAMPLES = """
stylelayers demo runs/RUN
stylelayers demo generator.safetensors --port 8000 --no-open --directions 4
"""


def demo(
    model: Model,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of the page.", show_default="first free one from 7860")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 admits other machines.")] = "127.0.0.1",
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    directions: Annotated[int, typer.Option(min=1, help="Number of sliders, strongest directions first.")] = 8,
    device: Device = "auto",
) -> None:
    """Explore a generator in the browser.

    Seeds, classes, truncation, noise, style mixing by layer, and directions that change pictures most. No data leave
    this machine. Ctrl-C ends it.
    """
    if find_spec("gradio") is None:
        raise FailedError('the page needs gradio: pip install "stylelayers[demo]"')
    explorer = Explorer(load(model, device), directions=directions)
    from ..demo.page import build_page
    from ..demo.server import serving

    with serving(build_page(explorer, title=model.name), host=host, port=port) as url:
        print(f"{url} (Ctrl-C ends it)", flush=True)
        if open_browser:
            webbrowser.open(url)
        try:
            while True:
                sleep(3600)
        except KeyboardInterrupt:
            print()
