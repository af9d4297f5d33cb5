"""What the documents say works: code runs page by page, commands run or are known, links lead to headings.

A block that cannot run has ``<!-- not run: reason -->`` on the line before it, and is counted in `NOT_RUN`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import train
from stylelayers import Generator
from stylelayers.checkpoints import convert, save_generator
from stylelayers.cli import app as commands
from stylelayers.compat import uninstall
from stylelayers.functional import activations
from stylelayers.metrics import classifier
from tests.documents import DOCUMENTS, Block, anchors_of, blocks_of, name, overrides_in, without_blocks
from tests.explore.tiny import tiny_alias_free
from tests.training.tiny import REPOSITORY, compose, image_files

NOT_RUN = {"docs/quality.md": 1, "docs/scaling.md": 1}
"""Blocks of a page that are not run, all with their reasons."""
OPTIONAL = ("kornia", "timm")
"""Packages that only blocks which compare us with them need."""
HOLDS = {
    "docs/augmentation.md": "0 < float(augment.p) < 1",
    "docs/conditions.md": "data.label_kind == 'vectors'",
    "docs/double_backward.md": "penalty.mean > 0",
    "docs/export.md": "images.shape == (7, 1, 8, 8)",
}
"""What is true after the last block of a page."""
OF_KEYS = ("docs/coming_from/", "docs/use_training.md")
"""Pages whose every override in the text is composed."""
SHORTER = {"project": "--steps=2", "interpolate": "--frames=2", "metrics": "--samples=8"}
PARSED = ("demo ", "export ", "metrics runs/RUN --metrics eq_t")
"""Command lines that are parsed, not run: they need other files, do not end, or take long. tests/cli runs such ones."""
COMPOSED = "train"
"""The command whose arguments are composed instead, by tests/test_readme.py."""


every_page = pytest.mark.parametrize("page", DOCUMENTS, ids=name)


# What the blocks use --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the pages name: the default run, cut to 8x8 pixels and two iterations, files and pictures."""
    folder = tmp_path_factory.mktemp("documents")
    run = folder / "runs" / "RUN"
    run.mkdir(parents=True)
    short = (
        "callbacks.stop.max_images=32",
        "callbacks.averages.every_images=16",
        "callbacks.grid.rows=2",
        "trainer.accelerator=cpu",
        "trainer.devices=1",
    )
    train.train(compose(f"output={run}", "data.num_workers=0", "data.resolution=8", *short))
    shutil.copy(run / "generator.safetensors", folder / "generator.safetensors")
    save_generator(Generator(8, z_dim=4, w_dim=4, channel_base=32, mapping_layers=2), folder / "faces.safetensors")
    save_generator(tiny_alias_free(), folder / "faces3.safetensors")
    for copy, original in (("official", "stylegan2_official_32"), ("stylegan3-t-ffhq-1024x1024", "stylegan3_t_32")):
        shutil.copy(REPOSITORY / "tests" / "data" / f"{original}.pkl", folder / f"{copy}.pkl")
    convert(folder / "faces.safetensors", folder / "port.pt")
    Image.linear_gradient("L").save(folder / "picture.png")
    image_files(folder / "images")
    return folder


@pytest.fixture
def workplace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of that folder as the current one."""
    folder = tmp_path / "here"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(classifier, "EPOCHS", 1)
    yield folder
    uninstall()


def use_generator_of(page: Path) -> None:
    """Exchange the run for one of the kind of generator that the page is about."""
    if page.name == "alias_free.md":
        generator: Any = tiny_alias_free()
    elif page.name == "conditions.md":
        generator = Generator(8, z_dim=4, w_dim=4, num_labels=2, channel_base=32, mapping_layers=2)
        generator.label_kind, generator.class_names = "vectors", ("smile", "young")
    else:
        return
    shutil.rmtree("runs/RUN")
    save_generator(generator, "runs/RUN/generator.safetensors")


# Blocks run -----------------------------------------------------------------------------------------------------------


@every_page
def test_blocks_run_in_order(page: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one namespace and one folder: a block may use the names and files of those before it, as a reader does."""
    use_generator_of(page)
    registered = re.findall(r'register_activation\(\s*"(\w+)"', page.read_text(encoding="utf-8"))
    known = {key: value for key, value in activations._ACTIVATIONS.items() if key not in registered}
    monkeypatch.setattr(activations, "_ACTIVATIONS", known)
    names: dict[str, Any] = {"__name__": page.stem}
    missing: set[str] = set()
    for block in blocks_of(page):
        lacking = {package for package in OPTIONAL if needs(block, package)}
        missing |= lacking
        if block.reason or lacking:
            continue
        if block.language == "python":
            code = block.text.replace("/path/to/", "")
            exec(compile("\n" * (block.line - 1) + code, str(page), "exec"), names)
        elif block.language == "sh":
            for command in block.commands:
                if command.startswith("stylelayers "):
                    run_command(command.removeprefix("stylelayers ").replace("/path/to/", ""))
    if missing:
        pytest.skip(f"without {', '.join(sorted(missing))}")
    assert eval(HOLDS.get(name(page), "True"), names)


def needs(block: Block, package: str) -> bool:
    imports = re.search(rf"^(import|from) {package}\b", block.text, re.MULTILINE)
    return imports is not None and importlib.util.find_spec(package) is None


def run_command(line: str) -> None:
    command, *arguments = shlex.split(line)
    if command == COMPOSED:
        return
    if line.startswith(PARSED):
        group: Any = typer.main.get_command(commands.app)
        group.commands[command].make_context(command, arguments)
        return
    more = [SHORTER[command]] if command in SHORTER else []
    if command == "metrics" and "images" in arguments:
        more.append("--features=random")  # instead of Inception's, which would be downloaded
    result = CliRunner().invoke(commands.app, [command, *arguments, *more])
    assert result.exit_code == 0, f"{line}: {result.stderr or result.exception!r}"


def test_blocks_that_are_not_run_are_few_and_say_why() -> None:
    counts = {name(page): sum(bool(block.reason) for block in blocks_of(page)) for page in DOCUMENTS}
    assert {page: count for page, count in counts.items() if count} == NOT_RUN


@every_page
def test_blocks_have_a_language(page: Path) -> None:
    languages = {block.language for block in blocks_of(page)}
    assert languages <= {"python", "sh", "yaml", "text"} or page.name == "CONTRIBUTING.md"


# Commands that are not run name what exists ---------------------------------------------------------------------------


@every_page
def test_command_lines_are_known(page: Path) -> None:
    """Every line of a block of commands is of a kind that one of the tests runs, composes or looks up."""
    known = r"stylelayers |python (train\.py|-m (stylelayers|benchmarks)\b|examples/)|pip install |pre-commit install|"
    known += r"npm pack |pytest\b|torchrun |\.ci/run$|python -m build$|tensorboard --logdir runs$|mlflow ui "
    lines = [
        line for block in blocks_of(page) if block.language == "sh" and not block.reason for line in block.commands
    ]
    assert [line for line in lines if not re.match(known, line)] == []


@every_page
def test_scripts_exist_and_have_the_options(page: Path) -> None:
    text = re.sub(r"\s+", " ", page.read_text(encoding="utf-8"))
    for script, options in re.findall(r"python (-m benchmarks\.\w+|examples/\w+\.py)([^`#]*?)(?=`|#| python |$)", text):
        file = REPOSITORY / (script.removeprefix("-m ").replace(".", "/") + ".py" if "-m" in script else script)
        source = file.read_text(encoding="utf-8")
        if "timing" in source:  # whose parser the benchmarks share
            source += (REPOSITORY / "benchmarks" / "timing.py").read_text(encoding="utf-8")
        for option in re.findall(r"--([\w-]+)", options):
            assert f'"--{option}"' in source or re.search(rf"\b{option.replace('-', '_')}=", source), (script, option)


@every_page
def test_installations_name_extras_and_tests_name_files(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    table = (REPOSITORY / "pyproject.toml").read_text().partition("[project.optional-dependencies]")[2]
    extras = re.findall(r"^(\w+) = \[", table.partition("\n[")[0], re.MULTILINE)
    named = re.findall(r'pip install (?:-e )?"(?:stylelayers|\.)\[([\w,]+)\]', text)
    assert {extra for group in named for extra in group.split(",")} <= set(extras)
    for test in re.findall(r"\btests/[\w/]+\.py", text):
        assert (REPOSITORY / test).is_file(), test


# Keys of the configuration --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in DOCUMENTS if name(page).startswith(OF_KEYS)], ids=name)
def test_keys_in_the_text_exist(page: Path) -> None:
    """Composed a few at a time: overrides of different keys together."""
    batches: list[dict[str, str]] = []
    for overrides in overrides_in(page):
        values = dict(word.split("=", 1) for word in overrides)
        batch = next((batch for batch in batches if not batch.keys() & values.keys()), None)
        if batch is None:
            batches.append(batch := {})
        batch.update(values)
    for batch in batches:
        defaults = {} if "data" in batch else {"data": "folder"}
        compose(*(f"{key}={value}" for key, value in {**defaults, **batch}.items()))


# Links ----------------------------------------------------------------------------------------------------------------


@every_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\((?!https?://)([^)\s]+)\)", without_blocks(page)):
        path, _, anchor = link.partition("#")
        target = Path(os.path.normpath(page.parent / path)) if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors_of(target)):
            broken.append(link)
    assert broken == []
