"""Where a constant of a package is assigned, and the comment below it."""

import ast
import inspect
import sys
from typing import NamedTuple


class Constant(NamedTuple):
    source: str
    comment: str


def constant_of(package: str, name: str) -> Constant:
    """The assignment of a public constant, in whatever module of the package it is written."""
    value = getattr(sys.modules[package], name)
    for module in [file for key, file in sorted(sys.modules.items()) if key.startswith("stylelayers.")]:
        if vars(module).get(name) is value and (found := assignment(inspect.getsource(module), name)):
            return found
    raise LookupError(f"no module of stylelayers assigns {package}.{name}")


def assignment(source: str, name: str) -> Constant | None:
    body = ast.parse(source).body
    for node, following in zip(body, [*body[1:], None], strict=True):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            text = following.value if isinstance(following, ast.Expr) else None
            comment = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""
            return Constant(ast.get_source_segment(source, node) or "", inspect.cleandoc(comment))
    return None
