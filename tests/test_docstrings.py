"""The docstring of every public name is complete, and agrees with the signature and the errors of the code."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from importlib import import_module
from itertools import pairwise
from textwrap import dedent
from typing import Any, is_typeddict

from docstring_parser import Docstring
from docstring_parser.google import DEFAULT_SECTIONS, GoogleParser, Section, SectionType
from torch import nn

from stylelayers.data import ImageOptions

OF_TENSORS = ("functional", "layers", "models", "losses", "augment")
WITH_SOURCE = ("layers", "models", "losses", "augment", "metrics")
ROOMS = (  # the root exports names of layers and models
    *(*OF_TENSORS, "checkpoints", "testing", "compat", "explore", "export", "data", "images", "metrics"),
    *("training", "training.callbacks"),
)

WITHOUT_SHAPE = {  # names of rooms of tensors → the reason
    "activation_names": "no tensors",
    "register_activation": "functions of one tensor of any shape",
    "summarize": "inputs of any network",
    "Summary": "holds a table",
}
WITHOUT_SOURCE = {
    "FeatureSpace": "holds any network",
    "feature_space": "finds a network by its name",
    "QualityMeter": "calls the metrics",
    "QualityReport": "holds their numbers",
    "Recognition": "counts the classes that a classifier finds",
    "recognition": "counts the classes that a classifier finds",
    "SmallClassifier": "two plain convolutions",
    "train_classifier": "two plain convolutions",
    "classifier_of_digits": "two plain convolutions",
    "data_for": "finds data",
    "summarize": "counts layers",
    "Summary": "holds a table",
    "cache_folder": "finds a folder",
}

_SHAPE = re.compile(r"``\([\w, /*.+-]+\)``|\b(any shape|a scalar|scalar)\b")
_CALLED = ("__init__", "__post_init__", "__call__", "forward")
_PARSER = GoogleParser([*DEFAULT_SECTIONS, Section("Shape", "shape", SectionType.SINGULAR)])


def _public() -> dict[str, Any]:
    """Everything in the packages' ``__all__`` by its full name; what several list, by the first."""
    found: dict[str, Any] = {}
    for room in ROOMS:
        module = import_module(f"stylelayers.{room}")
        new = {f"{room}.{name}": getattr(module, name) for name in module.__all__}
        known = [id(value) for value in found.values()]
        found |= {name: value for name, value in new.items() if id(value) not in known}
    return found


PUBLIC = _public()


def _callables(*rooms: str) -> dict[str, Any]:
    """Public functions and classes, of some rooms or all."""
    return {name: v for name, v in PUBLIC.items() if callable(v) and (not rooms or name.split(".")[0] in rooms)}


def _failures(names: dict[str, Any], fault: Callable[[Any], Any]) -> dict[str, Any]:
    """Names whose docstring has a fault → the fault."""
    return {name: found for name, value in names.items() if (found := fault(value))}


def _text(value: Any) -> str:
    return value.__doc__ or ""


@cache
def _docstring(value: Any) -> Docstring:
    return _PARSER.parse(_text(value))


def _sections(value: Any) -> set[str]:
    return {meta.args[0] for meta in _docstring(value).meta}


def _entries(value: Any, section: str) -> list[str]:
    """The names that a section describes; an entry may have several."""
    entries = [each.arg_name for each in _docstring(value).params if each.args[0] == section]
    return [name.strip(" *") for entry in entries for name in entry.split(",")]


def _described(value: Any) -> list[str]:
    """The parameters that ``Args:`` describes; ``**options`` are those of `ImageOptions`."""
    names = _entries(value, "param")
    return [*names, *(field.name for field in fields(ImageOptions))] if "options" in names else names


def _parameters(value: Any) -> list[str]:
    """Parameters of a function or of a class's constructor; none of those that torch's base classes take."""
    names = value.__annotations__ if is_typeddict(value) else inspect.signature(value).parameters
    return [name for name in names if name not in ("self", "args", "kwargs")]


def _calls(value: Any) -> Iterator[Any]:
    """What runs when a function, or a class and its objects, are called."""
    if not inspect.isclass(value):
        yield inspect.unwrap(value)
        return
    for name in _CALLED:
        method = inspect.unwrap(vars(value).get(name, object.__init__))
        if inspect.isfunction(method) and method.__code__.co_filename == sys.modules[value.__module__].__file__:
            yield method


def _raises_value_error(function: Any) -> bool:
    """Whether it raises one itself, or by a function that is called check or checked something."""
    nodes = list(ast.walk(ast.parse(dedent(inspect.getsource(function)))))
    calls = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
    return "ValueError" in calls or any(re.search(r"\b_?check(ed)?_\w+$", name) for name in calls)


def _constants_with_text(module: str) -> list[str]:
    """Names of a module that are assigned to, with a string below."""
    statements = ast.parse(inspect.getsource(sys.modules[module])).body
    return [
        ast.unparse(first.target if isinstance(first, ast.AnnAssign) else first.targets[0])
        for first, text in pairwise(statements)
        if isinstance(first, (ast.Assign, ast.AnnAssign)) and isinstance(text, ast.Expr)
    ]


def test_every_function_and_class_has_a_docstring_of_its_own() -> None:
    generated = [name for name, value in _callables().items() if _text(value).startswith(f"{value.__name__}(")]
    assert not generated
    assert _failures(_callables(), lambda value: not _text(value).strip()) == {}


def test_constants_have_a_docstring_below() -> None:
    constants = {name.rpartition(".")[2] for name, value in PUBLIC.items() if not callable(value)}
    modules = [name for name in sys.modules if name.startswith("stylelayers.")]
    documented = {name for module in modules for name in _constants_with_text(module)}
    assert constants
    assert constants - documented == set()


def test_every_parameter_is_described() -> None:
    def missing(value: Any) -> list[str]:
        described = [*_described(value), *_entries(value, "attribute"), "device", "dtype"]
        return [name for name in _parameters(value) if name not in described]

    assert _failures(_callables(), missing) == {}


def test_no_described_parameter_is_unknown() -> None:
    def unknown(value: Any) -> list[str]:
        return [name for name in _entries(value, "param") if name not in [*_parameters(value), "options"]]

    assert _failures(_callables(), unknown) == {}


def test_the_names_of_an_entry_are_on_one_line() -> None:
    """As Sphinx reads them."""

    def broken(value: Any) -> list[str]:
        return [each.arg_name for each in _docstring(value).params if re.search(r",\S", each.arg_name)]

    assert _failures(_callables(), broken) == {}


def test_every_argument_of_forward_is_explained() -> None:
    """By name, in the docstring of the module or of its method."""

    def missing(value: Any) -> list[str]:
        if not (inspect.isclass(value) and issubclass(value, nn.Module) and "forward" in vars(value)):
            return []
        names = _parameters(value.forward)
        text = _text(value) + _text(value.forward)
        return [name for name in names if len(names) > 1 and not re.search(rf"\b{name}\b", text)]

    assert _failures(_callables(*OF_TENSORS), missing) == {}


def test_results_are_described() -> None:
    def missing(value: Any) -> bool:
        result = inspect.signature(value).return_annotation
        return result not in (None, "None") and not {"returns", "shape"} & _sections(value)

    functions = {name: value for name, value in _callables().items() if not inspect.isclass(value)}
    assert _failures(functions, missing) == {}


def test_errors_are_described() -> None:
    def missing(value: Any) -> bool:
        return "raises" not in _sections(value) and any(map(_raises_value_error, _calls(value)))

    assert _failures(_callables(), missing) == {}


def test_shapes_are_given_for_tensors() -> None:
    failures = _failures(_callables(*OF_TENSORS), lambda value: not _SHAPE.search(_text(value)))
    assert {name.split(".")[-1] for name in failures} == {*WITHOUT_SHAPE}


def test_every_name_has_an_example() -> None:
    assert _failures(_callables(), lambda value: ">>> " not in _text(value)) == {}


def test_sources_are_given() -> None:
    failures = _failures(_callables(*WITH_SOURCE), lambda value: not re.search(r"arXiv:\d{4}\.\d{4,5}", _text(value)))
    assert {name.split(".")[-1] for name in failures} == {*WITHOUT_SOURCE}
