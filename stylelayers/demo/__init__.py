"""A page to explore a generator in the browser. Pictures need Pillow; the page needs the extra ``demo`` (Gradio)."""

from .._extras import needs_extra

with needs_extra(__name__, "demo"):
    from .rendering import Explorer, Settings, layer_names, render

__all__ = ["Explorer", "Settings", "layer_names", "render"]
