"""Modules that :func:`.install` replaces, how they are recognised, and the modules that replace them.

A module is one of these if the last parts of its dotted path say so, and its source, which is read but not run, defines
the functions and classes that ours replaces, with no argument that ours lacks.
"""

import ast
import inspect
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

_PARENT = "stylelayers.compat"


@dataclass(frozen=True)
class Target:
    """A module that is replaced.

    Attributes:
        name: path of the replacement below `stylelayers.compat`, and the name that `install` takes.
        endings: last parts of the dotted paths under which projects have it.
        defines: functions and classes by which its source is recognised.
    """

    name: str
    endings: tuple[str, ...]
    defines: tuple[str, ...]

    @property
    def family(self) -> str:
        return self.name.partition(".")[0]

    def replacement(self) -> ModuleType:
        return import_module(f"{_PARENT}.{self.name}")


def _basicsr(module: str) -> tuple[str, ...]:
    return f"op.{module}", f"basicsr.ops.{module}", f"basicsr.ops.{module}.{module}"


def _official(module: str, *defines: str) -> Target:
    return Target(f"official.{module}", (f"torch_utils.ops.{module}",), defines or (module,))


_CONVOLUTIONS = ("conv2d", "conv_transpose2d", "no_weight_gradients")
TARGETS = (
    Target("port", ("op",), ("upfirdn2d", "fused_leaky_relu", "FusedLeakyReLU")),  # all in one file
    Target("port.upfirdn2d", _basicsr("upfirdn2d"), ("upfirdn2d",)),
    Target("port.fused_act", _basicsr("fused_act"), ("fused_leaky_relu", "FusedLeakyReLU")),
    Target("port.conv2d_gradfix", ("op.conv2d_gradfix",), _CONVOLUTIONS),
    _official("upfirdn2d", "upfirdn2d", "setup_filter"),
    _official("bias_act"),
    _official("filtered_lrelu"),
    _official("conv2d_resample"),
    _official("conv2d_gradfix", *_CONVOLUTIONS),
    _official("grid_sample_gradfix", "grid_sample"),
    _official("fma"),
    Target("official.custom_ops", ("torch_utils.custom_ops",), ("get_plugin",)),
)
FAMILIES = ("official", "port")


def choose_targets(names: Collection[str]) -> frozenset[Target]:
    """The targets of the families and modules named; all without a name.

    Raises:
        ValueError: an unknown name; the message lists the known ones.
    """
    known = sorted({*FAMILIES, *(target.name for target in TARGETS)})
    for name in names:
        if name not in known:
            raise ValueError(f"install: names must be among {', '.join(known)}, got {name!r}")
    return frozenset(target for target in TARGETS if not names or {target.name, target.family} & set(names))


def find_target(module: str, targets: Collection[Target]) -> Target | None:
    """The target whose path the module has."""
    return next((target for target in targets if any(_ends(module, ending) for ending in target.endings)), None)


def reason_to_leave(target: Target, spec: ModuleSpec | None) -> str | None:
    """Why the module is something else than the target that its path names; None if it is the target."""
    if (tree := _parsed(spec)) is None:
        return "its source cannot be read"
    definitions = {node.name: node for node in _definitions(tree)}
    if missing := [name for name in target.defines if name not in definitions]:
        return f"it does not define {', '.join(missing)}"
    ours = target.replacement()
    for name in target.defines:
        if surplus := _surplus(definitions[name], getattr(ours, name)):
            return f"its {name} takes {', '.join(surplus)}, which ours does not take"
    return None


def names_defined(spec: ModuleSpec | None) -> frozenset[str]:
    """The functions and classes that the module's source defines."""
    tree = _parsed(spec)
    return frozenset(node.name for node in _definitions(tree)) if tree else frozenset()


def holds_targets(spec: ModuleSpec, targets: Collection[Target]) -> bool:
    """Whether a package has files whose paths are those of targets."""
    endings = [ending.rpartition(".") for target in targets for ending in target.endings]
    inside = {last for parent, _, last in endings if parent and _ends(spec.name, parent)}
    places = spec.submodule_search_locations or []
    return any(PathFinder.find_spec(f"{spec.name}.{name}", places) for name in inside)


def _ends(module: str, ending: str) -> bool:
    return f".{module}".endswith(f".{ending}")


def _parsed(spec: ModuleSpec | None) -> ast.Module | None:
    read = getattr(spec and spec.loader, "get_source", None)
    try:
        source = read(spec.name) if read and spec else None
        return None if source is None else ast.parse(source)
    except (ImportError, OSError, SyntaxError, UnicodeError, ValueError):
        return None


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _definitions(node: ast.AST) -> Iterator[_Definition]:
    """The functions and classes of a file, those in its `if`, `try` and `with` included."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, _Definition):
            yield child
        elif not isinstance(child, ast.expr):
            yield from _definitions(child)


def _arguments(node: _Definition) -> set[str]:
    """Names of the arguments of a function, or of a class's constructor."""
    if isinstance(node, ast.ClassDef):
        return next((_arguments(child) - {"self"} for child in _definitions(node) if child.name == "__init__"), set())
    return {argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)}


def _surplus(theirs: _Definition, ours: Callable[..., object]) -> list[str]:
    """The arguments that only theirs takes."""
    taken = inspect.signature(ours).parameters.values()
    if any(argument.kind is argument.VAR_KEYWORD for argument in taken):
        return []
    return sorted(_arguments(theirs) - {argument.name for argument in taken})
