"""Replace the operators that a project has copied with ours, when they are imported and where they stand."""

import sys
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from threading import RLock
from types import ModuleType, TracebackType

from ._rebinding import Rebinding, rebind, remove_replaced
from ._replaced_module import LOGGER, ReplacedModule, replacing_spec
from ._targets import Target, choose_targets, find_target, holds_targets, reason_to_leave

_LOCK = RLock()  # held without importing anything


class Installation:
    """What one call of :func:`install` does; as a context manager it is undone at the end of the block.

    The two dictionaries grow with every import until the installation is undone.

    Args:
        targets: the modules to replace, which :func:`install` chooses.

    Attributes:
        replaced: path of each module that has ours → path of ours.
        left: path of each module that has one of the paths, but is something else → the reason.
        rebound: names, as ``module.name``, of modules imported before that were bound to ours.

    Example:
        >>> from stylelayers.compat import install
        >>> with install("official") as installation:
        ...     installation.replaced
        {}
    """

    def __init__(self, targets: frozenset[Target]) -> None:
        self.targets = targets
        self.replaced: dict[str, str] = {}
        self.left: dict[str, str] = {}
        self.rebound: list[str] = []

    def __enter__(self) -> "Installation":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _undo([self])

    def __str__(self) -> str:
        lines = [f"{module} is replaced by {ours}" for module, ours in self.replaced.items()]
        lines += [f"{module} is left, because {reason}" for module, reason in self.left.items()]
        return "\n".join(lines) or "nothing replaced yet"


class _Finder(MetaPathFinder):
    """Answers for the modules to replace with ours, and for all others not at all."""

    def __init__(self) -> None:
        self.installations: list[Installation] = []
        self.rebindings: list[Rebinding] = []

    @property
    def targets(self) -> frozenset[Target]:
        return frozenset().union(*(installation.targets for installation in self.installations))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        found = find_target(fullname, targets := self.targets)
        if found is None or (theirs := _spec_without_us(fullname, path, target)) is None:
            return None
        if reason := reason_to_leave(found, theirs):
            if not holds_targets(theirs, targets):
                self.leave(fullname, found, reason)
            return theirs
        self.replace(fullname, found)
        return replacing_spec(found, theirs)

    def replace(self, module: str, target: Target, rebound: Sequence[str] = ()) -> None:
        ours = target.replacement().__name__
        LOGGER.info("%s is replaced by %s", module, ours)
        for installation in self._of(target):
            installation.replaced[module] = ours
            installation.rebound += rebound

    def leave(self, module: str, target: Target, reason: str) -> None:
        if not any(module in installation.left for installation in self._of(target)):
            LOGGER.warning("%s is not replaced by stylelayers, because %s", module, reason)
        for installation in self._of(target):
            installation.left[module] = reason

    def _of(self, target: Target) -> list[Installation]:
        return [installation for installation in self.installations if target in installation.targets]


_FINDER = _Finder()


def install(*names: str) -> Installation:
    """From now on, give projects our operators in place of those that they have copied.

    - A module imported later gets ours and its own code never runs: no compiler is looked for.
    - In modules imported before, every name bound to a replaced function or class is bound to ours. Existing
      instances of a replaced class are left (see :func:`replace_layers`).
    - A module of the same path whose source defines something else is left, and a warning names it.

    The logger `stylelayers.compat` tells of each module. Calls may be nested.

    Args:
        names: families, ``"port"`` or ``"official"``, or modules such as ``"port.upfirdn2d"``; both families
            without one.

    Returns:
        The report, to print or to use as a context manager.

    Raises:
        ValueError: an unknown name; the message lists the known ones.

    Example:
        >>> from stylelayers.compat import install
        >>> with install() as report:
        ...     pass  # import and run the project
        >>> print(report)
        nothing replaced yet
    """
    installation = Installation(choose_targets(names))
    for target in installation.targets:
        target.replacement()
    with _LOCK:
        _FINDER.installations.append(installation)
        if _FINDER not in sys.meta_path:
            sys.meta_path.insert(0, _FINDER)
    for module, target in _imported_before(installation.targets):
        _patch(module, target)
    return installation


def uninstall() -> None:
    """Undo every :func:`install`: names imported before are theirs again, and so is what is imported later.

    Modules of the project that were imported in between, and the networks they made, keep ours.

    Example:
        >>> from stylelayers.compat import install, uninstall
        >>> report = install("port")
        >>> uninstall()
    """
    _undo(list(_FINDER.installations))


def _undo(installations: list[Installation]) -> None:
    with _LOCK:
        before = _FINDER.targets
        _FINDER.installations = [other for other in _FINDER.installations if other not in installations]
        gone = before - _FINDER.targets
        for rebinding in reversed([each for each in _FINDER.rebindings if each.target in gone]):
            rebinding.undo()
        _FINDER.rebindings = [each for each in _FINDER.rebindings if each.target not in gone]
        remove_replaced(gone)
        if not _FINDER.installations and _FINDER in sys.meta_path:
            sys.meta_path.remove(_FINDER)


def _imported_before(targets: frozenset[Target]) -> Iterator[tuple[ModuleType, Target]]:
    """Modules to replace that are in `sys.modules`, once whoever is importing them is done."""
    for name in list(sys.modules):
        target = find_target(name, targets)
        if target is not None and isinstance(sys.modules.get(name), ModuleType):
            yield import_module(name), target


def _patch(module: ModuleType, target: Target) -> None:
    if isinstance(module, ReplacedModule):
        return _FINDER.replace(module.__name__, target)
    reason, spec = reason_to_leave(target, module.__spec__), module.__spec__
    if reason is None:
        with _LOCK:
            new = list(rebind(module, target))
            _FINDER.rebindings += new
        _FINDER.replace(module.__name__, target, [str(rebinding) for rebinding in new])
    elif spec is None or not holds_targets(spec, _FINDER.targets):
        _FINDER.leave(module.__name__, target, reason)


def _spec_without_us(name: str, path: Sequence[str] | None, module: ModuleType | None) -> ModuleSpec | None:
    for finder in list(sys.meta_path):
        find = None if finder is _FINDER else getattr(finder, "find_spec", None)
        if find is not None and (spec := find(name, path, module)) is not None:
            assert isinstance(spec, ModuleSpec)
            return spec
    return None
