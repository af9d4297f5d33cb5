"""What the folder of a run says: metrics, grids of samples, settings, files. Nothing in it is executed."""

import csv
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from math import inf, isfinite
from pathlib import Path

from ..checkpoints import Description, describe
from ..checkpoints.loading import network_file
from ..checkpoints.run_configuration import CONFIGURATION

METRICS = "metrics.csv"
OVERRIDES = Path(".hydra", "overrides.yaml")
_IMAGES, _STEP, _EPOCH = "progress/images", "step", "epoch"
_MOST_BYTES = 1 << 20  # of a text that a report shows

Series = dict[str, list[tuple[float, float]]]
"""Metrics by name: pairs of images seen, or iterations, and a value."""


@dataclass(frozen=True)
class Run:
    """A run's folder.

    Attributes:
        folder: where it is.
        series: its metrics.
        by_images: whether these are over images seen, not over iterations.
        grids: pictures of samples, each with the images seen; None where that is not known.
        overrides: settings as they were typed.
        configuration: text of ``config.yaml``; empty if there is none.
        generator: description of its generator or newest checkpoint; None before the first.
        files: the files by their path in the folder, with their sizes in bytes.
        written: times of the first and the last of them.
    """

    folder: Path
    series: Series
    by_images: bool
    grids: Sequence[tuple[int | None, Path]]
    overrides: Sequence[str]
    configuration: str
    generator: Description | None
    files: dict[str, int]
    written: tuple[datetime, datetime]

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def images(self) -> int | None:
        """Images seen, as far as the metrics or the generator's file tell."""
        shown = [int(points[-1][0]) for points in self.series.values() if self.by_images]
        seen = None if self.generator is None else self.generator.summary.get("images_seen")
        return max([*shown, *([seen] if isinstance(seen, int) else [])], default=None)


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run of ``train.py``, of any version."""
    found = (folder / CONFIGURATION).is_file() or (folder / METRICS).is_file()
    return found or any((folder / "checkpoints").glob("*.ckpt"))


def read_run(folder: Path, *, but: Path | None = None) -> Run:
    """Read a run, which may still go on.

    Args:
        folder: of the run.
        but: a file that is not listed, such as the report itself.

    Raises:
        ValueError: a table that is none, or settings that are not plain text.
    """
    left_out = but and but.resolve()
    files = [path for path in sorted(folder.rglob("*")) if _is_listed(path) and path.resolve() != left_out]
    stats = {path: path.stat() for path in files}
    times = [datetime.fromtimestamp(stat.st_mtime) for stat in stats.values()]
    configuration = folder / CONFIGURATION
    return Run(
        folder,
        *_series(folder),
        _grids(folder / "samples"),
        _overrides(folder / OVERRIDES),
        _text(configuration) if configuration.is_file() else "",
        _generator(folder),
        {path.relative_to(folder).as_posix(): stat.st_size for path, stat in stats.items()},
        (min(times), max(times)),
    )


def read_table(path: Path) -> list[dict[str, float]]:
    """The rows of a table of numbers, without empty cells and without a last line that is being written.

    Raises:
        ValueError: the file is no table of numbers.
    """
    try:
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        rows = csv.DictReader(whole.splitlines())
        return [{name: float(value) for name, value in row.items() if name and value} for row in rows]
    except (ValueError, TypeError, csv.Error) as error:
        raise ValueError(f"{str(path)!r} is no table of numbers: {error}") from None


def _is_listed(path: Path) -> bool:
    """Whether it is a file, and a whole one: unfinished ones may vanish at any time."""
    return path.suffix != ".part" and path.is_file()


def _series(folder: Path) -> tuple[Series, bool]:
    """The metrics of all parts of a run, and whether they are over images; early runs did not log these.

    Where a part was resumed from before the end of the one before, the newer values hold.
    """
    parts = [read_table(path) for path in _tables(folder)]
    by_images = any(_IMAGES in row for part in parts for row in part)
    series: Series = {}
    for part in parts:
        places = list(accumulate((row.get(_IMAGES if by_images else _STEP) for row in part), _known, initial=0.0))[1:]
        start = min(places, default=inf)
        series = {name: [point for point in points if point[0] < start] for name, points in series.items()}
        for place, row in zip(places, part, strict=True):
            for name in row.keys() - {_IMAGES, _STEP, _EPOCH}:
                series.setdefault(name, []).append((place, row[name]))
    return {name: points for name, points in series.items() if points}, by_images


def _known(before: float, place: float | None) -> float:
    """The place of a row, or of the row before if it has none."""
    return before if place is None or not isfinite(place) else place


def _tables(folder: Path) -> Iterator[Path]:
    """The tables of metrics, the first part of the run first."""
    earlier = ((re.fullmatch(r"metrics\.(\d+)\.csv", path.name), path) for path in folder.glob("metrics.*.csv"))
    yield from (path for _, path in sorted((int(match[1]), path) for match, path in earlier if match))
    if (folder / METRICS).is_file():
        yield folder / METRICS


def _grids(folder: Path) -> list[tuple[int | None, Path]]:
    numbered = sorted((int(path.stem), path) for path in folder.glob("*.png") if path.stem.isdecimal())
    last = folder / "last.png"
    return [*numbered, *([(None, last)] if last.is_file() else [])]


def _overrides(path: Path) -> list[str]:
    """The lines of Hydra's list of overrides."""
    if not path.is_file():
        return []
    import yaml

    try:
        found = yaml.safe_load(_text(path))
    except yaml.YAMLError as error:
        raise ValueError(f"{str(path)!r} is no list of settings: {' '.join(str(error).split())}") from None
    return [str(line) for line in found] if isinstance(found, list) else []


def _generator(folder: Path) -> Description | None:
    try:
        network_file(folder, "report")
    except ValueError:
        return None  # none is written yet
    try:
        return describe(folder)
    except ValueError as error:
        warnings.warn(f"the report leaves out the generator: {error}", stacklevel=2)
        return None


def _text(path: Path) -> str:
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ValueError(f"{str(path)!r} must have at most {_MOST_BYTES:,} bytes, got {size:,}")
    return path.read_text(encoding="utf-8", errors="replace")
