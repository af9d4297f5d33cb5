"""Label vectors, by numbers and by names, wherever labels are taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from stylelayers import Generator
from stylelayers.explore import (
    class_numbers,
    class_titles,
    label_tensor,
    parse_classes,
    parse_vectors,
    project,
    sample,
    style_statistics,
    styles_of_seeds,
    walk_styles,
)
from tests.explore.tiny import tiny_generator

FACES = ("smile", "young", "grey hair")
ODD = ("a+b", "a", "b=1", "x, y")
DIGITS = ("0", "1", "2")
GOOD: list[tuple[tuple[str, ...], str, list[list[float]]]] = [
    ((), "0.2,0.8,-1e-1", [[0.2, 0.8, -0.1]]),
    (FACES, " 1 , .5,+0. ", [[1, 0.5, 0]]),
    (FACES, "smile", [[1, 0, 0]]),
    (FACES, "smile+young", [[1, 1, 0]]),
    (FACES, "young, grey hair ,smile+young", [[0, 1, 0], [0, 0, 1], [1, 1, 0]]),
    (FACES, "grey hair=-0.25 + smile = 2", [[2, 0, -0.25]]),
    (FACES, "smile=0", [[0, 0, 0]]),
    (ODD, "a+b", [[1, 0, 0, 0]]),
    (ODD, "a+b+a", [[1, 1, 0, 0]]),
    (ODD, "b=1=0.5,x, y,a", [[0, 0, 0.5, 0], [0, 0, 0, 1], [0, 1, 0, 0]]),
    (ODD, "a+x, y+b=1", [[0, 1, 1, 1]]),
    (ODD, "1,2,3,4", [[1, 2, 3, 4]]),
    (DIGITS, "2", [[0, 0, 1]]),
    (DIGITS, "0,2", [[1, 0, 0], [0, 0, 1]]),
    (DIGITS, "0+2=0.5", [[1, 0, 0.5]]),
    (DIGITS, "0.0,1.0,2.0", [[0, 1, 2]]),
    (DIGITS, "0=1,1=1,2=1", [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
]
BAD: list[tuple[tuple[str, ...], str, str]] = [
    ((), "0.2,0.8", r"labels must be vectors of 3 numbers such as 0\.2,0\.8,0, got 2 numbers: '0\.2,0\.8'$"),
    ((), "7", "got 1 number: '7'$"),
    ((), "", r"labels must be vectors of 3 numbers such as 0\.2,0\.8,0, got ''$"),
    ((), "smile", "labels must be vectors of 3 numbers .*, got 'smile'$"),
    ((), "1,2,nan", "got '1,2,nan'$"),
    ((), "1,2,1e39", r"labels must be vectors .* got \[1\.0, 2\.0, 1e\+39\]$"),
    ((), "1;2;3", "got '1;2;3'$"),
    (FACES, "1,2", r"0\.2,0\.8,0 \(smile, young, grey hair\), or names joined by \+, got 2 numbers: '1,2'$"),
    (FACES, "", r"labels must be among the names smile, young, grey hair, got ''$"),
    (FACES, "smile,", "among the names .*, got ''$"),
    (FACES, "smile+", "among the names .*, got ''$"),
    (FACES, "smil", r"got 'smil'; did you mean 'smile'\?$"),
    (FACES, "smile+jung", r"got 'jung'; did you mean 'young'\?$"),
    (FACES, "smile=much", r"got 'smile=much'; did you mean 'smile'\?$"),
    (FACES, "smile=1e40", r"vectors of 3 numbers .* got \[1e\+40, 0\.0, 0\.0\]$"),
    (FACES, "smile+smile=0.5", "labels must name each label once, got 'smile' twice in 'smile"),
    (FACES, "0-2", "among the names .*, got '0-2'$"),
    (DIGITS, "0,1,2", r"'0,1,2' are numbers and names; write 0\.0,1\.0,2\.0, or 0=1,1=1,2=1$"),
    (("a", "a ", "b"), "a", "'a' is the name of 2 classes"),
]


def conditioned(names: tuple[str, ...] = (), labels: int = 0, **options: Any) -> Generator:
    generator = tiny_generator(labels=labels or len(names) or 3, **options)
    generator.label_kind, generator.class_names = "vectors", names
    return generator


@pytest.mark.parametrize(("names", "text", "expected"), GOOD)
def test_texts_are_vectors(names: tuple[str, ...], text: str, expected: list[list[float]]) -> None:
    assert torch.equal(parse_vectors(conditioned(names), text), torch.tensor(expected))
    assert torch.equal(label_tensor(conditioned(names), [text]), torch.tensor(expected))


@pytest.mark.parametrize(("names", "text", "message"), BAD)
def test_other_texts_are_told(names: tuple[str, ...], text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^parse_vectors: .*{message}|^parse_vectors: {message}") as told:
        parse_vectors(conditioned(names), text)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("labels", [
    [[0.5, 1, 0], [1, 0, 0]], torch.tensor([[0.5, 1, 0], [1, 0, 0]]), np.array([[0.5, 1, 0], [1, 0, 0]]),
    [torch.tensor([0.5, 1, 0]), "smile"], ["smile=0.5+young", (1, 0, 0)], ["smile=0.5+young,smile"],
], ids=str)  # fmt: skip
def test_vectors_are_taken_in_any_form(labels: Any) -> None:
    generator, seeds = conditioned(FACES), [3, 4, 5]
    rows = torch.tensor([[0.5, 1, 0], [1, 0, 0]])
    assert torch.equal(label_tensor(generator, labels), rows)
    expected = torch.cat(list(sample(generator, seeds, labels=rows[[0, 1, 0]])))
    torch.testing.assert_close(torch.cat(list(sample(generator, seeds, labels=labels, batch=2))), expected)
    assert (expected[0] - expected[1]).abs().max() > 1e-3


@pytest.mark.parametrize(("labels", "message"), [
    ([], "labels must be at least one of vectors of 3 numbers"),
    ([0], r"labels must be vectors of 3 numbers .*, one for each, got 0$"),
    ([0.2, 0.8, 0.0], r"one for each, got 0\.2$"),
    ([[1, 2]], r"got \[1, 2\]$"),
    ([[1, 2, None]], r"got \[1, 2, None\]$"),
    (torch.zeros(2, 4), r"got \[0\.0, 0\.0, 0\.0, 0\.0\]$"),
    ([[1, 2, float("inf")]], r"got \[1, 2, inf\]$"),
])  # fmt: skip
def test_labels_that_are_no_vectors_are_told(labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^styles_of_seeds: .*{message}"):
        styles_of_seeds(conditioned(), [0], labels=labels)


def test_a_generator_of_vectors_gets_none_in_silence() -> None:
    generator, message = conditioned(FACES), r": labels must be given: vectors of 3 numbers such as 0\.2,0\.8,0 \(smile"
    target = torch.zeros(1, 3, 8, 8)
    for call in (
        lambda: list(sample(generator, [0])),
        lambda: styles_of_seeds(generator, [0]),
        lambda: walk_styles(generator, [0, 1]),
        lambda: style_statistics(generator),
        lambda: project(generator, target, steps=1),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_walks_go_straight_between_vectors() -> None:
    generator, ends = conditioned(), torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.5, 0.0]])
    ws = walk_styles(generator, [2, 2], frames=2, labels=ends)
    assert torch.allclose(ws[1], styles_of_seeds(generator, [2], labels=ends.mean(0, keepdim=True))[0], atol=1e-6)


def test_projections_keep_their_vectors_as_plain_values() -> None:
    result = project(conditioned(), torch.zeros(1, 3, 8, 8), steps=1, labels=torch.tensor([[0.5, 0.0, 1.0]]))
    assert result.settings["labels"] == [[0.5, 0.0, 1.0]]


def test_one_hot_vectors_are_classes_and_others_mix_them() -> None:
    generator = tiny_generator(labels=3)
    ws = styles_of_seeds(generator, [1, 1, 1], labels=[[0, 1, 0], [0.5, 0.5, 0], [1, 0, 0]])
    torch.testing.assert_close(ws[[0, 2]], styles_of_seeds(generator, [1, 1], labels=[1, 0]))
    assert not torch.allclose(ws[1], ws[0])
    torch.testing.assert_close(label_tensor(generator, [[0.5, 0.5, 0], 2]), torch.tensor([[0.5, 0.5, 0], [0, 0, 1]]))
    with pytest.raises(ValueError, match=r"labels must be in \[0, 3\), at least one, got \[3\]"):
        styles_of_seeds(generator, [1], labels=[[0, 1, 0], 3])
    with pytest.raises(ValueError, match="labels were given, but the generator has no classes"):
        styles_of_seeds(tiny_generator(), [1], labels=[[0, 1, 0]])


def test_vectors_are_no_classes() -> None:
    generator = conditioned(FACES)
    assert class_titles(generator) == list(FACES)
    for call in (lambda: class_numbers(generator, [0]), lambda: parse_classes(generator, "smile")):
        with pytest.raises(ValueError, match=r"labels of the generator are vectors, not classes$"):
            call()
