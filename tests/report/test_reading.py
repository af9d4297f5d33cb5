"""The folder of a run: parts of its metrics, what is unfinished, what is no table."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from stylelayers.report import is_run, read_run, read_table
from tests.report.folders import make_run, row, write_grids, write_table

EARLY = Path(__file__).parents[1] / "data" / "run_of_early_names"


def test_a_run_is_read(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "RUN"))
    assert (run.name, run.images, run.by_images) == ("RUN", 3200, True)
    assert run.series["quality/fid"] == [(1600, 80.0), (3200, 60.0)]
    assert len(run.series["loss/generator"]) == 9
    assert not run.series.keys() & {"epoch", "step", "progress/images"}
    assert [images for images, _ in run.grids] == [0, 1000, 2000, None]
    assert run.overrides[0] == "seed=3"
    assert run.generator is not None and run.generator.network == "Generator"
    assert run.files["checkpoints/last.ckpt"] == 2048


def test_what_was_trained_again_after_a_resume_replaces_what_was_before(tmp_path: Path) -> None:
    write_table(tmp_path / "metrics.0.csv", [row(images, a__b=1.0) for images in (100, 200, 300)])
    write_table(tmp_path / "metrics.10.csv", [row(images, a__b=3.0) for images in (400, 500)])
    write_table(tmp_path / "metrics.9.csv", [row(images, a__b=2.0) for images in (200, 300, 400)])
    write_table(tmp_path / "metrics.csv", [row(images, a__b=4.0) for images in (500, 600)])
    points = read_run(tmp_path).series["a/b"]
    assert points == [(100, 1.0), (200, 2.0), (300, 2.0), (400, 3.0), (500, 4.0), (600, 4.0)]


def test_early_runs_log_iterations_alone(tmp_path: Path) -> None:
    write_table(tmp_path / "metrics.csv", [{"step": 24, "loss/generator": 1.0}, {"step": 49, "loss/generator": 2.0}])
    run = read_run(tmp_path)
    assert (run.series, run.by_images, run.images) == ({"loss/generator": [(24, 1.0), (49, 2.0)]}, False, None)


def test_a_row_without_its_images_belongs_to_those_before(tmp_path: Path) -> None:
    write_table(tmp_path / "metrics.csv", [row(100, a__b=1.0), {"step": 9, "mine": 5.0}, row(200, a__b=2.0)])
    assert read_run(tmp_path).series["mine"] == [(100, 5.0)]


def test_a_last_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,a/b\n1,2.5\n2,3")
    assert read_table(tmp_path / "metrics.csv") == [{"step": 1, "a/b": 2.5}]
    (tmp_path / "metrics.csv").write_text("")
    assert read_run(tmp_path).series == {}


def test_numbers_that_are_not_finite_are_read(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,a/b\n1,nan\n2,inf\n")
    assert [math.isfinite(value) for _, value in read_run(tmp_path).series["a/b"]] == [False, False]


@pytest.mark.parametrize("table", [b"step,fid\n1,many\n", b"step\n\xff\n"])
def test_other_tables_are_refused(tmp_path: Path, table: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(table)
    with pytest.raises(ValueError, match=r"metrics\.csv' is no table of numbers"):
        read_run(tmp_path)


def test_settings_are_text_and_build_nothing(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "RUN")
    (folder / ".hydra" / "overrides.yaml").write_text("- !!python/object/apply:os.getcwd []\n")
    with pytest.raises(ValueError, match=r"overrides\.yaml' is no list of settings"):
        read_run(folder)


def test_long_texts_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("x" * ((1 << 20) + 1))
    with pytest.raises(ValueError, match=r"config\.yaml' must have at most 1,048,576 bytes, got 1,048,577"):
        read_run(tmp_path)


def test_a_damaged_generator_is_left_out_with_a_warning(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "RUN")
    (folder / "generator.safetensors").write_bytes(b"\x01" * 64)
    with pytest.warns(UserWarning, match="the report leaves out the generator"):
        assert read_run(folder).generator is None


def test_unfinished_files_are_not_listed(tmp_path: Path) -> None:
    folder = make_run(tmp_path / "RUN")
    (folder / "checkpoints" / "new.ckpt.part").touch()
    assert "checkpoints/new.ckpt.part" not in read_run(folder).files


def test_what_a_run_is(tmp_path: Path) -> None:
    assert is_run(EARLY) and is_run(make_run(tmp_path / "RUN"))
    write_grids(tmp_path / "other", [0])
    assert not is_run(tmp_path) and not is_run(tmp_path / "other") and not is_run(tmp_path / "nothing")
