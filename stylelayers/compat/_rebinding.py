"""Names of modules that were imported before `install`: bound to ours, and back."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ._replaced_module import ReplacedModule, contents
from ._targets import Target


@dataclass(frozen=True)
class Rebinding:
    """The name of a module that was bound to ours."""

    target: Target
    module: ModuleType
    name: str
    theirs: Any
    ours: Any

    def __str__(self) -> str:
        return f"{self.module.__name__}.{self.name}"

    def undo(self) -> None:
        """Bind the name to theirs, unless somebody else has bound it since."""
        if vars(self.module).get(self.name) is self.ours:
            setattr(self.module, self.name, self.theirs)


def rebind(module: ModuleType, target: Target) -> Iterator[Rebinding]:
    """Bind the functions and classes of a module to ours, in every module that has them under any name."""
    pairs = _replaceable(module, target)
    for owner in modules():
        for name, value in list(vars(owner).items()):
            theirs, ours = pairs.get(id(value), (None, None))
            if theirs is value and ours is not None:
                setattr(owner, name, ours)
                yield Rebinding(target, owner, name, theirs, ours)


def remove_replaced(targets: Iterable[Target]) -> None:
    """Take the replaced modules out of `sys.modules`, so that the next import gets theirs.

    A package that re-exports functions of ours is taken out too, with all that it contains.
    """
    gone = [module for module in modules() if isinstance(module, ReplacedModule) and _target(module) in targets]
    for module in gone:
        sys.modules.pop(module.__name__, None)
        name, _, last = module.__name__.rpartition(".")
        package = sys.modules.get(name)
        if package is not None and vars(package).get(last) is module:
            delattr(package, last)
        ours = {id(value) for value in contents(_target(module).replacement()).values() if _is_ours(value)}
        if package is not None and any(id(value) in ours for value in vars(package).values()):
            _remove_package(package)


def modules() -> list[ModuleType]:
    return [module for module in list(sys.modules.values()) if isinstance(module, ModuleType)]


def _replaceable(module: ModuleType, target: Target) -> dict[int, tuple[Any, Any]]:
    """Theirs and ours for each function and class that the module itself defines, by the id of theirs."""
    ours = contents(target.replacement())
    return {
        id(theirs): (theirs, ours[name])
        for name, theirs in contents(module).items()
        if _is_ours(ours.get(name)) and callable(theirs) and getattr(theirs, "__module__", None) == module.__name__
    }


def _is_ours(value: Any) -> bool:
    return callable(value) and str(getattr(value, "__module__", "")).startswith("stylelayers.")


def _target(module: ReplacedModule) -> Target:
    target = module.__loader__.target  # type: ignore[union-attr]
    assert isinstance(target, Target)
    return target


def _remove_package(package: ModuleType) -> None:
    inside = [name for name in list(sys.modules) if f"{name}.".startswith(f"{package.__name__}.")]
    for name in inside:
        sys.modules.pop(name, None)
    parent, _, last = package.__name__.rpartition(".")
    if parent in sys.modules and vars(sys.modules[parent]).get(last) is package:
        delattr(sys.modules[parent], last)
