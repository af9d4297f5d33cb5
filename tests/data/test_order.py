"""The order of images and the seeds of a data set's random numbers: the same on every platform and version."""

import random
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

from stylelayers._random_state import derive_seed, resume_random_state
from stylelayers.data.order import ImageOrder, SeededImages
from stylelayers.data.source import UnreadableImageError

SEEDS = [
    ((0, 0), 3757552657),
    ((0, 1), 673228719),
    ((1, 0), 1641411168),
    ((2**63 - 1, 5), 571573118),
    ((2**32, 0), 2821894394),
    ((0, 1, 2, 3), 51760083),
]


class Drawn(Dataset[Any]):
    """A number of each generator, and the index."""

    def __getitem__(self, index: int) -> tuple[float, float, float, int]:
        return random.random(), np.random.rand(), torch.rand(()).item(), index


@pytest.mark.parametrize(("numbers", "seed"), SEEDS)
def test_derived_seeds_are_the_published_ones(numbers: tuple[int, ...], seed: int) -> None:
    assert derive_seed(*numbers) == seed


def test_seeds_of_many_places_differ() -> None:
    assert len({derive_seed(0, *place) for place in [(), (0,), (0, 0), (1,), (1, 0), (0, 1)]}) == 6
    assert len({derive_seed(7, place) for place in range(10_000)}) > 9_990


def test_order_is_a_function_of_seed_and_epoch() -> None:
    order = ImageOrder(7, 3, seed=5, images_seen=lambda: None)
    assert list(order) == list(enumerate([4, 2, 5, 3, 1, 6, 0, 0, 2]))
    assert [index for _, index in order] == [0, 5, 6, 4, 3, 1, 2, 4, 1]


def test_random_numbers_are_a_function_of_seed_and_place() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    items = SeededImages(Drawn(), 5).__getitems__([(4, 0), (5, 1), (4, 1)])
    assert torch.equal(torch.get_rng_state(), before)
    assert items[0][:3] == items[2][:3] != items[1][:3]
    assert items[0][:3] == pytest.approx((0.12049045700858696, 0.11643026561117065, 0.8061469197273254))


def test_ranks_without_a_saved_state_have_sequences_of_their_own() -> None:
    drawn = []
    for rank, processes, iteration in [(0, 2, 0), (1, 2, 0), (0, 2, 1), (0, 3, 0)]:
        torch.manual_seed(0)
        resume_random_state([], rank, processes, iteration)
        drawn.append(Drawn()[0][:3])
    assert len(set(drawn)) == 4
    assert drawn[0] == pytest.approx((0.0715115386874492, 0.7856954589327165, 0.13803762197494507))


WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None
import stylelayers.data.listing, stylelayers.data.order, stylelayers.data.transforms
from stylelayers.data import ImageTransform, TransformedImages
try:
    from stylelayers.data import torchvision_dataset
except ModuleNotFoundError as error:
    print(error)
"""


@pytest.mark.parametrize("missing", ["lightning", "torchvision"])
def test_only_the_data_module_needs_lightning(missing: str) -> None:
    told = subprocess.run([sys.executable, "-c", WITHOUT, missing], capture_output=True, text=True, check=True).stdout
    assert told == f'stylelayers.data needs {missing}: pip install "stylelayers[train]"\n'


def test_balanced_epochs_have_as_many_images_of_each_class() -> None:
    classes = torch.tensor([0] * 12 + [2] * 3 + [5])
    order = ImageOrder(16, 4, seed=5, images_seen=lambda: None, classes=classes, balanced=True)
    for _ in range(2):
        drawn = torch.tensor([index for _, index in order])
        counts = torch.bincount(classes[drawn], minlength=6)
        assert (len(drawn), counts.sum()) == (16, 16)
        assert counts[[0, 2, 5]].tolist() in ([6, 5, 5], [5, 6, 5], [5, 5, 6])
        of_rare = torch.bincount(drawn, minlength=16)[12:15]
        assert of_rare.max() - of_rare.min() <= 1


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize("seen", [0, 40, 52])
def test_the_groups_of_a_batch_hold_one_class_each(balanced: bool, seen: int) -> None:
    classes = torch.tensor([0] * 13 + [1] * 9 + [2] * 5)
    places = iter([seen, None])
    order = ImageOrder(
        27, 8, seed=1, images_seen=lambda: next(places), classes=classes, balanced=balanced, images_per_class=4
    )
    list(order)
    drawn = torch.tensor([index for _, index in order])
    groups = classes[drawn].view(-1, 4, 2)  # image n of a batch belongs to group n % 2
    assert torch.equal(groups, groups[:, :1].expand_as(groups))
    assert len(drawn) == 40
    if not balanced:
        assert torch.bincount(drawn, minlength=27).min() >= 1
    else:
        assert torch.bincount(groups[:, 0].flatten()).tolist() in ([4, 3, 3], [3, 4, 3], [3, 3, 4])
    assert torch.bincount(groups[:4, 0].flatten()).min() >= 1  # spread evenly: eight groups have all classes


def test_a_resumed_order_of_groups_goes_on_where_it_stopped() -> None:
    def order(seen: int, batch_size: int = 8) -> list[tuple[int, int]]:
        classes = torch.arange(32) % 2
        return list(ImageOrder(32, batch_size, seed=3, images_seen=lambda: seen, classes=classes, images_per_class=4))

    assert order(0)[16:] == order(16)
    for batch_size in (4, 16):  # in groups of another batch
        drawn = torch.tensor([index for _, index in order(8, batch_size)])
        groups = (drawn % 2).view(-1, 4, batch_size // 4)
        assert torch.equal(groups, groups[:, :1].expand_as(groups))


def test_a_class_of_fewer_images_than_a_group_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^ImageDataModule: images_per_class must be at most 1, .*, got 2$"):
        ImageOrder(3, 2, seed=0, images_seen=lambda: None, classes=torch.tensor([0, 0, 1]), images_per_class=2)


class Damaged(Drawn):
    """Images of which some cannot be read."""

    def __init__(self, damaged: Iterable[int] = (1, 2)) -> None:
        self.damaged = set(damaged)

    def __getitem__(self, index: int) -> tuple[float, float, float, int]:
        if index in self.damaged:
            raise UnreadableImageError(f"image {index} cannot be read")
        return super().__getitem__(index)


def test_another_draw_stands_in_for_an_unreadable_image() -> None:
    with pytest.raises(UnreadableImageError, match=r"^image 1 cannot be read$"):
        SeededImages(Damaged(), 5)[3, 1]
    unreadable = torch.zeros(6, dtype=torch.bool)
    images = SeededImages(Damaged(), 5, unreadable)
    with pytest.warns(UserWarning, match="skipped: image 1 cannot be read"):
        first = images[3, 1]
    assert first[3] in (0, 3, 4, 5)
    assert unreadable[1]
    assert images[3, 1] == first  # without another warning
    assert SeededImages(Damaged(), 5, torch.ones(6, dtype=torch.bool))[3, 1] == first
    assert len({images[place, 1][3] for place in range(40)}) == 4
    with pytest.raises(UnreadableImageError, match="100 images drawn one after the other"):
        SeededImages(Damaged(range(6)), 5, torch.ones(6, dtype=torch.bool))[3, 1]
