"""The reference of public names: their entries, and links to them from everywhere.

``.. names::`` documents names of the current module from their docstrings. A name that several packages export has one
entry; a reference to it through any of them, or to the private module that defines it, leads there.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from inspect import isclass, isroutine
from pydoc import locate
from textwrap import indent
from typing import Any, cast

from constants import constant_of
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.domains.python import PythonDomain
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxDirective

PACKAGE = "stylelayers"
DISTINCT = re.compile(r"\w+\.[\w.]+|\w*[A-Z]\w*|[a-z0-9]+(_[a-z0-9]+)+")  # no word of plain English
ELSEWHERE = {"torch.nn.modules.module.Module": "torch.nn.Module"}  # private homes of public classes


class Names(SphinxDirective):
    """Entries of the names in the content: classes with their methods, functions, and constants with their source."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        module = self.env.ref_context["py:module"]
        text = "\n".join(entry(module, name) for name in " ".join(self.content).split())
        return self.parse_text_to_nodes(text)


def entry(module: str, name: str) -> str:
    value = locate(f"{module}.{name}")
    if isclass(value):
        return entry_of_class(module, name, value)
    if isroutine(value):
        return f".. autofunction:: {name}\n"
    constant = constant_of(module, name)
    block = f"{constant.comment}\n\n.. code-block:: python\n\n{indent(constant.source, '   ')}\n"
    return f".. py:data:: {name}\n\n{indent(block, '   ')}"


def entry_of_class(module: str, name: str, cls: type) -> str:
    kind = "autoexception" if issubclass(cls, BaseException) else "autoclass"
    text = f".. {kind}:: {name}\n   :members:\n"
    if cls.__bases__ != (object,):
        text += "   :show-inheritance:\n"
    forward = vars(cls).get("forward")
    if forward and not forward.__doc__:  # its signature is of interest all the same
        text += f"\n   .. automethod:: {module}.{name}.forward\n"
    return text


def python_domain(env: BuildEnvironment) -> PythonDomain:
    return cast(PythonDomain, env.get_domain("py"))


@cache
def entry_of(env: BuildEnvironment) -> dict[int, str]:
    """The documented name of each class, function and constant, by its identity."""
    names = [name for name, found in python_domain(env).objects.items() if not found.aliased]
    return {id(locate(name)): name for name in names if name.startswith(PACKAGE) and name.count(".") == 2}


@cache
def public_entries(env: BuildEnvironment) -> dict[str, str]:
    """Documented names by themselves, as ``package.name`` and as ``name``."""
    return {name.split(".", dropped)[-1]: name for dropped in (2, 1, 0) for name in entry_of(env).values()}


@cache
def private_names() -> dict[str, object]:
    """All that the modules of the package define or import."""
    modules = [vars(file) for name, file in sys.modules.items() if name.startswith(f"{PACKAGE}.")]
    return {name: value for module in modules for name, value in module.items()}


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element) -> nodes.Element | None:
    """A reference to another name of a documented object leads to its entry; one to a private object is no link."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"] = ELSEWHERE.get(node["reftarget"], node["reftarget"])
    if node.get("refspecific"):  # :class:`.module.Name`
        target = target.rpartition(".")[2]
    value = locate(target) if target.startswith(PACKAGE) else private_names().get(target)
    name = public_entries(env).get(target) or entry_of(env).get(id(value))
    if name is None:
        return None if value is None else content
    return link(app, env, node["refdoc"], name, content)


def link(app: Sphinx, env: BuildEnvironment, page: str, name: str, content: nodes.Element) -> nodes.Element | None:
    return python_domain(env).resolve_xref(env, page, app.builder, "obj", name, pending_xref(), content)


class LinkedLiterals(SphinxPostTransform):
    """``ModulatedConv2d`` as inline code links to its entry."""

    default_priority = 5

    def run(self, **_: Any) -> None:
        entries = public_entries(self.env)
        for literal in list(self.document.findall(nodes.literal)):
            name = literal.astext().removesuffix("()")
            if name in entries and DISTINCT.fullmatch(name) and not is_linked(literal):
                made = link(self.app, self.env, self.env.docname, entries[name], literal.deepcopy())
                literal.parent.replace(literal, made or [])


def is_linked(node: nodes.Node) -> bool:
    return any(isinstance(above, (nodes.reference, pending_xref, nodes.title)) for above in ancestors(node))


def ancestors(node: nodes.Node) -> Iterator[nodes.Node]:
    while (node := node.parent) is not None:
        yield node


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_directive("names", Names)
    app.add_post_transform(LinkedLiterals)
    app.connect("missing-reference", resolve, priority=400)  # intersphinx's is 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
