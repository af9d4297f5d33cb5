"""Labels of any kind as one tensor: classes by number or name, and label vectors by numbers or names.

A label vector has one number for each label: several labels at once, or continuous conditions. A generator that was
trained on vectors never gets one that was not given, such as zeros.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..models import StyleGenerator
from .classes import class_numbers, known_names, number_of_name

Labels = Sequence[int | str | Sequence[float] | Tensor] | Tensor
"""Labels of pictures: numbers or names of classes; vectors, as numbers ``(num_labels,)`` or by names."""
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_AFTER_A_NAME = re.compile(rf"\s*(?:=\s*({_NUMBER})\s*)?([+,]|$)")
_SHOWN = 5


def label_tensor(generator: StyleGenerator, labels: Labels | None, *, caller: str = "label_tensor") -> Tensor:
    """Labels of any kind as one tensor: class numbers, or label vectors.

    Args:
        generator: with labels.
        labels: ints are numbers of classes, strings their names; a sequence of ``num_labels`` numbers is a vector,
            which also mixes classes. A generator that was trained on vectors takes vectors, or text of
            :func:`parse_vectors`. None is every class once, and an error for vectors. Where classes and vectors are
            mixed, classes become one-hot vectors.
        caller: named in errors.

    Returns:
        ``(K,)`` int64 class numbers, or ``(K, num_labels)`` float32 vectors, on the CPU.

    Raises:
        ValueError: labels that do not fit the generator.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import label_tensor
        >>> generator = Generator(8, z_dim=4, w_dim=4, num_labels=2, channel_base=16)
        >>> label_tensor(generator, [1, 0])
        tensor([1, 0])
        >>> generator.label_kind, generator.class_names = "vectors", ("smile", "young")
        >>> label_tensor(generator, [[0.2, 0.8], "smile", "young=0.5"])
        tensor([[0.2000, 0.8000],
                [1.0000, 0.0000],
                [0.0000, 0.5000]])
    """
    takes_vectors = generator.label_kind == "vectors"
    if labels is None and not takes_vectors:
        return torch.arange(generator.num_labels)
    if labels is None:
        raise ValueError(f"{caller}: labels must be given: {expected_vectors(generator)}")
    plain: list[Any] = [label.tolist() if hasattr(label, "tolist") else label for label in labels]
    if not takes_vectors and not any(isinstance(label, (list, tuple)) for label in plain):
        return torch.tensor(class_numbers(generator, plain, caller=caller))
    rows = [_as_rows(generator, label, caller) for label in plain]
    if not rows:
        raise ValueError(f"{caller}: labels must be at least one of {expected_vectors(generator)}, got none")
    return torch.cat(rows)


def parse_vectors(generator: StyleGenerator, text: str, *, caller: str = "parse_vectors") -> Tensor:
    """Label vectors of text: the numbers of one vector, or names of one or several.

    ``"0.2,0.8"`` are the numbers of a vector, one for each label. ``"smile"`` is the vector with 1 at that label and 0
    elsewhere, ``"smile+young=0.5"`` that with 1 and 0.5; ``"smile,young"`` are two vectors. Names may contain any of
    these characters.

    Args:
        generator: of label vectors.
        text: as above.
        caller: named in errors.

    Returns:
        ``(K, num_labels)`` float32, on the CPU.

    Raises:
        ValueError: text that is none of them, or may be both.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.explore import parse_vectors
        >>> generator = Generator(8, z_dim=4, w_dim=4, num_labels=2, channel_base=16)
        >>> generator.label_kind, generator.class_names = "vectors", ("smile", "young")
        >>> parse_vectors(generator, "smile,smile+young=0.5")
        tensor([[1.0000, 0.0000],
                [1.0000, 0.5000]])
    """
    parts, names = [part.strip() for part in text.split(",")], known_names(generator)
    are_numbers = all(re.fullmatch(_NUMBER, part) for part in parts)
    are_names = all(part in names for part in parts)
    if are_numbers and not are_names:
        if len(parts) != generator.num_labels:
            came = f"{len(parts)} {'number' if len(parts) == 1 else 'numbers'}: {text!r}"
            raise ValueError(f"{caller}: labels must be {expected_vectors(generator)}, got {came}")
        return _as_row(generator, list(map(float, parts)), caller)
    if are_numbers and len(parts) == generator.num_labels:
        numbers = ",".join(str(float(part)) for part in parts)
        raise ValueError(f"{caller}: labels: {text!r} are numbers and names; write {numbers}, or {'=1,'.join(parts)}=1")
    if not names:
        raise ValueError(f"{caller}: labels must be {expected_vectors(generator)}, got {text!r}")
    return torch.cat(list(_vectors_of_names(generator, text, caller)))


def is_vector(generator: StyleGenerator, text: str) -> bool:
    """Whether text is one number for each label, of which some have a decimal point: no numbers of classes."""
    parts = text.split(",")
    are_numbers = all(re.fullmatch(rf"\s*{_NUMBER}\s*", part) for part in parts)
    return are_numbers and "." in text and len(parts) == generator.num_labels


def expected_vectors(generator: StyleGenerator) -> str:
    """The vectors that a generator takes, in words and by an example."""
    names, count = generator.class_names, generator.num_labels
    example = ",".join(["0.2", "0.8", "0", "1", "0.5"][:count]) + (",..." if count > _SHOWN else "")
    shown = ", ".join(names[:_SHOWN]) + (f" and {count - _SHOWN} more" if count > _SHOWN else "")
    by_name = f" ({shown}), or names joined by +" if names else ""
    return f"vectors of {count} {'number' if count == 1 else 'numbers'} such as {example}{by_name}"


def _as_rows(generator: StyleGenerator, label: Any, caller: str) -> Tensor:
    """The vectors ``(K, num_labels)`` of one label."""
    if generator.label_kind == "vectors" and isinstance(label, str):
        return parse_vectors(generator, label, caller=caller)
    if generator.label_kind == "classes" and isinstance(label, (int, str)):
        return torch.eye(generator.num_labels)[class_numbers(generator, [label], caller=caller)]
    return _as_row(generator, label, caller)


def _as_row(generator: StyleGenerator, numbers: Any, caller: str) -> Tensor:
    """A vector ``(1, num_labels)`` of numbers."""
    if not generator.num_labels:
        class_numbers(generator, [], caller=caller)  # raises
    try:
        row = torch.tensor(numbers, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        row = torch.empty(0)
    if row.shape != (generator.num_labels,) or not row.isfinite().all():
        raise ValueError(f"{caller}: labels must be {expected_vectors(generator)}, one for each, got {numbers!r}")
    return row[None]


def _vectors_of_names(generator: StyleGenerator, text: str, caller: str) -> Iterator[Tensor]:
    """Vectors ``(1, num_labels)``: names joined by ``+``, each with or without ``=`` and its number."""
    rest, vector = unicodedata.normalize("NFC", text).strip(), dict[int, float]()
    while True:
        name, match = _next_name(generator, rest)
        number = number_of_name(generator, name, caller)
        if number in vector:
            raise ValueError(f"{caller}: labels must name each label once, got {name!r} twice in {text!r}")
        assert match is not None  # of a name that is known
        vector[number] = 1.0 if match[1] is None else float(match[1])
        if match[2] != "+":
            yield _as_row(generator, [vector.get(index, 0.0) for index in range(generator.num_labels)], caller)
            vector.clear()
        if not match[2]:
            return
        rest = rest[len(name) + match.end() :].lstrip()


def _next_name(generator: StyleGenerator, text: str) -> tuple[str, re.Match[str] | None]:
    """The longest name at the start of the text, and what follows it; without one, the text up to ``+`` or ``,``."""
    for name in sorted(known_names(generator), key=len, reverse=True):
        match = _AFTER_A_NAME.match(text[len(name) :]) if text.startswith(name) else None
        if match is not None:
            return name, match
    return re.split(r"[+,]", text)[0].strip(), None
