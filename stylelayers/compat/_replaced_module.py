"""The module that a project imports under its own name, with our functions and classes in it."""

import logging
from collections.abc import Mapping
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from types import ModuleType
from typing import Any, cast

from ._targets import Target, names_defined

LOGGER = logging.getLogger("stylelayers.compat")


class ReplacedModule(ModuleType):
    """A project's module that was replaced before its code ran.

    Functions and classes are the same objects as in `stylelayers.compat`, by whose path instances are pickled. For a
    function or class that ours lacks, the project's own file is run when the name is first used.
    """

    def __getattr__(self, name: str) -> Any:
        loader = cast(ReplacementLoader, vars(self)["__loader__"])
        ours = loader.target.replacement()
        if not name.startswith("__") and hasattr(ours, name):
            return getattr(ours, name)  # a switch of the module, as it stands now
        if name in loader.only_theirs:
            return getattr(loader.theirs_executed(), name)
        raise AttributeError(f"module {self.__name__!r}, replaced by {ours.__name__}, has no attribute {name!r}")


class ReplacementLoader(Loader):
    """Fills a module with ours; `theirs` is the module's spec without us."""

    def __init__(self, target: Target, theirs: ModuleSpec) -> None:
        self.target = target
        self.theirs = theirs
        self.only_theirs = names_defined(theirs)
        self._executed: ModuleType | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return ReplacedModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        if isinstance(module, ReplacedModule):
            ours = self.target.replacement()
            vars(module).update({name: value for name, value in contents(ours).items() if not isinstance(value, bool)})
            module.__doc__ = ours.__doc__
        else:  # a reload of a module that was imported before, and has ours already
            module.__spec__, module.__loader__ = self.theirs, self.theirs.loader

    def theirs_executed(self) -> ModuleType:
        """The project's own module, beside ours."""
        if self._executed is None:
            LOGGER.warning("%s runs after all, for a name that stylelayers lacks", self.theirs.name)
            module = module_from_spec(self.theirs)
            cast(Loader, self.theirs.loader).exec_module(module)
            self._executed = module
        return self._executed


def replacing_spec(target: Target, theirs: ModuleSpec) -> ModuleSpec:
    """A spec at the place of theirs that loads ours."""
    spec = ModuleSpec(theirs.name, ReplacementLoader(target, theirs), origin=theirs.origin)
    spec.has_location = theirs.has_location
    spec.submodule_search_locations = theirs.submodule_search_locations
    return spec


def contents(module: ModuleType) -> Mapping[str, Any]:
    """The names of a module, without those that Python gives to every module."""
    return {name: value for name, value in vars(module).items() if not name.startswith("__")}
