"""Any command line trains, or ends in one line that names a key: random values of every key of the configuration."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from stylelayers.training.run.keys import keys_of
from tests.training.tiny import TINY, command_line, compose, image_files

SECONDS = 120
BASE = (*TINY, "trainer.max_epochs=1", "trainer.limit_train_batches=2", "trainer.max_time=20", "data.num_workers=0")
METRICS = (
    "callbacks=metrics",
    "callbacks.quality.meter.features={_target_:tests.metrics.test_quality_callback.Quarters}",
    "callbacks.quality.meter.samples=8",
    "callbacks.quality.meter.max_real=32",
    "callbacks.quality.meter.cache=null",
)
GROUPS = (
    *((), ("augment=ada",), ("augment=diffaugment",), ("loss=r3gan",), ("loss=hinge",), ("loss=wgan_gp",)),
    *(METRICS, ("experiment=reflect",), ("data=folder", "data.root=images")),
)
NUMBERS = (
    "-1",
    "0",
    "1",
    "2",
    "3",
    "5",
    "8",
    "16",
    "-0.5",
    "0.0",
    "0.5",
    "1.0",
    "1e-3",
    "1e1",
    "2k",
    "inf",
    "-inf",
    "nan",
)
OTHERS = (
    "null",
    "true",
    "false",
    "abc",
    "''",
    "[]",
    "[1,2]",
    "[0.0,0.9]",
    "[abc]",
    "[[0,1],[8,0.5]]",
    "[null]",
    "{a:1}",
)
ODD = ("auto", "yes", "10:00", "00:00:00:05", "${seed}", "${nothing}", "~", "'a b'", "stylelayers.Generator", "os.path")
SLOW = {  # what takes minutes, or waits for other machines
    "model.compile": {"true"},
    "data.num_workers": {"2", "3", "5", "8", "16", "1e1", "2k"},
    "trainer.devices": {"2", "3", "5", "8", "16", "1e1", "2k", "-1", "[1,2]", "auto"},
    "trainer.num_nodes": {"2", "3", "5", "8", "16", "1e1", "2k"},
    "trainer.max_time": {"null", "2k"},
    "callbacks.quality.meter.features": {"null"},
}


def keys() -> dict[str, tuple[tuple[str, ...], Any]]:
    """Every key of the composed configurations, with the choice of groups that has it and its value."""
    found: dict[str, tuple[tuple[str, ...], Any]] = {}
    for groups in GROUPS:
        config = compose(*groups, "output=run")
        for key in keys_of(config):
            value = OmegaConf.select(config, key)
            plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            found.setdefault(key, (groups, plain))
    return found


KEYS = keys()


USUAL = {
    bool: ("true", "false"),
    int: ("1", "2", "4", "8"),
    float: ("0.5", "1.0", "2", "0.01"),
    str: ("relu", "linear", "trainer", "skip", "resnet", "orig", "reflect", "cosine", "fit", "hinge", "fid", "kid"),
    list: ("[]", "[1,2]", "[0.0,0.9]", "[[0,1],[8,0.5]]", "abc"),
}


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """One to three overrides of keys that some choice of groups has."""
    chosen = draw(st.lists(st.sampled_from(sorted(KEYS)), min_size=1, max_size=3, unique=True))
    groups = {choice.partition("=")[0]: choice for key in chosen for choice in KEYS[key][0]}
    overrides = []
    for key in chosen:
        usual = USUAL.get(type(KEYS[key][1]), ("null", "1", "0.5"))
        value = draw(st.sampled_from(usual) if draw(st.booleans()) else st.sampled_from((*NUMBERS, *OTHERS, *ODD)))
        if value not in SLOW.get(key, ()):
            overrides.append(f"{draw(st.sampled_from(('', '', '', '++')))}{key}={value}")
    return [*groups.values(), *overrides]


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    def late(*_: Any) -> None:
        raise AssertionError(f"hangs for more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def outcome(overrides: list[str], images: Path) -> str | None:
    """The line in which a command line ends; None if it trains."""
    with TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        folder = Path(name)
        warnings.simplefilter("ignore")
        os.symlink(images, folder / "images")
        said = StringIO()
        try:
            with limited(SECONDS), redirect_stdout(said), redirect_stderr(said):
                command_line(patch, folder, *BASE, *overrides)
        except SystemExit as end:
            left = sorted(path.name for path in folder.iterdir() if path.name != "images")
            assert left == [], f"left behind: {left} by {end.code}"
            return str(end.code)
        finally:
            patch.chdir("/")
    return None


def check(overrides: list[str], images: Path) -> None:
    line = outcome(overrides, images)
    if line is not None:
        assert line.startswith("train.py: ")
        assert "\n" not in line, line
        given_keys = [override.lstrip("+").partition("=")[0] for override in overrides]
        named = any(key in line for key in (*given_keys, *(key for key in KEYS if "." in key)))
        parts = (key.rpartition(".") for key in given_keys)
        assert named or any(leaf in line and f"(configuration: {node})" in line for node, _, leaf in parts), line


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_files(tmp_path_factory.mktemp("images"))


@pytest.mark.parametrize("examples", [6, pytest.param(500, marks=pytest.mark.slow)])
def test_any_command_line_trains_or_ends_in_one_line_that_names_a_key(examples: int, images: Path) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples < 500,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(command_lines())
    def test(overrides: list[str]) -> None:
        check(overrides, images)

    test()


FOUND = (
    ("augment=-1",),
    ("trainer=null",),
    ("callbacks={a:1}",),
    ("logger=0.5",),
    ("logger=[null]",),
    ("output=''",),
    ("output=1.5",),
    ("hydra.run.dir=''",),
    ("trainer.limit_train_batches=-1",),
    ("model.discriminator_optimizer.eps=-1",),
    ("model.generator_optimizer.lr=-1",),
    ("model.generator_optimizer._partial_=${nothing}",),
    ("model.generator.activation=${seed}",),
    ("data.resolution=2",),
    ("callbacks.signals=${seed}",),
)


@pytest.mark.parametrize("overrides", FOUND, ids=" ".join)
def test_what_was_found_stays_found(overrides: tuple[str, ...], images: Path) -> None:
    check([*overrides], images)
    assert outcome([*overrides], images) is not None
