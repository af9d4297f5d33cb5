"""The files around the package say what is true: citation, security, changelog, workflow and issue forms."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from stylelayers import __version__
from tests.training.tiny import REPOSITORY

PROJECT = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
WORKFLOW = REPOSITORY / ".github" / "workflows" / "ci.yml"
FORMS = sorted((REPOSITORY / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
CHANGES = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
INSTALLED_ALONE = pytest.mark.skipif(not WORKFLOW.is_file(), reason="a source distribution has no .github")


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs() -> dict[str, Any]:
    found: dict[str, Any] = parsed(WORKFLOW)["jobs"]
    return found


def test_the_citation_is_of_this_version() -> None:
    citation = parsed(REPOSITORY / "CITATION.cff")
    assert (citation["version"], citation["license"]) == (__version__, "MIT")
    assert [author["name"] for author in citation["authors"]] == re.findall(r'authors = \[\{ name = "(.*)" \}', PROJECT)


def test_every_promise_about_files_has_its_test() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (REPOSITORY / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) >= 10
    for file, name in named:
        tree = ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{file}::{name}"


def test_the_changelog_keeps_its_form() -> None:
    text = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    title, *releases = re.split(r"^## ", text, flags=re.MULTILINE)
    assert title.startswith("# Changelog\n")
    versions = []
    for release in releases:
        heading, *parts = re.split(r"^### ", release, flags=re.MULTILINE)
        match = re.fullmatch(r"\[(Unreleased|\d+\.\d+\.\d+)\](?: - (\d{4}-\d\d-\d\d))?\s*", heading)
        assert match and (match[1] == "Unreleased") == (match[2] is None), heading
        versions.append(match[1])
        kinds = [part.partition("\n")[0] for part in parts]
        assert kinds == [kind for kind in CHANGES if kind in kinds] and kinds, f"{match[1]}: {kinds}"
        assert all(re.search(r"^- ", part, re.MULTILINE) for part in parts), f"{match[1]}: a part without a line"
    assert versions[0] in ("Unreleased", __version__)
    released = [tuple(map(int, version.split("."))) for version in versions if version != "Unreleased"]
    assert released == sorted(set(released), reverse=True)


# The workflow and the forms -------------------------------------------------------------------------------------


@INSTALLED_ALONE
def test_the_workflow_runs_on_the_supported_versions_of_python() -> None:
    (lowest,) = (each for each in jobs()["layers"]["strategy"]["matrix"]["include"] if each["torch"] == "lowest")
    everything = jobs()["everything"]["strategy"]["matrix"]["python"]
    assert [lowest["python"], *everything] == re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT)
    assert f'requires-python = ">={lowest["python"]}"' in PROJECT


@INSTALLED_ALONE
def test_the_workflow_holds_torch_at_the_lower_bound(tmp_path: Path) -> None:
    (command,) = (step["run"] for step in jobs()["layers"]["steps"] if step.get("if") == "matrix.torch == 'lowest'")
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", command], cwd=tmp_path, check=True)
    (bound,) = re.findall(r'^dependencies = \[.*"torch>=([\d.]+)', PROJECT, re.MULTILINE)
    assert (tmp_path / "constraints.txt").read_text() == f"torch=={bound}.*\n"


@INSTALLED_ALONE
def test_the_workflow_runs_what_is_there_and_may_only_read() -> None:
    steps = [step for job in jobs().values() for step in job["steps"]]
    assert parsed(WORKFLOW)["permissions"] == {"contents": "read"}
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]) for step in steps if "uses" in step)
    named = [word for step in steps for word in step.get("run", "").split() if word.startswith(("tests/", ".ci/"))]
    assert ".ci/run" in named and [path for path in named if not (REPOSITORY / path).exists()] == []


@INSTALLED_ALONE
@pytest.mark.parametrize("form", [path for path in FORMS if path.stem != "config"], ids=lambda path: path.stem)
def test_issue_forms_ask_for_versions_and_devices(form: Path) -> None:
    content = parsed(form)
    assert {"name", "description", "body"} < content.keys()
    assert "Output of `stylelayers env`" in [part["attributes"]["label"] for part in content["body"]]
