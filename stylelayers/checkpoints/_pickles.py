"""A pickle machine that makes plain data only.

Python's own unpickler, even with a restricted ``find_class``, calls ``__setstate__`` and ``__new__``, allocates a memo
of any size that the file names (five bytes can ask for 32 GiB), and hashes tuples nested a million deep, which crashes
the process. This one has few opcodes (`_LITERALS` to `_ACTIONS`), takes only scalars as keys, and calls only functions
that are admitted under the name in the file. Anything else is a ValueError.
"""

import pickletools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any, BinaryIO

_DEEPEST, _NEWEST_PROTOCOL, _LONGEST_MESSAGE = 100, 5, 100
_SCALARS = (str, int, float, bytes, type(None))
_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_EMPTY: dict[str, type] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_SET": set}
_LITERALS = frozenset(
    {
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINFLOAT",
        "SHORT_BINBYTES",
        "BINBYTES",
        "BINBYTES8",
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
    }
)


@dataclass(frozen=True, slots=True)
class Constructor:
    """A function that the file may call with arguments of its own."""

    function: Callable[..., object]


class Buildable:
    """An object whose state the file may set."""

    def build(self, state: object) -> None:
        raise NotImplementedError


class PickleMachine:
    """Runs one pickle of protocol 2 to 5; `stream` is left behind its last byte.

    Args:
        stream: in memory, such as ``io.BytesIO``, so that a read cannot allocate more bytes than there are.
        admitted: the names ``module.name`` that the file may use → a :class:`Constructor` to call, or a constant.
        persistent: makes an object from a persistent id; None refuses them.
    """

    def __init__(
        self,
        stream: BinaryIO,
        admitted: Mapping[str, object],
        persistent: Callable[[object], object] | None = None,
    ) -> None:
        self.stream, self.admitted, self.persistent = stream, admitted, persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> object:
        """Return the unpickled object.

        Raises:
            ValueError: a refused name, opcode or nesting, or bytes that are not a pickle.
        """
        for name, argument, position in _opcodes(self.stream):
            try:
                if name == "STOP":
                    return self.stack.pop()
                self._step(name, argument)
            except (IndexError, KeyError, TypeError, AttributeError) as error:
                raise ValueError(f"malformed pickle: {name} at byte {position}: {error}") from error
        raise ValueError("malformed pickle: no end")

    def _step(self, name: str, argument: Any) -> None:
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _ACTIONS:
            _ACTIONS[name](self, argument)
        else:
            raise ValueError(f"refused the pickle opcode {name}: network files have no use for it")

    # Containers

    def _mark(self, _: None) -> None:
        if len(self.marks) >= _DEEPEST:
            raise ValueError(f"refused data nested deeper than {_DEEPEST}")
        self.marks.append(len(self.stack))

    def _since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _tuple(self, items: list[Any]) -> None:
        self.stack.append(tuple(items))

    def _last(self, count: int) -> list[Any]:
        return [self.stack.pop() for _ in range(count)][::-1]

    def _append(self, items: list[Any]) -> None:
        self._container(list).extend(items)

    def _set_items(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise ValueError("malformed pickle: a key without a value")
        keys, values = items[::2], items[1::2]
        self._container(dict).update(zip(checked_keys(keys), values, strict=True))

    def _add_items(self, items: list[Any]) -> None:
        self._container(set).update(checked_keys(items))

    def _container(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise ValueError(f"malformed pickle: expected a {kind.__name__}, got {type(self.stack[-1]).__name__}")
        return self.stack[-1]

    # Memo

    def _put(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.stack[-1]

    def _get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    # Names and calls, which a common unpickler executes

    def _protocol(self, version: int) -> None:
        if version > _NEWEST_PROTOCOL:
            raise ValueError(f"expected a pickle of protocol {_NEWEST_PROTOCOL} or below, got {version}")

    def _global(self, path: str) -> None:
        self._push_admitted(*path.split(" ", 1))

    def _stack_global(self, _: None) -> None:
        self._push_admitted(*self._last(2))

    def _push_admitted(self, module: object, name: object) -> None:
        full_name = (
            f"{module}.{name}" if isinstance(module, str) and isinstance(name, str) else "a name that is no text"
        )
        if full_name not in self.admitted:
            raise ValueError(
                f"refused {full_name[:_LONGEST_MESSAGE]!r}: network files need no such name, and no code is run"
            )
        self.stack.append(self.admitted[full_name])

    def _call(self, _: None) -> None:
        constructor, arguments = self._last(2)
        if not isinstance(constructor, Constructor) or not isinstance(arguments, tuple):
            raise ValueError(f"refused a call of {type(constructor).__name__} data")
        signature(constructor.function).bind(*arguments)  # its TypeError, unlike the call's, names no function of ours
        self.stack.append(constructor.function(*arguments))

    def _build(self, _: None) -> None:
        state = self.stack.pop()
        if isinstance(state, dict) and not state:
            return
        if not isinstance(self.stack[-1], Buildable):
            raise ValueError(f"refused to set the state of {type(self.stack[-1]).__name__} data")
        self.stack[-1].build(state)

    def _persistent(self, _: None) -> None:
        if self.persistent is None:
            raise ValueError("refused a persistent id: network files have none")
        self.stack.append(self.persistent(self.stack.pop()))


def _opcodes(stream: BinaryIO) -> Iterator[tuple[str, Any, int | None]]:
    try:
        for opcode, argument, position in pickletools.genops(stream):
            yield opcode.name, argument, position
    except ValueError as error:
        raise ValueError(f"malformed pickle: {str(error)[:_LONGEST_MESSAGE]}") from error


def checked_keys(keys: list[Any]) -> list[Any]:
    """Return dict keys or set members, all of which must be scalars."""
    for key in keys:
        if not isinstance(key, _SCALARS):
            raise ValueError(f"refused a key that is a {type(key).__name__}: keys are text or numbers")
    return keys


_ACTIONS: dict[str, Callable[[PickleMachine, Any], None]] = {
    "PROTO": PickleMachine._protocol,
    "FRAME": lambda machine, size: None,
    "MARK": PickleMachine._mark,
    "TUPLE": lambda machine, _: machine._tuple(machine._since_mark()),
    "TUPLE1": lambda machine, _: machine._tuple(machine._last(1)),
    "TUPLE2": lambda machine, _: machine._tuple(machine._last(2)),
    "TUPLE3": lambda machine, _: machine._tuple(machine._last(3)),
    "APPEND": lambda machine, _: machine._append(machine._last(1)),
    "APPENDS": lambda machine, _: machine._append(machine._since_mark()),
    "SETITEM": lambda machine, _: machine._set_items(machine._last(2)),
    "SETITEMS": lambda machine, _: machine._set_items(machine._since_mark()),
    "ADDITEMS": lambda machine, _: machine._add_items(machine._since_mark()),
    "MEMOIZE": PickleMachine._put,
    "BINPUT": PickleMachine._put,
    "LONG_BINPUT": PickleMachine._put,
    "BINGET": PickleMachine._get,
    "LONG_BINGET": PickleMachine._get,
    "GLOBAL": PickleMachine._global,
    "STACK_GLOBAL": PickleMachine._stack_global,
    "REDUCE": PickleMachine._call,
    "NEWOBJ": PickleMachine._call,
    "BUILD": PickleMachine._build,
    "BINPERSID": PickleMachine._persistent,
}
