"""Official network pickles as records of modules and tensors; the source stored in them never runs."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from math import prod
from typing import Any

import torch
from torch import Tensor

from ._pickles import Buildable, Constructor, PickleMachine, checked_keys

_DEEPEST, _MOST_MODULES, _MOST_TENSORS, _MOST_DIMENSIONS = 8, 4096, 16384, 8
_MEMBER_BYTES = 256  # a generous estimate of what one member of a set takes
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")
_STORAGE_MAGIC, _STORAGE_VERSION = 0x1950A86A20F9469CFC6C, 1001
_STORAGE_TYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ByteStorage": torch.uint8,
}
_NUMBER_TYPES = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "b1": torch.uint8,
    "u1": torch.uint8,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Record:
    """One module of the file.

    Attributes:
        class_name: of the module, in the file.
        state: attributes of the module, and its `_parameters`, `_buffers` and `_modules`.
    """

    class_name: str
    state: dict[str, Any]

    def tree(self) -> dict[str, "Record"]:
        """This module and its descendants by name: ``""``, ``"mapping."``, ``"mapping.fc0."`` …"""
        records: dict[str, Record] = {}
        pending = [("", self)]
        while pending:
            prefix, record = pending.pop()
            records[prefix] = record
            pending += [(f"{prefix}{name}.", child) for name, child in record._entries("_modules", Record)]
            if prefix.count(".") > _DEEPEST or len(records) + len(pending) > _MOST_MODULES:
                raise ValueError(f"more than {_MOST_MODULES} modules, or {_DEEPEST} inside each other")
        return records

    def tensors(self) -> dict[str, Tensor]:
        """Parameters and buffers of all modules by name."""
        tensors: dict[str, Tensor] = {}
        for prefix, record in self.tree().items():
            for kind in ("_parameters", "_buffers"):
                tensors |= {prefix + name: tensor for name, tensor in record._entries(kind, Tensor)}
            if len(tensors) > _MOST_TENSORS:
                raise ValueError(f"more than {_MOST_TENSORS} tensors")
        return tensors

    def _entries(self, table: str, kind: type) -> Iterator[tuple[str, Any]]:
        entries = self.state.get(table, {})
        if not isinstance(entries, dict):
            raise ValueError(f"{table} of a module must be a dict, got {type(entries).__name__}")
        for name, entry in entries.items():
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(f"{table} of a module has the unusable name {_shortened(str(name))}")
            if not isinstance(entry, (kind, type(None))):
                raise ValueError(f"{name} in {table} must be a {kind.__name__}, got {type(entry).__name__}")
            if entry is not None:
                yield name, entry


def read_records(data: bytes) -> dict[object, object]:
    """The top level of an official file: ``"G_ema"``, ``"D"`` and others.

    Raises:
        ValueError: not such a file, or one with more than plain data.
    """
    if data.startswith(b"PK"):
        raise ValueError("expected an official network pickle, got a zip file (a torch.save checkpoint?)")
    if not data.startswith(b"\x80"):
        raise ValueError(f"expected an official network pickle, got a file that starts with {data[:4]!r}")
    contents = PickleMachine(BytesIO(data), _Constructors(len(data)).admitted()).run()
    if not isinstance(contents, dict):
        raise ValueError(f"expected a pickled dict of networks, got a {type(contents).__name__}")
    return contents


def _shortened(text: str, limit: int = 80) -> str:
    """Shorten and quote text of an unknown file for a message."""
    return repr(text if len(text) <= limit else text[:limit] + "…")


@dataclass(frozen=True, slots=True)
class _Storage:
    values: Tensor


class _Ignored(Buildable):
    """A NumPy array, which networks do not have and nothing reads."""

    def build(self, state: object) -> None:
        pass


class _NumberType(Buildable):
    """A NumPy dtype, little-endian."""

    def __init__(self, name: object, *_: object) -> None:
        self.dtype = _NUMBER_TYPES.get(name) if isinstance(name, str) else None

    def build(self, state: object) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 1 else None
        if not isinstance(order, str) or order not in ("<", "|"):
            raise ValueError("expected a little-endian numpy.dtype")


class _Constructors:
    """The functions that a file may call; `size` of the file limits the memory that they may allocate in total."""

    def __init__(self, size: int) -> None:
        self.budget = 2 * size  # each byte once in a storage and once in a tensor

    def admitted(self) -> dict[str, object]:
        functions: dict[str, Callable[..., object]] = {
            "torch_utils.persistence._reconstruct_persistent_obj": _record,
            "dnnlib.util.EasyDict": _dict,
            "collections.OrderedDict": _dict,
            "builtins.set": self.members,
            "torch.storage._load_from_bytes": self.storage,
            "torch._utils._rebuild_tensor_v2": self.tensor,
            "torch._utils._rebuild_parameter": _parameter,
            "numpy.dtype": _NumberType,
        }
        for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
            functions |= {f"{module}.scalar": _number, f"{module}._reconstruct": lambda *_: _Ignored()}
        return {"numpy.ndarray": None, **{name: Constructor(function) for name, function in functions.items()}}

    def storage(self, data: object) -> _Storage:
        """A storage in torch's pre-zip format: five pickles, a length and the numbers."""
        if not isinstance(data, bytes):
            raise ValueError(f"a storage must be bytes, got {type(data).__name__}")
        self._spend(len(data))
        stream = BytesIO(data)
        magic, version, system = (PickleMachine(stream, {}).run() for _ in range(3))
        if magic != _STORAGE_MAGIC or version != _STORAGE_VERSION or not isinstance(system, dict):
            raise ValueError("a storage is not in torch's format of five pickles")
        dtype, length = _checked_entry(PickleMachine(stream, _STORAGE_TYPES, persistent=lambda entry: entry).run())
        PickleMachine(stream, {}).run()  # repeats the name of the storage
        numbers = memoryview(data)[stream.tell() :]
        size = length * dtype.itemsize
        if len(numbers) != 8 + size or numbers[:8] != length.to_bytes(8, "little") or not system.get("little_endian"):
            raise ValueError(f"a storage of {length} {dtype} needs {8 + size} little-endian bytes, got {len(numbers)}")
        return _Storage(
            torch.frombuffer(bytearray(numbers[8:]), dtype=dtype) if length else torch.empty(0, dtype=dtype)
        )

    def tensor(
        self, storage: _Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: object
    ) -> Tensor:
        """A view inside a storage that repeats no element; gradients and hooks are ignored."""
        if not isinstance(storage, _Storage) or type(size) is not tuple or type(stride) is not tuple:
            raise ValueError("a tensor must be made of a storage, an offset, a size and a stride")
        if not len(size) == len(stride) <= _MOST_DIMENSIONS:
            raise ValueError(f"a tensor must have at most {_MOST_DIMENSIONS} sizes, and strides for them")
        values, numbers = storage.values, (offset, *size, *stride)
        if 0 in size or any(type(number) is not int or not 0 <= number <= len(values) for number in numbers):
            raise ValueError(f"a tensor of a storage of {len(values)} has an offset, size or stride out of range")
        length, span = prod(size), sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if max(length, offset + span + 1) > len(values):
            raise ValueError(f"a tensor reaches beyond its storage of {len(values)} numbers")
        self._spend(length * values.itemsize)
        return values.as_strided(size, stride, offset)

    def members(self, members: object) -> set[object]:
        """A set as pickle protocol 3 writes it."""
        if not isinstance(members, list):
            raise ValueError(f"a set must be made of a list, got {type(members).__name__}")
        checked_keys(members)
        self._spend(_MEMBER_BYTES * len(members))
        return set(members)

    def _spend(self, size: int) -> None:
        self.budget -= size
        if self.budget < 0:
            raise ValueError("the tensors and sets would take more memory than the file has bytes")


def _record(meta: object) -> Record:
    state = meta.get("state") if isinstance(meta, dict) else None
    name = meta.get("class_name") if isinstance(meta, dict) else None
    if not isinstance(state, dict) or not isinstance(name, str):
        raise ValueError("a persistent object must be a dict with class_name and state")
    return Record(name, state)


def _dict() -> dict[object, object]:
    return {}


def _parameter(data: object, *_: object) -> object:
    return data


def _number(kind: _NumberType, data: bytes) -> float | int:
    dtype = kind.dtype if isinstance(kind, _NumberType) else None
    if dtype is None or not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise ValueError("a numpy number must be a float or an int of its own size")
    number: float | int = torch.frombuffer(bytearray(data), dtype=dtype).item()
    return number


def _checked_entry(entry: object) -> tuple[torch.dtype, int]:
    match entry:
        case ("storage", torch.dtype() as dtype, str(), str(), int() as length, None) if length >= 0:
            return dtype, length
    raise ValueError("a storage must be named by its type, key, place and length")
