"""Millions of names in two tensors, which loading processes share instead of copying."""

import os
from array import array
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np
import torch
from torch import Tensor


class Names(Sequence[str]):
    """An immutable list of names, such as paths; as text they are made one at a time.

    A Python list of ten million paths takes 1 GB, and as much again in every forked process, which writes to each of
    them when it counts references.

    Attributes:
        text: all names, one after the other, as uint8.
        ends: int64, where each of them ends.

    Example:
        >>> names = Names(["a/1.png", "b/2.png"])
        >>> len(names), names[1]
        (2, 'b/2.png')
    """

    def __init__(self, names: Iterable[str]) -> None:
        text, ends = bytearray(), array("q")
        for name in names:
            text += os.fsencode(name)
            ends.append(len(text))
        self.text = _tensor(text, torch.uint8)
        self.ends = _tensor(ends, torch.int64)

    @classmethod
    def from_tensors(cls, text: Tensor, ends: Tensor) -> "Names":
        """The names of two tensors that were stored."""
        names = cls(())
        names.text, names.ends = text, ends
        return names

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> "Names": ...
    def __getitem__(self, index: int | slice) -> "str | Names":
        if isinstance(index, slice):
            return Names(self[each] for each in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"Names: index must be in [{-len(self)}, {len(self)}), got {index}")
        index %= len(self)
        start = int(self.ends[index - 1]) if index else 0
        return os.fsdecode(self.text[start : int(self.ends[index])].numpy().tobytes())

    def equals(self, other: "Names") -> bool:
        """Whether both hold the same names in the same order."""
        return torch.equal(self.ends, other.ends) and torch.equal(self.text, other.text)

    def select(self, indices: Tensor) -> "Names":
        """The names of some indices."""
        return Names(self[index] for index in indices.tolist())


def _tensor(buffer: "bytearray | array[int]", dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(np.frombuffer(buffer, dtype=str(dtype).removeprefix("torch.")).copy())
