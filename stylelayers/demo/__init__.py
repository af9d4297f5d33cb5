"""Explore a generator in the browser. Needs the extra ``demo``: Pillow, and Gradio for the page."""

from .._extras import needs_extra

with needs_extra(__name__, "demo"):
    from .rendering import Explorer, Settings, layer_names, render

__all__ = ["Explorer", "Settings", "layer_names", "render"]
