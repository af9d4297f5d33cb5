"""Shards of images that are best read from start to end."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Stream:
    """Shards of images, one after the other.

    Attributes:
        lengths: number of images of each shard.
        shuffle_buffer: images in a row that are mixed.
        lanes: how many places of the shards a loading process reads at; set by the order.
        window: how far from each other images are that are asked for one after the other; set by the order.
        ends: where each shard ends, counted in images, int64 ``(S,)``.
    """

    lengths: Sequence[int]
    shuffle_buffer: int
    lanes: int = 1
    window: int = field(init=False)
    ends: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.window, self.ends = self.shuffle_buffer, np.cumsum(np.asarray(self.lengths, dtype=np.int64))

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def locate(self, index: int) -> tuple[int, int]:
        """The shard of an image and its place in it."""
        shard = int(np.searchsorted(self.ends, index, side="right"))
        return shard, index - (int(self.ends[shard - 1]) if shard else 0)
