"""Classes by number and by name, as one types them."""

from __future__ import annotations

from time import monotonic

import pytest
import torch

from stylelayers import Generator
from stylelayers.explore import (
    class_numbers,
    class_titles,
    parse_classes,
    project,
    sample,
    style_statistics,
    styles_of_seeds,
    walk_styles,
)
from tests.explore.tiny import tiny_generator

ANIMALS = ("cats", "dogs", "cows, sheep", "Café")
GOOD: list[tuple[tuple[str, ...], str, list[int]]] = [
    (ANIMALS, "dogs,cats", [1, 0]),
    (ANIMALS, " dogs , cats ", [1, 0]),
    (ANIMALS, "cows, sheep", [2]),
    (ANIMALS, "dogs,cows, sheep,cats", [1, 2, 0]),
    (ANIMALS, "Cafe\u0301", [3]),
    (ANIMALS, "2", [2]),
    (ANIMALS, "0-2,dogs,3", [0, 1, 2, 1, 3]),
    (("0", "1", "2", "3"), "0-1,3", [0, 1, 3]),
    (("3", "7", "737-200", "9"), "737-200", [2]),
    (("3", "7", "737-200", "9"), "7,9", [1, 3]),
    (("1", "2", "3", "4"), "1-1,0-0", [1, 0]),
    (("0 - zero", "1 - one", "2 - two", "3 - three"), "1 - one,3", [1, 3]),
    ((), "1,2-3", [1, 2, 3]),
]
BAD: list[tuple[tuple[str, ...], str, str]] = [
    (ANIMALS, "birds", r"labels must be among the classes cats, dogs, cows, sheep, Café, got 'birds'$"),
    (ANIMALS, "dogs,cat", r"got 'cat'; did you mean 'cats'\?$"),
    (ANIMALS, "dogs,", "among the classes .* got ''"),
    (ANIMALS, "-1", "among the classes .* got '-1'"),
    (ANIMALS, "4", r"labels must be in \[0, 4\), at least one, got \[4\]"),
    (ANIMALS, "2-99999999999", r"labels must be in \[0, 4\)"),
    (ANIMALS, "3-1", r"labels must be in \[0, 4\)"),
    (
        ("1", "2", "3", "4"),
        "1",
        r"1 is the number of class '2', .* of class number 0; write 1-1 .*, 0-0 for the second",
    ),
    (("dogs", "dogs ", "cats", "pigs"), "cats,dogs", "labels: 'dogs' is the name of 2 classes, .*; give their numbers"),
    ((), "dogs", "labels must be numbers and ranges such as 3 or 0-9, since the names .* not known, got 'dogs'"),
    ((), "4", r"labels must be in \[0, 4\)"),
]


def named(names: tuple[str, ...]) -> Generator:
    generator = tiny_generator(labels=4)
    generator.class_names = names
    return generator


@pytest.mark.parametrize(("names", "text", "expected"), GOOD)
def test_texts(names: tuple[str, ...], text: str, expected: list[int]) -> None:
    assert parse_classes(named(names), text) == expected


@pytest.mark.parametrize(("names", "text", "message"), BAD)
def test_texts_that_name_no_class(names: tuple[str, ...], text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_classes(named(names), text)


def test_many_names_are_shortened() -> None:
    generator = Generator(8, z_dim=4, w_dim=4, num_labels=99, channel_base=32, mapping_layers=2)
    generator.class_names = [f"class {number}" for number in range(99)]
    with pytest.raises(ValueError, match=r"class 19 and 79 more, got 'class 100'; did you mean 'class \d+'\?"):
        parse_classes(generator, "class 100")


def test_many_classes_are_read_at_once() -> None:
    generator = Generator(8, z_dim=4, w_dim=4, num_labels=1000, channel_base=32, mapping_layers=2)
    generator.class_names = [f"class, {number}" for number in range(1000)]
    began = monotonic()
    assert parse_classes(generator, ",".join(generator.class_names[:300])) == list(range(300))
    assert monotonic() - began < 10


@pytest.mark.parametrize("text", ["0", "dogs"])
def test_generators_without_classes_take_none(text: str) -> None:
    for call in (lambda: parse_classes(tiny_generator(), text), lambda: class_numbers(tiny_generator(), [text])):
        with pytest.raises(ValueError, match="labels were given, but the generator has no classes"):
            call()


def test_names_are_classes_wherever_there_are_labels() -> None:
    generator, target = named(ANIMALS), torch.zeros(1, 3, 8, 8)
    calls = (
        lambda labels: next(sample(generator, [3, 4], labels=labels)),
        lambda labels: styles_of_seeds(generator, [3, 4], labels=labels),
        lambda labels: walk_styles(generator, [3, 4], frames=2, labels=labels),
        lambda labels: style_statistics(generator, labels=labels, samples=10)[0],
        lambda labels: project(generator, target, steps=1, labels=labels).ws,
    )
    for call in calls:
        assert torch.equal(call(["Café", "dogs"]), call([3, 1]))
        assert not torch.equal(call(["Café", "dogs"]), call([0, 1]))
        with pytest.raises(ValueError, match="among the classes"):
            call(["birds"])


def test_titles() -> None:
    assert class_titles(named(ANIMALS)) == list(ANIMALS)
    assert class_titles(named(())) == ["0", "1", "2", "3"]
    assert class_titles(tiny_generator()) == []
