"""The order of images as a function of a seed and of the images seen, so that a run can resume anywhere in it.

The random numbers that a data set draws for an image (a flip, a crop) depend on the image's place in the order alone:
they are the same with and without loading processes, and after a resume.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, distributed
from torch.utils.data import Dataset, DistributedSampler

from .._random_state import derive_seed, preserve_random_state, seed_cpu_generators
from .._ranks import rank_count
from .epochs import count_groups, draw_all, draw_balanced, draw_groups
from .source import UnreadableImageError

_DRAWS = 100  # in place of one unreadable image


class ImageOrder(DistributedSampler[Any]):
    """Pairs ``(place, index)`` of an endless sequence of shuffled epochs, as one rank of a process group reads them.

    An epoch is the data set once in random order, and then as many images drawn again as complete its last batch.
    A batch of the group is cut into consecutive parts, one per rank. Balanced, an epoch has as many images of each
    class (up to one), all images of a class equally often (up to one).

    With `images_per_class` = k, an epoch consists of groups of k images of one class, the classes spread evenly over
    it; the last group of a class is completed by images drawn again. A batch of N images holds N / k groups, its image
    n one of group ``n % (N / k)``, as in :func:`stylelayers.functional.minibatch_stddev`.

    Args:
        length: images of the data set.
        batch_size: images per batch and process.
        seed: of the order.
        images_seen: returns how many images the group has used when an epoch starts; if None, the sampler counts.
        classes: the class of each image, ``(length,)``; needed by the next two.
        balanced: see above.
        images_per_class: see above; must divide the batch.

    Raises:
        ValueError: a class has fewer images than `images_per_class`.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        *,
        seed: int,
        images_seen: Callable[[], int | None],
        classes: Tensor | None = None,
        balanced: bool = False,
        images_per_class: int = 1,
    ) -> None:
        processes = rank_count()
        rank = distributed.get_rank() if processes > 1 else 0
        super().__init__(range(length), num_replicas=processes, rank=rank, seed=seed)  # type: ignore[arg-type]
        self.length, self.batch_size, self.images_seen = length, batch_size, images_seen
        self.balanced, self.images_per_class = balanced, images_per_class
        self.members: list[Tensor] = []
        if classes is not None:
            self.members = [(classes == each).nonzero()[:, 0] for each in classes.unique()]
        self.groups: list[int] = []
        if images_per_class > 1:
            self.groups = count_groups(self.members, images_per_class, balanced=balanced)
        images = sum(self.groups) * images_per_class or length
        self.num_samples = math.ceil(images / (processes * batch_size)) * batch_size
        self.total_size = self.num_samples * processes
        self._next = 0

    def __iter__(self) -> Iterator[tuple[int, int]]:  # type: ignore[override]
        seen = self.images_seen()
        start = self._next if seen is None else seen
        epoch, first = divmod(start, self.total_size)
        self._next = (epoch + 1) * self.total_size
        return self._read_epoch(epoch, first)

    def _read_epoch(self, epoch: int, first: int) -> Iterator[tuple[int, int]]:
        """Read an epoch from its place `first` to its end, in whole batches."""
        group, start = self.num_replicas * self.batch_size, epoch * self.total_size
        order = self._shuffle(epoch)
        if (self.total_size - first) % group:
            order = torch.cat([order, self._shuffle(epoch + 1)])
        for batch in range(first + self.rank * self.batch_size, self.total_size + self.rank * self.batch_size, group):
            groups = order[batch : batch + self.batch_size].view(-1, self.images_per_class)
            yield from enumerate(groups.T.flatten().tolist(), start + batch)

    def _shuffle(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(self.seed, epoch))
        if self.groups:
            return draw_groups(self.members, self.groups, self.images_per_class, self.total_size, generator)
        if self.balanced:
            return draw_balanced(self.members, self.total_size, generator)
        return draw_all(self.length, self.total_size, generator)


class SeededImages(Dataset[Any]):
    """A data set read by ``(place, index)``: its random numbers for an image depend on the place alone.

    Args:
        dataset: the images.
        seed: of the random numbers.
        unreadable: a bool for each image, set for those that cannot be read; another image, drawn from seed and place,
            stands in for such a one. If None, an unreadable image is an error.
    """

    def __init__(self, dataset: Dataset[Any], seed: int, unreadable: Tensor | None = None) -> None:
        self.dataset, self.seed, self.unreadable = dataset, seed, unreadable

    def __getitem__(self, place_and_index: tuple[int, int]) -> Any:
        return self.__getitems__([place_and_index])[0]

    def __getitems__(self, places_and_indices: list[tuple[int, int]]) -> list[Any]:
        """A batch: a loader asks for all of it at once, so that the random states are saved once."""
        with preserve_random_state():
            return [self._read(place, index) for place, index in places_and_indices]

    def _read(self, place: int, index: int) -> Any:
        for draw in range(_DRAWS):
            seed_cpu_generators(derive_seed(self.seed, place))
            try:
                return self.dataset[index]
            except UnreadableImageError as error:
                if self.unreadable is None:
                    raise
                if not self.unreadable[index]:
                    warnings.warn(f"skipped: {error}", stacklevel=2)
                self.unreadable[index] = True
                index = derive_seed(self.seed, place, draw) % len(self.unreadable)
        raise UnreadableImageError(f"{_DRAWS} images drawn one after the other cannot be read")
