"""The benchmarks run and print their tables; no times are asserted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmarks import (
    alias_free,
    calls,
    compat,
    filtered_lrelu,
    filters,
    finite_difference,
    generate,
    gpu,
    growth,
    iteration,
    loading,
    memory,
    networks,
    operators,
    timing,
    variety,
)
from benchmarks.peers import Official, Rosinality
from stylelayers import Generator
from stylelayers.checkpoints import save_generator
from stylelayers.data import digits
from stylelayers.metrics import classifier

TINY = ("--rounds=1", "--resolution=8", "--batch=2")
SMALL = ("--channel-base=64", "--channel-max=8", "--w-dim=4")


def table(main: Callable[[], None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str):  # type: ignore[no-untyped-def]
    """The cells of all tables that a script prints, but for their headers."""
    monkeypatch.setattr(sys, "argv", ["benchmark", *options])
    monkeypatch.setattr(timing.Timer, "timeit", quick_timeit)
    main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


_timeit = timing.Timer.timeit


def quick_timeit(timer: timing.Timer, number: int = 1):  # type: ignore[no-untyped-def]
    return _timeit(timer, 1)


def test_operators_give_the_plain_ones_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(operators, "SHAPE", (8, 64, 8, 8))
    rows = table(operators.main, monkeypatch, capsys, "--rounds=1")
    names = {row[0] for row in rows if row[1] == "double backward"}
    assert names >= {"blur", "upsample", "downsample", "bias_act lrelu", "modulated conv up, reflect"}
    assert all(float(row[2]) > 0 for row in rows if row[1] in operators.PHASES)


def test_filters_are_timed_in_every_size_and_layout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(filters, "SHAPES", ((2, 3, 8, 8),))
    rows = table(filters.main, monkeypatch, capsys, "--rounds=1")
    timed = {tuple(row[i] for i in (0, 2, 3)) for row in rows if len(row) == len(filters.HEADER)}
    assert timed >= {(name, layout, "double backward") for name in ("blur", "up", "down") for layout in filters.LAYOUTS}
    assert {row[0] for row in rows} >= {"conv2d", "Blur"}


def test_the_filtered_lrelu_is_timed_and_saves_less(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(filtered_lrelu, "SHAPE", (2, 3, 16, 16))
    rows = table(filtered_lrelu.main, monkeypatch, capsys, "--rounds=1")
    assert len([row for row in rows if row[2] in filtered_lrelu.PHASES and float(row[3]) > 0]) == 18
    memory = [row for row in rows if row[0] in filtered_lrelu.LAYERS and len(row) == 5]
    saved = {row[0]: [float(cell) for cell in row[1:4]] for row in memory}
    assert [*saved] == [*filtered_lrelu.LAYERS]
    assert all(ours < 0.25 * operators <= plain for ours, operators, plain in saved.values())


def test_networks_and_iterations(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = {row[0]: row[1] for row in table(networks.main, monkeypatch, capsys, *TINY, *SMALL)}
    assert all(float(rows[step]) > 0 for step in networks.STEPS)
    assert 0 < float(rows["share"]) < 1
    for options in ([], ["--r1-only"]):
        rows = {row[0]: row[1] for row in table(iteration.main, monkeypatch, capsys, *TINY, *SMALL, *options)}
        assert float(rows["ours"]) > 0


def test_an_iteration_of_the_default_run_makes_few_calls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {
        row[0]: [int(cell) for cell in row[1:]] for row in table(calls.main, monkeypatch, capsys) if row[1].isdigit()
    }
    usual, worst, mean = rows["aten calls"]
    assert usual < mean < worst
    assert mean <= 6_700
    assert rows["not made by others"][2] <= 1_900


def test_official_networks_on_ours_need_the_official_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark"])
    with pytest.raises(SystemExit, match="needs --peers FOLDER"):
        compat.main()


SMOKE = ("--device=cpu", "--smoke", "--rounds=1")


def test_all_tables_of_the_gpu_are_printed_and_compiled_rows_left_out_for_want_of_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "COMPILING", 600.0)
    rows = table(gpu.main, monkeypatch, capsys, *SMOKE, "--minutes=9")
    words = [cell for row in rows for cell in row if cell == "no time left"]
    assert len(words) == 2 * len(gpu.STEPS) + 2
    operators_timed = {(row[0], row[2]) for row in rows if row[2:3] and row[2] in gpu.PHASES and float(row[3]) > 0}
    assert len(operators_timed) == 11 * len(gpu.PHASES)
    steps = [row for row in rows if row[0] in gpu.STEPS and row[3] != "no time left"]
    assert {row[2] for row in steps if float(row[3]) > 0} == {"float32", "tf32", "bf16"}
    timed = {row[1] for row in rows if row[0] == "ours" and row[2] != "no time left" and float(row[2]) > 0}
    assert timed == {"tf32", "bf16"}


@pytest.mark.slow
def test_compiled_rows_of_the_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    rows = table(gpu.main, monkeypatch, capsys, *SMOKE, "--minutes=60")
    assert "no time left" not in {cell for row in rows for cell in row}


def test_a_row_that_fails_is_named_and_the_next_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmark", *SMOKE])
    session = gpu.Session(timing.arguments("", device="cpu", minutes=1.0, smoke=False), gpu.SMOKE, None)

    def full() -> Callable[[], object]:
        raise torch.OutOfMemoryError("CUDA out of memory")

    found = session.times("row", {"large": full, "small": lambda: lambda: None, "wrong": lambda: int("x")})
    assert found["large"] == "out of memory" and found["wrong"] == "ValueError" and found["small"] > 0
    session.end = 0.0
    assert session.times("later", {"small": lambda: lambda: None}) == {"small": "no time left"}
    assert [line.partition(":")[0] for line in session.left_out] == [
        "row, large (out of memory)",
        "row, wrong",
        "later, small (no time left)",
    ]


def test_generating_is_compared_with_the_network(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = table(generate.main, monkeypatch, capsys, "--rounds=1", "--count=3", "--batch=2")
    assert {row[0] for row in rows} >= {"network", "one grid", "one file per seed"}


def test_the_demo_is_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gradio", reason='the page needs gradio: pip install "stylelayers[demo]"')
    from benchmarks import demo

    rows = table(demo.main, monkeypatch, capsys, "--rounds=1")
    assert {row[0] for row in rows} >= {"rendered", "requested over HTTP"}


def test_growth_is_fitted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(growth, "BATCHES", (1, 2))
    monkeypatch.setattr(growth, "RESOLUTIONS", (8, 16))
    monkeypatch.setattr(growth, "CHANNELS", {"channel_base": 64, "channel_max": 4, "w_dim": 4})
    rows = table(growth.main, monkeypatch, capsys, "--rounds=1")
    assert [len(row) for row in rows] == [4] * len(rows)
    assert all(float(cell) < 10 for row in rows for cell in row[3:] if row[0] in growth.STEPS)


def test_the_error_of_finite_differences_falls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(finite_difference, "SIGMAS", (0.3, 0.001))
    rows = table(finite_difference.main, monkeypatch, capsys, "--draws=1", "--batch=2")
    large, small = (abs(float(row[1].rstrip("%"))) for row in rows if row[0] in ("0.3", "0.001"))
    assert small < large


def test_memory_grows() -> None:
    assert memory.growth("ours", "path-length step", 32, 8, "cpu", None) > 0


def test_other_code_is_left_out_where_there_is_none(tmp_path: Path) -> None:
    for folder in (None, tmp_path):
        assert Official.found(folder) is None
        assert Rosinality.found(folder) is None


def test_loading_is_timed_for_every_source(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(loading, "SIDE", 8)
    monkeypatch.setattr(loading, "SOURCE", 32)
    monkeypatch.setattr(loading, "BATCH", 2)
    monkeypatch.setenv("STYLELAYERS_CACHE", "restored after the test")
    options = ("--rounds=1", "--images=4", "--start=6", "--names=2000", "--workers=0")
    rows = {row[0]: row[1:] for row in table(loading.main, monkeypatch, capsys, *options)}
    assert len(rows["0"]) == len(loading.LOADERS)
    assert all(float(rate) > 0 for rate in rows["0"])
    assert float(rows["first start"][0]) >= 0
    assert float(rows["process and 4 workers"][0]) > 0


def test_alias_free_generators_are_timed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--rounds=1", "--resolution=16", "--batch=1", "--channel-base=32", "--channel-max=4", "--w-dim=4")
    rows = table(alias_free.main, monkeypatch, capsys, *options)
    timed = {(row[0], row[1]) for row in rows if row[2].replace(".", "").isdigit() and float(row[2]) > 0}
    assert timed == {(name, step) for name in "TR" for step in alias_free.STEPS}


def test_variety_is_told_for_every_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of runs that are there, without a training."""
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    generator = Generator(32, z_dim=4, w_dim=4, num_labels=10, image_channels=1, channel_base=64, mapping_layers=1)
    for name in ("default-8-0", "default-8-1", "default-batch_32-8-0", "default-batch_32-8-1"):
        save_generator(generator, tmp_path / name / "generator.safetensors")
    numbers = variety.measure(tmp_path / "default-8-0")
    assert {*variety.NUMBERS, "spread"} <= numbers.keys()
    monkeypatch.setattr(variety, "measure", lambda run: {**numbers, "fid": float(run.name[-1])})
    options = (str(tmp_path), "--images=8", "--seeds=0,1", "--only=default,default; batch 32")
    rows = table(variety.main, monkeypatch, capsys, *options)
    assert [row[0] for row in rows if row[0] in variety.CHANGES] == ["default", "default; batch 32"]
    assert all(len(row) == len(variety.NUMBERS) + 2 and row[1] == "0.5 (0 to 1)" for row in rows[2:])


def test_the_spread_of_real_digits_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    data = digits(resolution=32)
    data.setup("fit")
    images, labels = map(torch.stack, zip(*(data.dataset[place] for place in range(variety.SAMPLES)), strict=True))
    assert variety.spread(images, labels) == pytest.approx(1.0, abs=1e-5)
    shrunk = torch.cat([images[labels == number].mean(0, keepdim=True).expand(5, -1, -1, -1) for number in range(10)])
    assert variety.spread(shrunk, torch.arange(10).repeat_interleave(5)) == pytest.approx(0.0, abs=1e-4)
