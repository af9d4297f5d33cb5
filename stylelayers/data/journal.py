"""The journal of an unfinished preparation: a line for each image of the source that is done."""

import json
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from .._whole_files import whole_file
from .targets import Target


class Line(NamedTuple):
    """What is known of an image that is done.

    Attributes:
        label: a class number, a list of numbers or None.
        width, height: in pixels, as written.
        length: of the file in bytes.
        error: name of the image and the reason why it cannot be read; empty if it can.
    """

    label: Any
    width: int
    height: int
    length: int
    error: str


class Journal:
    """Lines in a file, in step with an unfinished data set.

    What one of the two lacks after an interruption is dropped from the other.

    Args:
        path: of the file, which is created or taken up.
        target: the unfinished data set.
    """

    def __init__(self, path: Path, target: Target) -> None:
        found = _read(path) if path.exists() else []
        kept = target.cut(min(target.count, sum(not line.error for line in found)))
        self.lines, self._target = _first(found, kept), target
        with whole_file(path) as unfinished:
            unfinished.write_text("".join(map(_text, self.lines)), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._target.close()

    @property
    def errors(self) -> list[str]:
        """The images that cannot be read, each with the reason."""
        return [line.error for line in self.lines if line.error]

    def write(self, images: Iterable[tuple[bytes, Line]]) -> None:
        """Add the files of images to the data set, and their lines."""
        new = []
        for content, line in images:
            if not line.error:
                self._target.add(content, line.label)
            new.append(line)
        self._target.flush()
        self._file.writelines(map(_text, new))
        self._file.flush()
        self.lines += new


def _text(line: Line) -> str:
    return f"{json.dumps(line)}\n"


def _read(path: Path) -> list[Line]:
    """The whole lines of a file."""
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
    found = []
    for line in lines:
        try:
            found.append(Line(*json.loads(line)))
        except (ValueError, TypeError):  # a torn line
            break
    return found


def _first(lines: list[Line], images: int) -> list[Line]:
    """The lines up to the last of so many images."""
    kept: list[Line] = []
    for line in lines:
        if not line.error and images == 0:
            break
        images -= not line.error
        kept.append(line)
    return kept
