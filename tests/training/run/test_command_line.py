"""What people type as paths, and what Hydra's grammar makes of it."""

from __future__ import annotations

import argparse
import os
import shlex

import hydra
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from stylelayers.training.run.command_line import at_home, one_line, quoted, refusal, typed_overrides, unreadable
from stylelayers.training.run.errors import explain

PATHS = (
    *("my [new] pictures", "a=b", "it's", "größe", "写真", "котики", "(1)", "{x}", "a~b", "a&b", "a;b", "a#b", "a!b"),
    *(
        'say "x"',
        "a^b",
        "`x`",
        "x\\",
        "\\'",
        "C:\\pictures (new)",
        "a,b",
        " a",
        "null",
        "TRUE",
        "1e3",
        "",
        "${x}",
        "😀",
    ),
)


def read(argument: str) -> object:
    """As a configuration has it."""
    override = OverridesParser.create().parse_override(argument)
    assert not override.is_sweep_override()
    return OmegaConf.create({"value": override.value()}).value


@pytest.mark.parametrize("path", PATHS)
def test_a_quoted_path_is_read_as_it_is(path: str) -> None:
    assert read(f"data.root={quoted(path)}") == path


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_text_is(text: str) -> None:
    assert read(f"data.root={quoted(text)}") == text


@given(st.text("\\'${}ab"))
def test_also_of_quotes_backslashes_and_references(text: str) -> None:
    assert read(f"data.root={quoted(text)}") == text


@pytest.mark.parametrize("path", PATHS)
def test_for_what_hydra_cannot_read_the_form_to_type_is_shown(path: str) -> None:
    """As a shell and then Hydra read it."""
    line = unreadable(["data=digits", "-m", f"data.root={path}", "seed=1"])
    if line is None:
        assert OverridesParser.create().parse_override(f"data.root={path}") is not None
        return
    assert line.startswith(f"data.root={path} is not in Hydra's grammar")
    (typed,) = shlex.split(line.partition("for the shell: ")[2])
    assert read(typed) == path


def test_most_of_them_hydra_cannot_read() -> None:
    assert sum(unreadable([f"data.root={path}"]) is not None for path in PATHS) >= 17


@pytest.mark.parametrize("argument", ["loss.r1_gamma", "-m", "--cfg", "data.root=", "=3", "x='", "~callbacks.grid"])
def test_what_quotes_cannot_help_is_left_to_hydra(argument: str) -> None:
    found = unreadable([argument])
    assert found is None or "x=" in found


def test_the_home_folder_is_where_the_shell_would_have_put_it() -> None:
    home = os.path.expanduser("~")
    typed = [
        "data.root=~/my pictures",
        "resume=~",
        "~callbacks.grid",
        "seed=1",
        "-m",
        "x=a~b",
        "hydra.run.dir=~/runs/a",
    ]
    found = at_home(typed)
    assert [read(found[index]) for index in (0, 1, 6)] == [f"{home}/my pictures", home, f"{home}/runs/a"]
    assert found[2:6] == typed[2:6]
    assert at_home(["data.root=~/a,~/b", "data.root=~/a,b"]) == [
        f"data.root={home}/a,{home}/b",
        f"data.root='{home}/a,b'",
    ]


def failing(module: str) -> Exception:
    """What a function of a module raises."""
    space = {"__name__": module}
    exec("def fail():\n    raise AssertionError('no\\nversion')", space)
    try:
        space["fail"]()  # type: ignore[operator]
    except AssertionError as error:
        return error
    raise AssertionError


def test_a_sweeper_that_fails_is_told_in_a_line() -> None:
    line = refusal(failing("hydra_plugins.hydra_optuna_sweeper._impl"), [], "configs")
    assert line == "hydra_optuna_sweeper failed (AssertionError: no version); hydra.sweeper.* are its settings"


@pytest.mark.parametrize("module", ["stylelayers.models", "hydra_plugins.hydra_joblib_launcher", "torch"])
def test_what_else_fails_keeps_its_traceback(module: str) -> None:
    assert refusal(failing(module), [], "configs") is None


def test_a_python_on_which_hydra_does_not_start_is_told_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse_help(parser: argparse.ArgumentParser, *names: str, **options: object) -> None:
        raise ValueError("badly formed help string")  # as argparse of Python 3.14 does for one that is no text

    monkeypatch.setattr(argparse.ArgumentParser, "add_argument", refuse_help)
    with pytest.raises(ValueError) as raised:
        hydra.main(version_base="1.3", config_path=None)(lambda cfg: None)()
    line = refusal(raised.value, [], "configs")
    assert line and line.startswith(f"hydra-core {hydra.__version__} does not start on Python 3.")


def test_references_of_a_command_line_are_not_followed() -> None:
    config = OmegaConf.create({"overrides": {"task": ["seed=${nothing}"], "hydra": ["hydra.run.dir=a"]}})
    assert typed_overrides(config) == ["seed=${nothing}"]
    assert typed_overrides(config, "hydra") == ["hydra.run.dir=a"]


def test_a_warning_shows_no_line_of_code() -> None:
    text = one_line(UserWarning("few images"), UserWarning, "hydra/core.py", 3, "code = here")
    assert text == "train.py: warning: few images\n"


def test_a_broken_pipe_to_a_worker_is_told_as_one() -> None:
    assert explain(ConnectionResetError(104, "Connection reset by peer")).startswith(
        "a DataLoader worker, one of data."
    )
