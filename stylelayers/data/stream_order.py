"""The order of images that are read from shards one after the other: a function of the seed and the images seen."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch

from .._random_state import derive_seed
from .order import ImageOrder
from .stream import Stream


class Layout(NamedTuple):
    """How an epoch is divided.

    Attributes:
        lanes: parts of the shards that are read side by side, each from its start to its end.
        chunk: images in a row from one lane.
        buffer: images in a row of a lane that are mixed.
    """

    lanes: int
    chunk: int
    buffer: int


class StreamOrder(ImageOrder):
    """Pairs ``(place, index)`` as :class:`ImageOrder`, such that each loading process reads shards from start to end.

    In each epoch the shards are put into a random order and divided into consecutive lanes of equal length, one for
    each loading process of the group. Batches are drawn from the lanes in turn; within a lane, each `shuffle_buffer`
    images in a row are shuffled. Every image comes once in an epoch; then the first ones again, as many as complete the
    last batch. An epoch that is resumed goes on as it was divided, with any number of processes; these then read
    shards together, each what all of them need.

    Args:
        stream: the shards.
        batch_size, seed, images_seen: as those of :class:`ImageOrder`.
        workers: loading processes of each process, at least 1.
        resumed: the layout of the epoch that a checkpoint was written in.

    Attributes:
        current: the layout of the epoch that is read.
    """

    def __init__(
        self,
        stream: Stream,
        batch_size: int,
        *,
        seed: int,
        images_seen: Callable[[], int | None],
        workers: int,
        resumed: Layout | None = None,
    ) -> None:
        super().__init__(len(stream), batch_size, seed=seed, images_seen=images_seen)
        readers = self.num_replicas * workers
        self.stream, self._resumed = stream, resumed
        self._own = Layout(readers, batch_size, stream.shuffle_buffer)
        self.current = resumed or self._own
        lanes = self.current.lanes
        stream.lanes = lanes // readers if lanes % readers == 0 else lanes
        stream.window = max(stream.shuffle_buffer, self.current.buffer)

    def _read_epoch(self, epoch: int, first: int) -> Iterator[tuple[int, int]]:
        self.current = self._resumed if first and self._resumed is not None else self._own
        self._resumed = None
        maps = {epoch: EpochMap(self.stream, self.seed, epoch, self.current)}
        mine, group = self.rank * self.batch_size, self.num_replicas * self.batch_size
        for batch in range(first + mine, self.total_size + mine, group):
            for place in range(batch, batch + self.batch_size):
                later, within = divmod(place, self.total_size)
                if epoch + later not in maps:
                    maps[epoch + later] = EpochMap(self.stream, self.seed, epoch + later, self._own)
                yield epoch * self.total_size + place, maps[epoch + later].find(within % self.length)


class EpochMap:
    """Which image stands at a place of an epoch.

    Args:
        stream: the shards.
        seed, epoch: of their order, and of the images'.
        layout: how the epoch is divided.
    """

    def __init__(self, stream: Stream, seed: int, epoch: int, layout: Layout) -> None:
        self.seed, self.epoch, self.layout = seed, epoch, layout
        lengths = np.asarray(stream.lengths, dtype=np.int64)
        order = torch.randperm(len(lengths), generator=self._generator()).numpy()
        self._ends = np.cumsum(lengths[order])
        self._shifts = (stream.ends - lengths)[order] - (self._ends - lengths[order])  # from here to the shards' order
        chunks, rest = divmod(len(stream), layout.chunk)
        shares = np.full(layout.lanes, chunks // layout.lanes * layout.chunk)
        shares[: chunks % layout.lanes] += layout.chunk
        shares[chunks % layout.lanes] += rest
        self._lane_ends = np.cumsum(shares)
        self._lane_starts = self._lane_ends - shares
        self._shuffled: dict[int, tuple[int, torch.Tensor]] = {}

    def find(self, place: int) -> int:
        """The index of the image at a place of the epoch."""
        chunk, within = divmod(place, self.layout.chunk)
        turn, lane = divmod(chunk, self.layout.lanes)
        block, at = divmod(turn * self.layout.chunk + within, self.layout.buffer)
        start = int(self._lane_starts[lane]) + block * self.layout.buffer
        if self._shuffled.get(lane, (None, None))[0] != block:
            count = min(self.layout.buffer, int(self._lane_ends[lane]) - start)
            self._shuffled[lane] = block, torch.randperm(count, generator=self._generator(lane, block))
        position = start + int(self._shuffled[lane][1][at])
        return position + int(self._shifts[np.searchsorted(self._ends, position, side="right")])

    def _generator(self, *place: int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, self.epoch, *place))
