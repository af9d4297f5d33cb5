"""Images of shards that are read from start to end, and asked for in almost that order."""

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from .huggingface_columns import Columns, as_file, is_vector
from .source import UnreadableShardError
from .stream import Stream

_OPEN_SHARDS = 16  # at each place that is read
_SMALL = 4  # a shard of at most a fourth of the window is read whole


class StreamedPictures:
    """Pairs of a picture and its label, by number.

    An image that is asked for is read with all that precede it in its shard, as far as `stream.window` images before
    and not yet read; those are held until they are asked for. In :class:`.stream_order.StreamOrder` each image is read
    once; in any other order the answers are the same, but a shard is read anew from its start.

    Args:
        dataset: a ``datasets.IterableDataset`` of the columns alone, whose images are not decoded.
        files: its shards.
        stream: their lengths.
        columns: of the images and labels.

    Attributes:
        classes: names of the classes, if labels are classes.
        length: of the labels, if they are vectors.
    """

    def __init__(self, dataset: Any, files: Sequence[str], stream: Stream, columns: Columns) -> None:
        self.dataset, self.files, self.stream, self.columns = dataset, files, stream, columns
        self.classes: tuple[str, ...] = ()
        self.length = 0
        self._shelf: _Shelf | None = None

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        example = self._read(index)
        return as_file(example[self.columns.image]), self._label(example)

    def first_vector(self) -> Any:
        """The label of the first image, a row of numbers."""
        return self._values(self._read(0))

    def _read(self, index: int) -> dict[str, Any]:
        """An example; files that another process has opened are opened anew in this one."""
        if self._shelf is None or self._shelf.process != os.getpid():
            self._shelf = _Shelf(self.dataset, self.files, self.stream)
        return self._shelf.take(index)

    def _values(self, example: dict[str, Any]) -> Any:
        values = [example[name] for name in self.columns.labels]
        return values if self.columns.single else values[0]

    def _label(self, example: dict[str, Any]) -> int | Tensor:
        if not self.columns.labels:
            return 0
        value = self._values(example)
        if self.classes:
            number = self.classes.index(value) if value in self.classes else value
            if not isinstance(number, int) or not 0 <= number < len(self.classes):
                raise ValueError(f"its label {value!r} is none of the {len(self.classes)} classes")
            return int(number)
        if not is_vector(value, self.length):
            raise ValueError(f"its label must be a row of {self.length} finite numbers, got {value!r}")
        return torch.tensor(value, dtype=torch.float32)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shelf": None}


class _Shelf:
    """Open shards, and the examples that were read from them but not yet taken."""

    def __init__(self, dataset: Any, files: Sequence[str], stream: Stream) -> None:
        self.dataset, self.files, self.stream, self.process = dataset, files, stream, os.getpid()
        self._open: OrderedDict[int, tuple[Iterator[Any], int]] = OrderedDict()
        self._held: OrderedDict[int, Any] = OrderedDict()

    def take(self, index: int) -> dict[str, Any]:
        if index in self._held:
            return self._held.pop(index)  # type: ignore[no-any-return]
        stream = self.stream
        shard, offset = stream.locate(index)
        start, length = index - offset, stream.lengths[shard]
        examples, position = self._open.pop(shard, (None, 0))
        if examples is None or position > offset:
            position = max(0, offset + 1 - stream.window)
            part = self.dataset.shard(num_shards=len(stream.lengths), index=shard)
            # not iter(part): in a loading process that would read a share of the shard alone
            examples = (part.skip(position) if position else part).iter(batch_size=1)
        end = length if length * _SMALL <= stream.window else offset + 1
        for number in range(start + position, start + end):
            self._hold(number, self._next(examples, shard))
        if end < length:
            self._open[shard] = examples, end
            while len(self._open) > _OPEN_SHARDS * stream.lanes:
                self._open.popitem(last=False)
        return self._held.pop(index)  # type: ignore[no-any-return]

    def _hold(self, number: int, example: dict[str, Any]) -> None:
        self._held[number] = example
        while len(self._held) > 2 * self.stream.window * self.stream.lanes:
            self._held.popitem(last=False)

    def _next(self, examples: Iterator[Any], shard: int) -> dict[str, Any]:
        try:
            return {name: column[0] for name, column in next(examples).items()}
        except StopIteration:
            reason = f"it ends before the {self.stream.lengths[shard]:,} images that were counted"
            raise UnreadableShardError(f"{self.files[shard]} cannot be read: {reason}") from None
        except Exception as error:  # of the network, of tar files, of Arrow, ...
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UnreadableShardError(f"{self.files[shard]} cannot be read: {reason}") from error
