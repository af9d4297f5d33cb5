"""Prepare a data set: resize its images once, and write them as an archive, a folder or parquet shards.

Work is done in a folder ``TARGET.part``, which an interrupted start leaves behind and the next one takes up: it holds
the settings, a journal with a line per image of the source, and the unfinished data set. The target appears whole.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .._checks import check_choice, check_ints
from .._whole_files import whole_file
from ..images.encoding import SUFFIXES
from .encoded_images import PARQUET, EncodedImages, Preparation, fingerprint, read_encoded
from .journal import Journal, Line
from .opening import OpenedData
from .targets import FolderTarget, Target, ZipTarget, remove_tree

ON_ERROR = ("raise", "list", "skip")
_OWN = (".parquet", "dataset.json", ".lock")


@dataclass(frozen=True)
class PreparedData:
    """Result of :func:`prepare`.

    Attributes:
        images: how many were written.
        resolution: ``(height, width)``.
        channels: of each.
        errors: the images that were left out, each with the reason.
    """

    images: int
    resolution: tuple[int, int]
    channels: int
    errors: tuple[str, ...]


class UnreadableImagesError(ValueError):
    """Images of the source cannot be read.

    Attributes:
        errors: each with the reason.
    """

    def __init__(self, errors: Sequence[str], advice: str) -> None:
        more = f" and {len(errors) - 1:,} more" if len(errors) > 1 else ""
        super().__init__(f"prepare: the images must be readable, got {errors[0]}{more}; {advice}")
        self.errors = tuple(errors)


def prepare(
    data: OpenedData,
    target: Path,
    settings: Preparation,
    *,
    workers: int = 0,
    on_error: str = "raise",
    overwrite: bool = False,
    advance: Callable[[int], None] = lambda count: None,
) -> PreparedData:
    """Write the images and labels of a data set to a target; the same data and settings give the same bytes.

    Args:
        data: from :func:`open_data`.
        target: ``.zip`` for an archive, else a folder, or a folder of shards for the format ``"parquet"``.
        settings: of the images.
        workers: processes that read and encode; 0 does so in this one.
        on_error: ``"raise"`` at the first unreadable image, ``"list"`` all of them after the last, or ``"skip"`` them.
        overwrite: replace the target, and unfinished work of other data or settings.
        advance: called with the number of images of the source that are done, those of an earlier start included.

    Raises:
        ValueError: an argument is out of range, the target exists, unfinished work has other data or settings, or the
            images are not of one size and none is asked for.
        UnreadableImagesError: unless they are skipped.
        OSError: the target cannot be written.
    """
    check_ints("prepare", 0, workers=workers)
    check_choice("prepare", "on_error", on_error, ON_ERROR)
    images = EncodedImages(data, settings)
    _check_target(data, target, settings, overwrite)
    with _work_folder(target) as folder:
        described = {**asdict(settings), "channels": images.channels, "data": fingerprint(data)}
        _check_same(folder, described, overwrite)
        writing = _open_target(folder, target, images, settings)
        with Journal(folder / "journal.jsonl", writing) as journal:
            advance(len(journal.lines))
            early = [*data.source.skipped, *journal.errors]
            if early and on_error == "raise":
                raise UnreadableImagesError(early, _ADVICE)
            for lines in read_encoded(images, len(journal.lines), workers):
                failed = [line.error for _, line in lines if line.error]
                _check_sizes(data, journal.lines[0] if journal.lines else None, lines, settings)
                journal.write(lines)
                advance(len(lines))
                if failed and on_error == "raise":
                    raise UnreadableImagesError(failed, _ADVICE)
            errors = [*data.source.skipped, *journal.errors]
            if errors and on_error == "list":
                raise UnreadableImagesError(errors, _ADVICE)
            if not writing.count:
                raise UnreadableImagesError(errors, "none of the images can be read")
            good = [line for line in journal.lines if not line.error]
            finished = writing.finish([line.label for line in good], data.source.class_names)
        _replace(finished, target)
    return PreparedData(len(good), (good[0].height, good[0].width), images.channels, tuple(errors))


_ADVICE = "--on-error list names all of them, --on-error skip leaves them out and goes on from here"


class _SizesError(ValueError):
    """The images are of several sizes, so that what was done is of no use."""


def _check_sizes(data: OpenedData, first: Line | None, lines: list[tuple[bytes, Line]], settings: Preparation) -> None:
    good = [line for _, line in lines if not line.error]
    if settings.resolution or not good:
        return
    first = first if first is not None and not first.error else good[0]
    odd = next((line for line in good if (line.width, line.height) != (first.width, first.height)), None)
    if odd is not None:
        raise _SizesError(
            f"prepare: resolution must be given for images of several sizes, {first.width}x{first.height} and "
            f"{odd.width}x{odd.height} (width and height)"
        )


def _check_target(data: OpenedData, target: Path, settings: Preparation, overwrite: bool) -> None:
    archive = target.suffix.lower() == ".zip"
    if archive and settings.format == PARQUET:
        raise ValueError(f"prepare: the target must be a folder for the format parquet, got {str(target)!r}")
    root = data.source.root
    if root is not None and target.resolve().is_relative_to(root.resolve()):
        raise ValueError(f"prepare: the target must be outside of the data, got {str(target)!r} in {str(root)!r}")
    if not os.path.lexists(target):
        return
    if not overwrite:
        raise ValueError(f"prepare: the target must be new, got {str(target)!r}, which exists; --overwrite replaces it")
    if (archive and target.is_dir()) or (not archive and not _is_prepared(target)):
        raise ValueError(
            f"prepare: --overwrite replaces prepared data alone, got {str(target)!r}, which holds something else"
        )


def _is_prepared(folder: Path) -> bool:
    """Whether a folder is empty or holds what this function writes, and nothing else."""
    return folder.is_dir() and all(
        (path.is_dir() and len(path.name) == 5 and path.name.isdigit()) or path.name.endswith(_OWN)
        for path in folder.iterdir()
    )


@contextmanager
def _work_folder(target: Path) -> Iterator[Path]:
    """The folder of the unfinished work, for one process; it is removed when the work is done."""
    folder = target.with_name(f"{target.name}.part")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RuntimeError(f"{str(target)!r} is being prepared by another process") from None
    done = True
    try:
        yield folder
    except _SizesError:
        raise
    except BaseException:
        done = False
        raise
    finally:
        lock.release()
        if done:
            remove_tree(folder)


def _check_same(folder: Path, described: dict[str, Any], overwrite: bool) -> None:
    """Compare unfinished work with what is asked for, or begin it."""
    path = folder / "settings.json"
    described = json.loads(json.dumps(described))
    if path.exists():
        early = json.loads(path.read_text(encoding="utf-8"))
        odd = [name for name, value in described.items() if early.get(name) != value]
        if not odd:
            return
        if not overwrite:
            told = ", ".join(
                "the data have changed" if name == "data" else f"{name} {early.get(name)} → {described[name]}"
                for name in odd
            )
            raise ValueError(
                f"prepare: {str(folder)!r} holds unfinished work of other settings ({told}); --overwrite drops it"
            )
    for leftover in folder.iterdir():
        if leftover.name != ".lock":
            remove_tree(leftover)
    with whole_file(path) as unfinished:
        unfinished.write_text(json.dumps(described), encoding="utf-8")


def _open_target(folder: Path, target: Path, images: EncodedImages, settings: Preparation) -> Target:
    suffix = SUFFIXES[images.encoding]
    if target.suffix.lower() == ".zip":
        return ZipTarget(folder, suffix)
    if settings.format == PARQUET:
        from .parquet_target import ParquetTarget

        return ParquetTarget(folder, images.data.source)
    return FolderTarget(folder, suffix)


def _replace(finished: Path, target: Path) -> None:
    """Move the finished data set to its place; an earlier one is removed afterwards."""
    old = target.with_name(f"{target.name}.old")
    if target.is_dir():
        remove_tree(old)
        target.rename(old)
    finished.replace(target)
    remove_tree(old)
