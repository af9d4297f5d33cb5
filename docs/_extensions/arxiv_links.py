"""Every ``arXiv:1912.04958`` in docstrings and pages becomes a link."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

NUMBER = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
NOT_INSIDE = (nodes.reference, nodes.FixedTextElement, nodes.literal, nodes.raw)


class ArxivLinks(SphinxTransform):
    default_priority = 500

    def apply(self, **_: Any) -> None:
        for text in list(self.document.findall(nodes.Text)):
            if NUMBER.search(text) and not any(isinstance(above, NOT_INSIDE) for above in ancestors(text)):
                text.parent.replace(text, linked(text.astext()))


def ancestors(node: nodes.Node) -> list[nodes.Node]:
    return [] if node.parent is None else [node.parent, *ancestors(node.parent)]


def linked(text: str) -> list[nodes.Node]:
    """The text in pieces: plain, number, plain, ..."""
    pieces = NUMBER.split(text)
    made: list[nodes.Node] = []
    for position, piece in enumerate(pieces):
        if position % 2:
            made.append(nodes.reference("", f"arXiv:{piece}", refuri=f"https://arxiv.org/abs/{piece}"))
        elif piece:
            made.append(nodes.Text(piece))
    return made


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_transform(ArxivLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
