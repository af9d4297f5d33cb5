"""Streams: each image once in an epoch over ranks and loading processes, exact resumes, little read for them."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import pytest
import torch

from stylelayers.data import huggingface_dataset
from stylelayers.data.huggingface_shards import count_images
from stylelayers.data.huggingface_stream import StreamedPictures, _Shelf
from stylelayers.data.stream import Stream
from stylelayers.data.stream_order import Layout, StreamOrder
from stylelayers.metrics.real_features import RealImages
from stylelayers.training import LatestCheckpoint
from tests.data.shards import numbered_png, write_images, write_parquet, write_tars
from tests.training.run.test_resume import State
from tests.training.tiny import fit, tiny_gan

LENGTHS = [13, 5, 20, 12, 1, 3]
COUNT = sum(LENGTHS)
pytestmark = pytest.mark.usefixtures("hub_is_off")


def open_stream(name: Any, **arguments: Any) -> Any:
    settings = {"streaming": True, "shuffle_buffer": 7, "resolution": 4, "batch_size": 4, "num_workers": 0}
    return huggingface_dataset(name, **{**settings, **arguments})


def numbers_of(images: torch.Tensor) -> list[int]:
    return ((images[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def place_process(monkeypatch: pytest.MonkeyPatch, rank: int, processes: int) -> None:
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: processes > 1)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: processes)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: rank)


# The order -----------------------------------------------------------------------------------------------------------


def order_of(
    processes: int, rank: int, batch_size: int, *, workers: int = 1, seen: int = 0, **more: Any
) -> StreamOrder:
    stream = Stream(more.pop("lengths", LENGTHS), more.pop("buffer", 7))
    order = StreamOrder(stream, batch_size, seed=3, images_seen=partial(int, seen), workers=workers, **more)
    order.num_replicas, order.rank = processes, rank
    order.num_samples = math.ceil(order.length / (processes * batch_size)) * batch_size
    order.total_size = order.num_samples * processes
    if "resumed" not in more:
        order._own = Layout(processes * workers, batch_size, order.stream.shuffle_buffer)
    return order


@pytest.mark.parametrize("lengths", [LENGTHS, [COUNT], [1] * COUNT, [0, COUNT, 0], [3], [2, 1]])
@pytest.mark.parametrize(
    ("processes", "workers", "batch_size"), [(1, 1, 4), (2, 2, 4), (3, 1, 5), (1, 3, 64), (2, 1, 1)]
)
def test_an_epoch_has_every_image_once_and_then_the_first_again(
    lengths: list[int], processes: int, workers: int, batch_size: int
) -> None:
    count = sum(lengths)
    for epoch in range(2):
        pairs: list[tuple[int, int]] = []
        for rank in range(processes):
            order = order_of(processes, rank, batch_size, workers=workers, lengths=lengths)
            order.images_seen = partial(int, epoch * order.total_size)
            pairs += order
        assert sorted(place for place, _ in pairs) == [epoch * len(pairs) + place for place in range(len(pairs))]
        indices = [index for _, index in sorted(pairs)]
        assert len(indices) % (processes * batch_size) == 0
        assert sorted(indices[:count]) == list(range(count))
        again = (indices[:count] * len(indices))[: len(indices) - count]
        assert indices[count:] == again


def test_the_order_differs_from_epoch_to_epoch_and_is_not_that_of_the_shards() -> None:
    first, second = ([index for _, index in order_of(1, 0, 4, seen=seen)] for seen in (0, 56))
    assert first != second
    assert first[:20] != sorted(first[:20])
    steps = [abs(a - b) for a, b in pairwise(first)]
    assert sorted(steps)[len(steps) // 2] < 7  # neighbours are neighbours in the shards


@pytest.mark.parametrize(("before", "after"), [((2, 2, 4), (1, 3, 8)), ((1, 1, 8), (4, 2, 2)), ((2, 1, 4), (2, 1, 4))])
@pytest.mark.parametrize("batches", [1, 3])
def test_a_resumed_epoch_goes_on_with_any_number_of_processes(
    before: tuple[int, int, int], after: tuple[int, int, int], batches: int
) -> None:
    def places(processes: int, workers: int, batch_size: int, seen: int, **more: Any) -> dict[int, int]:
        orders = [
            order_of(processes, rank, batch_size, workers=workers, seen=seen, **more) for rank in range(processes)
        ]
        return dict(sorted(pair for order in orders for pair in order))

    whole = places(*before, 0)
    layout = Layout(before[0] * before[1], before[2], 7)
    rest = places(*after, 8 * batches, resumed=layout)
    assert len(rest) == len(whole) - 8 * batches
    assert rest == {place: index for place, index in whole.items() if place >= 8 * batches}


@pytest.mark.parametrize("buffer", [4, 32])
def test_each_process_reads_little_more_than_its_share(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, buffer: int
) -> None:
    lengths, readers = [40, 13, 60, 7, 40], 4
    module = open_stream(write_tars(tmp_path, lengths), shuffle_buffer=buffer)
    following, read = _Shelf._next, 0

    def counted(*arguments: Any) -> Any:
        nonlocal read
        read += 1
        return following(*arguments)

    monkeypatch.setattr(_Shelf, "_next", counted)
    for rank in range(readers):
        shelf = _Shelf(module.dataset.source.pictures.dataset, [""] * 5, Stream(lengths, buffer))
        for _, index in order_of(readers, rank, 4, lengths=lengths, buffer=buffer):
            assert shelf.take(index)["png"]["bytes"] == numbered_png(index)
            assert len(shelf._held) <= 2 * buffer
    assert read <= sum(lengths) + readers * 2 * buffer


# Shards --------------------------------------------------------------------------------------------------------------


def write_arrow(folder: Path, lengths: list[int]) -> Path:
    """What ``save_to_disk`` writes."""
    images = [{"bytes": numbered_png(number), "path": None} for number in range(sum(lengths))]
    columns = {"image": images, "cls": [number % 3 for number in range(sum(lengths))]}
    table = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
    table.save_to_disk(str(folder), num_shards=len(lengths))
    return folder


def write_labelled(folder: Path, lengths: list[int]) -> Path:
    return write_parquet(folder, lengths, cls=[number % 3 for number in range(sum(lengths))])


@pytest.mark.parametrize("write", [write_labelled, write_tars, write_arrow])
@pytest.mark.parametrize("workers", [0, 2])
def test_two_ranks_with_processes_read_every_image_once(
    write: Callable[[Path, list[int]], Path], workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "set", LENGTHS)
    seen: list[list[tuple[int, int]]] = [[], []]
    for rank in range(2):
        place_process(monkeypatch, rank, 2)
        torch.manual_seed(5)
        module = open_stream(
            folder, labels="classes", label_column="cls", class_names=["a", "b", "c"], num_workers=workers
        )
        loader = module.train_dataloader()
        for epoch in range(2):
            batches = [(numbers_of(images), labels.tolist()) for images, labels in loader]
            assert [len(numbers) for numbers, _ in batches] == [4] * math.ceil(COUNT / 8)
            seen[epoch] += [pair for batch in batches for pair in zip(*batch, strict=True)]
    for read in seen:
        assert sorted({*read}) == [(number, number % 3) for number in range(COUNT)]
        assert len(read) - len({*read}) == len(read) - COUNT == 2
    assert seen[0] != seen[1]


def test_all_ranks_divide_a_stream_as_the_first_one_does(tmp_path: Path) -> None:
    """Ranks on machines of different sizes have different numbers of loading processes."""
    module = open_stream(write_tars(tmp_path, LENGTHS), num_workers=2)
    strategy = SimpleNamespace(broadcast=lambda mine: (mine[0], 3))
    module.trainer = SimpleNamespace(strategy=strategy, lightning_module=None)
    module.setup("fit")
    loader = module.train_dataloader()
    assert (loader.num_workers, loader.sampler.current.lanes) == (2, 3)


def test_a_stream_says_what_it_is_and_metrics_take_its_first_images(tmp_path: Path) -> None:
    module = open_stream(write_tars(tmp_path, LENGTHS), num_workers=2)
    assert (len(module.dataset), module.remarks) == (COUNT, ("streamed from 6 shards",))
    real = RealImages(module, limit=10, batch_size=4)
    for _ in range(2):
        assert [number for images, _ in real for number in numbers_of(images)] == list(range(10))
    assert real.choice == ", first 10 images of a stream"
    assert RealImages(module, limit=99, batch_size=4).choice == ""


def test_images_are_counted_once_and_again_when_a_file_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_tars(tmp_path, LENGTHS)
    files = sorted(map(str, folder.glob("*.tar")))
    assert count_images("webdataset", files) == LENGTHS
    with monkeypatch.context() as context:
        context.setattr("stylelayers.data.huggingface_shards._count", lambda *_: pytest.fail("counted again"))
        assert count_images("webdataset", files) == LENGTHS
    write_tars(folder, [4, 4])
    assert count_images("webdataset", files) == [4, 4, *LENGTHS[2:]]


def test_an_image_is_named_by_its_shard_and_can_be_skipped(tmp_path: Path) -> None:
    folder = write_labelled(tmp_path / "set", [5, 4])
    table = datasets.Dataset.from_dict({"image": [{"bytes": b"no", "path": None}] * 2, "cls": [0, 1]})
    table.cast_column("image", datasets.Image()).to_parquet(str(folder / "train-00002.parquet"))
    damaged = r"image 1 of .*train-00002\.parquet cannot be read: it is none of JPEG"
    with pytest.raises(ValueError, match=damaged):
        open_stream(folder).dataset[10]
    module = open_stream(folder, on_error="skip", batch_size=11)
    with pytest.warns(UserWarning, match="skipped: image [01] of .*train-00002"):
        ((images, _),) = module.train_dataloader()
    assert {*range(9)} == {*numbers_of(images)}
    assert module.unreadable.nonzero()[:, 0].tolist() == [9, 10]
    few = {"labels": "classes", "label_column": "cls", "class_names": ["a", "b"]}
    with pytest.raises(
        ValueError, match=r"image 2 of .*train-00000.parquet cannot be read: its label 2 is none of the 2"
    ):
        open_stream(folder, **few).dataset[2]


@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_damaged_shard_is_named_and_not_skipped(on_error: str, tmp_path: Path) -> None:
    module = open_stream(write_tars(tmp_path, [5, 5]), on_error=on_error, batch_size=10)
    write_tars(tmp_path, [5, 2])
    with pytest.raises(ValueError, match=r"00001\.tar cannot be read: it ends before the 5 images that were counted"):
        list(module.train_dataloader())
    shard = tmp_path / "train-00001.tar"
    shard.write_bytes(shard.read_bytes()[:700])
    with pytest.raises(ValueError, match=r"00001\.tar cannot be read: unexpected end of data"):
        list(module.train_dataloader())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"balance_classes": True, "labels": "classes"}, "balance_classes must be left out with streaming=True, "),
        ({"images_per_class": 2, "labels": "classes"}, "images_per_class must be left out with streaming=True, "),
        ({"max_images": 5}, "max_images must be left out with streaming=True, "),
        (
            {"labels": "classes", "label_column": "cls"},
            "class_names must name the classes of a stream whose column 'cls'",
        ),
        ({"split": "train[:4]"}, r"name must be .* cannot be opened: Bad split: train\[:4\]"),
        ({"image_column": "img"}, "image_column must be a column of the data set, got 'img'; the columns are image"),
    ],
)
def test_what_a_stream_refuses(arguments: dict[str, Any], message: str, tmp_path: Path) -> None:
    folder = write_labelled(tmp_path / "set", [5, 4])
    with pytest.raises(ValueError, match=f"^huggingface_dataset: {message}"):
        open_stream(folder, **arguments)


def test_image_files_are_not_streamed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="streaming must be False for a data set of images; Parquet, Arrow and WebD"):
        open_stream(write_images(tmp_path, 6))


# Runs ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "first", "second"), [(2, 2, 2), (5, 2, 0), (5, 0, 0), (4, 2, 2)])
def test_a_resumed_run_is_the_uninterrupted_one(before: int, first: int, second: int, tmp_path: Path) -> None:
    """Within the epoch of a checkpoint, also with another number of processes; bit for bit with the same number."""
    folder = write_tars(tmp_path / "set", [9, 4, 2])  # four batches an epoch

    def part(name: str, iterations: int, workers: int, resume: Path | None = None) -> State:
        torch.manual_seed(0 if resume is None else 99)
        data = open_stream(folder, resolution=8, image_channels=1, num_workers=workers, horizontal_flip=True)
        state = State()
        fit(tiny_gan(), iterations, state, LatestCheckpoint(tmp_path / name), resume=resume, data=data)
        return state

    whole = part("whole", 8, first)
    parts = part("parts", before, first)
    parts_after = part("parts", 8 - before, second, tmp_path / "parts" / "checkpoints" / "last.ckpt")
    batches = parts.batches + parts_after.batches
    for ours, theirs in zip(batches, whole.batches, strict=True):
        assert torch.equal(ours, theirs)
    assert [name for name, value in whole.tensors.items() if not torch.equal(parts_after.tensors[name], value)] == []


def test_any_other_order_gives_the_same_images(tmp_path: Path) -> None:
    module = open_stream(write_tars(tmp_path, LENGTHS))
    pictures = module.dataset.source.pictures
    assert isinstance(pictures, StreamedPictures)
    pictures = pickle.loads(pickle.dumps(pictures))
    order = torch.randperm(COUNT).tolist()
    for index in order + order[:9]:
        assert pictures[index][0].getvalue() == numbered_png(index)
