"""Names of a generator's classes: one for each, all different, and kept by copies."""

from copy import deepcopy
from typing import Any

import pytest

from stylelayers import Generator


def make(labels: int = 3) -> Generator:
    return Generator(8, z_dim=4, w_dim=4, num_labels=labels, channel_base=32, mapping_layers=2)


def test_class_names_are_a_tuple_and_copied() -> None:
    generator = make()
    assert generator.class_names == ()
    generator.class_names = ["a", "b", ""]
    assert generator.class_names == deepcopy(generator).class_names == ("a", "b", "")
    generator.class_names = ()
    assert make(0).class_names == generator.class_names == ()


def test_labels_are_of_a_kind() -> None:
    generator = make()
    assert (generator.label_kind, make(0).label_kind) == ("classes", "none")
    generator.label_kind = "vectors"
    assert deepcopy(generator).label_kind == "vectors"
    generator.label_kind = None
    assert generator.label_kind == "classes"


@pytest.mark.parametrize(
    ("labels", "kind", "known"),
    [(3, "none", "classes or vectors"), (3, 1, "classes or vectors"), (0, "classes", "none")],
)
def test_bad_kinds_raise(labels: int, kind: Any, known: str) -> None:
    message = f"^Generator: label_kind must be {known} for num_labels={labels}, got {kind!r}"
    with pytest.raises(ValueError, match=message):
        make(labels).label_kind = kind


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        (3, ["a", "b"], "class_names must be one for each of 3 classes, got 2"),
        (0, ["a"], "one for each of 0 classes, got 1"),
        (3, ["a", "b", "a"], "class_names must differ, got 'a' more than once"),
        (3, ["a", "", ""], "class_names must differ, got '' more than once"),
        (3, "abc", "a sequence of strings, got 'abc'"),
        (3, ["a", "b", 3], "a sequence of strings, got"),
        (3, 3, "a sequence of strings, got 3"),
        (3, {"a", "b", "c"}, "a sequence of strings, got"),
        (3, None, "a sequence of strings, got None"),
    ],
)
def test_bad_class_names_raise(labels: int, names: Any, message: str) -> None:
    generator = make(labels)
    with pytest.raises(ValueError, match=f"Generator: class_names must .*{message}|Generator: {message}"):
        generator.class_names = names
    assert generator.class_names == ()
