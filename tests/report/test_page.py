"""The page: contents, escaping, size, the same bytes again; pages of several runs; errors."""

from __future__ import annotations

import re
import shlex
from base64 import b64decode
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner

from stylelayers.cli import app as commands
from stylelayers.report import write_report
from tests.report.folders import make_run, row, write_grids, write_table

HOSTILE = "<script>alert(1)</script>\"'&{{ 7 * 7 }}"


def page_of(folder: Path, **options: Any) -> str:
    return write_report(folder, **options).read_text()


def text_of(page: str) -> str:
    """What a reader sees, in one line."""
    return " ".join(unescape(re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", page, flags=re.DOTALL)).split())


def pictures(page: str) -> list[Image.Image]:
    return [Image.open(BytesIO(b64decode(code))) for code in re.findall(r'src="data:image/webp;base64,([^"]+)"', page)]


def test_the_page_of_a_run(tmp_path: Path) -> None:
    text = text_of(page_of(make_run(tmp_path / "RUN")))
    for part in (
        "RUN images seen 3,200 FID 60 generator Generator, 8x8 parameters",
        "quality/fid 60 60 3,200",
        "quality/recall 0.2 0.3 1,600",
        "loss/generator 9 loss/discriminator 1",
        "penalty/r1 1e-08 log",
        "seed=3",
        "resolution: 8",
        "checkpoints/last.ckpt 2 KiB",
        "samples/",
        "Over images seen.",
    ):
        assert part in text, part


def test_the_same_run_gives_the_same_bytes_and_asks_for_nothing(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "RUN", overrides=[])
    (folder / "checkpoints" / "last.ckpt").unlink()  # the command to resume names the folder as it was given
    page = page_of(folder)
    assert page_of(folder) == page
    assert write_report(folder / ".." / "RUN", folder / "report.html").read_text() == page
    assert not re.search(r"https?:|<link|@import|url\(", page)
    assert re.findall(r'(?:src|href)="(.{5})', page) == ["data:"] * 4


def test_grids_become_frames(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "RUN")
    page = page_of(folder)
    assert [round(frame.convert("L").getpixel((5, 5)) / 20) for frame in pictures(page)] == [0, 1, 2, 13]  # type: ignore
    assert re.findall(r'data-title="([^"]+)', page) == ["0 images", "1,000 images", "2,000 images", "end of training"]
    two = page_of(folder, frames=2)
    assert re.findall(r'data-title="([^"]+)', two) == ["0 images", "end of training"]
    assert "2 of 4 grids; the others are in samples/." in text_of(two)
    assert re.findall(r'data-title="([^"]+)', page_of(folder, frames=1)) == ["end of training"]
    assert pictures(page_of(folder, frames=0)) == []
    assert {frame.size for frame in pictures(page_of(folder, width=30))} == {(30, 20)}


def test_long_runs_make_small_pages(tmp_path: Path) -> None:
    write_table(tmp_path / "metrics.csv", [row(16.0 * n, **{f"a__{k}": n % 7 for k in range(20)}) for n in range(3000)])
    write_grids(tmp_path, range(100))
    assert len(page_of(tmp_path)) < 300_000


def test_names_and_settings_are_escaped(tmp_path: Path) -> None:
    folder = make_run(tmp_path / HOSTILE.replace("/", "_"), overrides=[HOSTILE])
    (folder / "config.yaml").write_text(HOSTILE)
    (folder / "<b>").touch()
    write_table(folder / "metrics.csv", [row(1, **{HOSTILE: 1.0})])
    page = page_of(folder)
    assert page.count("<script>") == 1 and "alert(1)<" not in page and "<b>" not in page
    assert f"Set on the command line: {HOSTILE}" in text_of(page)
    assert f"The whole configuration {HOSTILE}" in text_of(page)
    for attribute in re.findall(r"""data-points='([^']*)'""", page):
        assert "<" not in attribute


def test_the_command_to_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = "python train.py seed=3 output=runs/RUN resume=runs/RUN"
    assert command in text_of(page_of(make_run(Path("runs/RUN"))))
    odd = make_run(Path("runs/it's [new]"))
    shown = re.findall(r"<pre>(python.*?)</pre>", page_of(odd))
    assert shlex.split(unescape(shown[0]))[-1] == r"resume='runs/it\'s [new]'"
    (odd / "checkpoints" / "last.ckpt").unlink()
    assert "To resume" not in text_of(page_of(odd))


def test_a_run_that_has_nothing_yet(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    text = text_of(page_of(tmp_path))
    assert "There are no grids yet." in text and "There are no metrics yet." in text


def test_a_run_without_numbers_that_are_finite(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,quality/fid,loss/generator\n1,nan,inf\n2,,nan\n")
    text = text_of(page_of(tmp_path))
    assert "There are no metrics yet." in text and "quality/fid nan" in text


def test_a_damaged_grid_is_left_out_with_a_warning(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "RUN")
    (folder / "samples" / "000001000.png").write_bytes(b"no picture")
    with pytest.warns(UserWarning, match=r"the report leaves out .*000001000\.png"):
        assert len(pictures(page_of(folder))) == 3


def test_a_page_of_several_runs(tmp_path: Path) -> None:
    for name, fid in (("10", 50.0), ("9", 40.0), ("2", 60.0)):
        folder = make_run(tmp_path / name, overrides=[f"seed={name}"])
        write_table(folder / "metrics.csv", [row(100, quality__fid=fid)])
    (tmp_path / "multirun.yaml").touch()
    page = page_of(tmp_path)
    assert "3 runs," in text_of(page)
    assert re.findall(r"<code>(.*?)</code>", page) == ["seed=2", "seed=9", "seed=10"]
    assert re.findall(r"<b>(.*?)</b>", page) == ["40"]
    assert len(pictures(page)) == 3


def test_other_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"folder must be a run's, or hold runs of train\.py, got"):
        write_report(tmp_path)
    with pytest.raises(ValueError, match="write_report: frames must be an int of at least 0, got -1"):
        write_report(make_run(tmp_path / "RUN"), frames=-1)
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(("line", "message", "code"), [
    ("report empty", "folder must be a run's, or hold runs of train.py, got 'empty'", 1),
    ("report file", "RUN must be a run's folder, got 'file', which is a file", 2),
    ("report nothing", "'nothing' does not exist", 2),
    ("report RUN x.pdf", "the file's ending must be .html or .htm, got 'x.pdf'", 2),
    ("report RUN x.html --frames -1", "Invalid value for '--frames'", 2),
    ("report BAD x.html", "metrics.csv' is no table of numbers", 1),
])  # fmt: skip
def test_errors_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, message: str, code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    make_run(Path("RUN"))
    (make_run(Path("BAD")) / "metrics.csv").write_text("a\nb\n")
    Path("empty").mkdir()
    Path("file").touch()
    result = CliRunner().invoke(commands.app, line.split())
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (code, "", 1)
    assert message in result.stderr
    assert not list(Path().rglob("*.html*"))
