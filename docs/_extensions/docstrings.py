"""How docstrings of the package are read, beside what napoleon reads by itself."""

import re
from typing import Any

from sphinx.application import Sphinx

NAMES_ON_TWO_LINES = re.compile(r"^( +(?:\w+, )*\w+,)\n +(?=(?:\w+, )*\w+[,:])", re.MULTILINE)
COLON = "\N{PRESENTATION FORM FOR VERTICAL COLON}"
BEFORE_NAPOLEON, AFTER_NAPOLEON = 400, 600


def before_napoleon(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    """Join names of arguments that go on in the next line; hide the first colon of properties, which ends no type."""
    text, joined = "\n".join(lines), 1
    while joined:
        text, joined = NAMES_ON_TWO_LINES.subn(r"\1 ", text)
    lines[:] = text.split("\n")
    if what in ("attribute", "property"):
        lines[:1] = [line.replace(": ", f"{COLON} ") for line in lines[:1]]


def after_napoleon(app: Sphinx, what: str, name: str, value: object, options: object, lines: list[str]) -> None:
    lines[:] = [line.replace(COLON, ":") for line in lines]


def readable_defaults(
    app: Sphinx, what: str, name: str, value: object, options: object, signature: str | None, result: str | None
) -> tuple[str | None, str | None]:
    """Defaults without a literal, such as ``<factory>`` of a dataclass, as ``...``, which is Python."""
    return signature and re.sub(r"<[^<>]+>", "...", signature), result


def public_bases(app: Sphinx, name: str, cls: type, options: object, bases: list[type]) -> None:
    """Name the bases of a private base class instead of it."""
    while private := [base for base in bases if base.__name__.startswith("_")]:
        bases[:] = [above for base in bases for above in (base.__bases__ if base in private else (base,))]


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", before_napoleon, priority=BEFORE_NAPOLEON)
    app.connect("autodoc-process-docstring", after_napoleon, priority=AFTER_NAPOLEON)
    app.connect("autodoc-process-signature", readable_defaults)
    app.connect("autodoc-process-bases", public_bases)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
