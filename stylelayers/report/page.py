"""Pages of a run, and of a folder of runs."""

import os
import re
import shlex
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .._better import DIRECTIONS
from .._checks import check_ints
from .._whole_files import whole_file
from . import curves
from .film import film
from .reading import Run, is_run, read_run

_THUMBNAIL = 160  # pixels, of the pictures in a table of runs
_BETTER = {f"quality/{name}": better for name, better in DIRECTIONS.items() if better is not None}


def write_report(
    folder: str | os.PathLike[str],
    path: str | os.PathLike[str] | None = None,
    *,
    frames: int = 24,
    width: int = 1024,
) -> Path:
    """Write a page about a run, or about the runs of a sweep or another folder, which may still go on.

    The page is one file that asks for nothing from elsewhere. The same run gives the same bytes. Nothing in the folder
    is executed.

    Args:
        folder: of a run of ``train.py``, of any version, or a folder of such folders.
        path: of the page; None for ``report.html`` in the folder.
        frames: most pictures of samples, spread evenly through the run.
        width: largest width of a picture of samples, in pixels.

    Returns:
        The path of the page.

    Raises:
        ValueError: a folder without a run, or with files of other content.
    """
    folder = Path(folder)
    path = folder / "report.html" if path is None else Path(path)
    check_ints("write_report", 0, frames=frames)
    check_ints("write_report", 16, width=width)
    if is_run(folder):
        page = _run_page(read_run(folder, but=path), frames, width)
    else:
        page = _runs_page(folder)
    with whole_file(path, flush=False) as unfinished:
        unfinished.write_text(page, encoding="utf-8", newline="\n")
    return path


def _run_page(run: Run, frames: int, width: int) -> str:
    return _render(
        "run.html",
        title=run.name,
        facts=_facts(run),
        film=film(run.grids, frames=frames, width=width),
        grids=len(run.grids),
        charts=curves.charts(run.series),
        over="images seen" if run.by_images else "iterations",
        size=(curves.WIDTH, curves.HEIGHT),
        metrics=_metrics(run),
        overrides=run.overrides,
        configuration=run.configuration,
        files=_files(run.files),
        resume=_resume_command(run),
    )


def _runs_page(folder: Path) -> str:
    folders = sorted(path for path in folder.iterdir() if path.is_dir() and is_run(path)) if folder.is_dir() else []
    if not folders:
        raise ValueError(f"write_report: folder must be a run's, or hold runs of train.py, got {str(folder)!r}")
    runs = [read_run(each) for each in sorted(folders, key=_by_number)]
    names = sorted({name for run in runs for name in run.series if name in _BETTER}, key=list(_BETTER).index)
    bests = {name: _best_of(name, [run.series[name][-1][1] for run in runs if name in run.series]) for name in names}
    rows = [{"run": run, "film": film(run.grids[-1:], frames=1, width=_THUMBNAIL)} for run in runs]
    return _render("runs.html", title=folder.resolve().name, rows=rows, names=names, bests=bests)


def _facts(run: Run) -> dict[str, str]:
    """What is said of a run above all else."""
    first, last = run.written
    facts = {} if run.images is None else {"images seen": f"{run.images:,}"}
    if points := run.series.get("quality/fid"):
        facts["FID"] = f"{points[-1][1]:.4g}"
    if run.generator is not None:
        sides = run.generator.arguments["resolution"]
        size = "x".join(map(str, sides if isinstance(sides, (tuple, list)) else (sides, sides)))
        facts["generator"] = f"{run.generator.network}, {size}"
        facts["parameters"] = f"{run.generator.parameters['generator']:,}"
        facts["written by"] = run.generator.writer
    if points := run.series.get("speed/images_per_second"):
        facts["speed"] = f"{points[-1][1]:.3g} images/s"
    facts["first file"] = f"{first:%Y-%m-%d %H:%M}"
    facts["last file"] = f"{timedelta(seconds=round((last - first).total_seconds()))} later"
    return {name: text for name, text in facts.items() if text}


def _metrics(run: Run) -> list[dict[str, Any]]:
    """Last and best values, of the metrics of quality first."""
    names = [name for name in _BETTER if name in run.series]
    rows = []
    for name in (*names, *sorted(run.series.keys() - names)):
        points = run.series[name]
        best = _best_of(name, [value for _, value in points])
        at = next((x for x, value in points if value == best), None)
        rows.append({"name": name, "last": points[-1][1], "best": best, "at": at})
    return rows


def _best_of(name: str, values: Iterable[float]) -> float | None:
    """The best value; None for a metric that has no better direction."""
    finite = [value for value in values if isfinite(value)]
    return None if name not in _BETTER or not finite else (min if _BETTER[name] == "min" else max)(finite)


def _files(files: Mapping[str, int]) -> list[tuple[str, int]]:
    """Files of checkpoints and of the folder itself; other folders as a whole."""
    rows: dict[str, int] = {}
    for name, size in files.items():
        first, *rest = name.split("/")
        shown = name if not rest or first == "checkpoints" else f"{first}/"
        rows[shown] = rows.get(shown, 0) + size
    return sorted(rows.items())


def _resume_command(run: Run) -> str:
    """The command that goes on with the run; empty without a checkpoint."""
    if not any(name.startswith("checkpoints/") and name.endswith(".ckpt") for name in run.files):
        return ""
    kept = [line for line in run.overrides if line.lstrip("+").partition("=")[0] != "resume"]
    folder = str(run.folder)
    if not re.fullmatch(r"[A-Za-z_./][A-Za-z0-9_./-]*", folder):
        folder = "'" + folder.replace("'", "\\'") + "'"  # in Hydra's grammar
    return shlex.join(["python", "train.py", *kept, f"resume={folder}"])


def _by_number(folder: Path) -> tuple[bool, int, str]:
    """The folders of a sweep are numbered."""
    is_number = folder.name.isdecimal()
    return not is_number, int(folder.name) if is_number else 0, folder.name


def _render(template: str, **values: Any) -> str:
    return _templates().get_template(template).render(**values)


@cache
def _templates() -> Environment:
    """The templates; what they are given is escaped, and the page lets only their own script run."""
    loader = PackageLoader("stylelayers.report")
    templates = Environment(
        autoescape=True, loader=loader, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    style, script = (loader.get_source(templates, name)[0] for name in ("style.css", "script.js"))
    digest = b64encode(sha256(script.encode()).digest()).decode()
    templates.globals |= {"style": Markup(style), "script": Markup(script), "digest": digest}
    templates.filters |= {"number": _number, "bytes": _bytes}
    return templates


def _number(value: float | None) -> str:
    """Four digits, or all of a whole number."""
    if value is None:
        return ""
    return f"{value:,.0f}" if isfinite(value) and value == int(value) else f"{value:.4g}"


def _bytes(size: int) -> str:
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size >= 1 << power:
            return f"{size / (1 << power):.3g} {unit}"
    return f"{size} B"
