"""The navigation beside the source code, made once for each depth of folders: no page of source is a place in it."""

from typing import Any

from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, Any]:
    made: dict[int, str] = {}

    def reuse_navigation(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:
        if page.startswith("_modules/"):
            depth, make = page.count("/"), context["toctree"]
            context["toctree"] = lambda **options: made.get(depth) or made.setdefault(depth, make(**options))

    app.connect("html-page-context", reuse_navigation, priority=400)  # the theme's is 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
